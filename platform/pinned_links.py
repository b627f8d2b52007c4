"""Links that are pinned in a bpf file system: they outlive every process. bpf(2), Documentation/bpf/libbpf."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .mounts import mounts
from .sched_ext import PROC, struct_ops_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kernel import Kernel

# A bpf file system may hold thousands of maps; who searches for a scheduler's link is in a hurry.
_LOOKED_AT = 4096


@attrs.frozen
class Pin:
    """`link_id` as in fdinfo."""

    path: str
    link_id: int | None


def pinned_links(kernel: Kernel, *, proc: str = PROC) -> list[Pin]:
    """The struct_ops links that are pinned. What may not be looked at is left out."""
    found = []
    for path in _files(kernel, proc):
        try:
            fd = kernel.bpf_pinned(path)
        except OSError:
            # Taken away meanwhile, or not for us.
            continue
        try:
            link = struct_ops_link(kernel, "self", str(fd), proc)
        finally:
            kernel.close(fd)
        if link is not None:
            found.append(Pin(path, link.link_id))
    return found


def _files(kernel: Kernel, proc: str) -> Iterator[str]:
    """Paths in all bpf file systems. A folder is one of them: it is no BPF object, which bpf(2) says."""
    waiting = [mount.path for mount in mounts(kernel, proc) if mount.kind == "bpf"]
    looked = 0
    while waiting and looked < _LOOKED_AT:
        path = waiting.pop()
        try:
            names = kernel.listdir(path)
        except NotADirectoryError:
            looked += 1
            yield path
        except OSError:
            continue
        else:
            waiting += [f"{path}/{name}" for name in names]

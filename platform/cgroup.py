"""A cgroup of its own for a process that we start: whatever it forks is in it, and one write ends all of it.

Documentation/admin-guide/cgroup-v2.rst. Nothing needs a controller: an empty cgroup below our own is enough. It stays
with the processes in it when we die, and says nothing of zombies: *empty* is not *reaped*.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from .mounts import mounts
from .sched_ext import PROC
from .text_files import lines

if TYPE_CHECKING:
    from .kernel import Kernel

# How many names are tried: one that is there already belonged to somebody of our pid who has died.
_NAMES = 16


@attrs.frozen
class Cgroup:
    """Its directory, and descriptors of its `cgroup.procs` and `cgroup.kill`, open for writing, and its
    `cgroup.events`: what ends a run must not want for a descriptor then."""

    path: str
    procs: int
    killer: int
    events: int


_FILES = (("cgroup.procs", os.O_WRONLY), ("cgroup.kill", os.O_WRONLY), ("cgroup.events", os.O_RDONLY))


def make(kernel: Kernel, name: str, *, proc: str = PROC) -> Cgroup:
    """A new cgroup `name` below our own. Raises OSError: ENOENT where there is no cgroup v2 or it can't kill (before
    Linux 5.14), EACCES, EPERM, EROFS where it may not be made."""
    parent = _own(kernel, proc)
    for attempt in range(_NAMES):
        path = f"{parent}/{name}" + (f".{attempt}" if attempt else "")
        try:
            kernel.mkdir(path)
        except FileExistsError:
            continue
        return _opened(kernel, path)
    raise FileExistsError(errno.EEXIST, "all names are taken", f"{parent}/{name}")


def _opened(kernel: Kernel, path: str) -> Cgroup:
    fds: list[int] = []
    try:
        for name, flags in _FILES:
            fds.append(kernel.open(f"{path}/{name}", flags))
    except OSError:
        for fd in fds:
            kernel.close(fd)
        kernel.rmdir(path)
        raise
    return Cgroup(path, *fds)


def kill(kernel: Kernel, cgroup: Cgroup) -> None:
    """SIGKILL to every process in it and below, those being forked meanwhile too."""
    kernel.write(cgroup.killer, b"1")


def populated(kernel: Kernel, cgroup: Cgroup) -> bool:
    """Whether a living process is in it or below. One that was removed has none."""
    try:
        return b"populated 1" in kernel.pread(cgroup.events, 4096, 0)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return False
        raise


def close(kernel: Kernel, cgroup: Cgroup) -> None:
    """Give its descriptors back and leave it as it is."""
    for fd in (cgroup.procs, cgroup.killer, cgroup.events):
        # Whatever it says, the descriptor is gone.
        with suppress(OSError):
            kernel.close(fd)


def remove(kernel: Kernel, cgroup: Cgroup) -> None:
    """Remove it, with what was made below it, and give its descriptors back. Raises OSError: EBUSY where a process is
    still in it."""
    close(kernel, cgroup)
    _remove(kernel, cgroup.path)


def _remove(kernel: Kernel, path: str) -> None:
    try:
        names = kernel.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        _remove(kernel, f"{path}/{name}")
    with suppress(FileNotFoundError):
        kernel.rmdir(path)


def members(kernel: Kernel, path: str) -> list[int]:
    """The pids in it, zombies that were not reaped among them."""
    return [int(line) for line in lines(kernel, f"{path}/cgroup.procs")]


def _own(kernel: Kernel, proc: str) -> str:
    """The directory of our own cgroup."""
    shown = next((mount for mount in mounts(kernel, proc) if mount.kind == "cgroup2"), None)
    if shown is None:
        raise FileNotFoundError(errno.ENOENT, "cgroup v2 is not mounted", f"{proc}/self/mountinfo")
    ours = next((line[3:] for line in lines(kernel, f"{proc}/self/cgroup") if line.startswith("0::")), None)
    root = shown.root.rstrip("/")
    if ours is None or not f"{ours}/".startswith(f"{root}/"):
        raise FileNotFoundError(errno.ENOENT, "our own cgroup is not below what is mounted", shown.path)
    return shown.path + ours.removeprefix(root).rstrip("/")

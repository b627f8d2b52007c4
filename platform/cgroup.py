"""A cgroup of its own for a process that we start: whatever it forks is in it, and one write ends all of it.

Documentation/admin-guide/cgroup-v2.rst. Nothing needs a controller: an empty cgroup below our own is enough. It stays
with the processes in it when we die, and says nothing of zombies: *empty* is not *reaped*.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import attrs

from .mounts import Mount, mounts
from .sched_ext import PROC
from .text_files import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .kernel import Kernel

# How many names are tried: one that is there already belonged to somebody of our pid who has died.
_NAMES = 16
# How often the processes of a cgroup are listed to signal them, and how many at a time: each list is from before.
_ROUNDS = 8
_AT_ONCE = 64
#: The files of a cgroup begin so; what else is in it is a cgroup. cgroups(7)
_FILES_OF_CONTROLLERS = (
    *("cgroup.", "cpu.", "cpuset.", "io.", "memory.", "pids.", "hugetlb."),
    *("rdma.", "misc.", "irq.", "dmem.", "perf_event.", "debug."),
)


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
    parent = own(kernel, proc=proc)
    for attempt in range(_NAMES):
        path = f"{parent}/{name}" + (f".{attempt}" if attempt else "")
        try:
            kernel.mkdir(path)
        except FileExistsError:
            continue
        return opened(kernel, path)
    raise FileExistsError(errno.EEXIST, "all names are taken", f"{parent}/{name}")


def opened(kernel: Kernel, path: str) -> Cgroup:
    """The cgroup at `path`. Raises OSError; then it is removed, if it is empty."""
    fds: list[int] = []
    try:
        for name, flags in _FILES:
            fds.append(kernel.open(f"{path}/{name}", flags))
    except OSError:
        for fd in fds:
            kernel.close(fd)
        with suppress(OSError):
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
    remove_path(kernel, cgroup.path)


def remove_path(kernel: Kernel, path: str) -> None:
    """Remove the cgroup at `path`, with those below it. Raises OSError: EBUSY where a process is still in one."""
    for below in folders(kernel, path):
        remove_path(kernel, below)
    with suppress(FileNotFoundError):
        kernel.rmdir(path)


def members(kernel: Kernel, path: str) -> list[int]:
    """The pids in it and below, zombies that were not reaped among them. Raises OSError."""
    found = [int(line) for line in lines(kernel, f"{path}/cgroup.procs")]
    for below in folders(kernel, path):
        found += members(kernel, below)
    return found


def send(kernel: Kernel, path: str, signals: Sequence[int], *, but: int) -> None:
    """Send `signals` to each process in the cgroup at `path`, those that are forked meanwhile too, but not to the pid
    `but`. A process that can't be asked is passed over: it is killed with the rest in the end."""
    asked = {but}
    for _ in range(_ROUNDS):
        new = [pid for pid in members(kernel, path) if pid not in asked]
        if not new:
            return
        asked.update(new)
        _send(kernel, path, signals, new)


def _send(kernel: Kernel, path: str, signals: Sequence[int], pids: Sequence[int]) -> None:
    with ExitStack() as stack:
        held = {}
        for pid in pids[:_AT_ONCE]:
            with suppress(OSError):
                held[pid] = kernel.pidfd_open(pid)
                stack.callback(_close, kernel, held[pid])
        # A number that is still listed now is of a process in it, and so is its pidfd.
        for pid in held.keys() & set(members(kernel, path)):
            for number in signals:
                with suppress(OSError):
                    kernel.pidfd_send_signal(held[pid], number)


def _close(kernel: Kernel, fd: int) -> None:
    with suppress(OSError):
        kernel.close(fd)


def folders(kernel: Kernel, path: str) -> list[str]:
    """The paths of the cgroups right below the one at `path`; none where it is no cgroup any more. Raises OSError."""
    try:
        names = kernel.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [f"{path}/{name}" for name in names if not name.startswith(_FILES_OF_CONTROLLERS)]


def mounted(kernel: Kernel, *, proc: str = PROC) -> Mount:
    """Where cgroup v2 is mounted. Raises FileNotFoundError where it is not."""
    shown = next((mount for mount in mounts(kernel, proc) if mount.kind == "cgroup2"), None)
    if shown is None:
        raise FileNotFoundError(errno.ENOENT, "cgroup v2 is not mounted", f"{proc}/self/mountinfo")
    return shown


def own(kernel: Kernel, *, proc: str = PROC) -> str:
    """The directory of our own cgroup. Raises FileNotFoundError."""
    shown = mounted(kernel, proc=proc)
    ours = next((line[3:] for line in lines(kernel, f"{proc}/self/cgroup") if line.startswith("0::")), None)
    root = shown.root.rstrip("/")
    if ours is None or not f"{ours}/".startswith(f"{root}/"):
        raise FileNotFoundError(errno.ENOENT, "our own cgroup is not below what is mounted", shown.path)
    return shown.path + ours.removeprefix(root).rstrip("/")

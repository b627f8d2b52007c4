"""A cgroup of its own for a process that we start: whatever it forks is in it, and one write ends all of it.

Documentation/admin-guide/cgroup-v2.rst. Nothing needs a controller: an empty cgroup below our own is enough. It stays
with the processes in it when we die, and says nothing of zombies: *empty* is not *reaped*.
"""

from __future__ import annotations

import errno
import os
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
    """`procs` is a descriptor of its `cgroup.procs`, open for writing."""

    path: str
    procs: int

    @property
    def events(self) -> str:
        """The file whose `populated` says whether a process is in it; inotify tells of each change."""
        return f"{self.path}/cgroup.events"


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
        try:
            kernel.stat(f"{path}/cgroup.kill")
            return Cgroup(path, kernel.open(f"{path}/cgroup.procs", os.O_WRONLY))
        except OSError:
            kernel.rmdir(path)
            raise
    raise FileExistsError(errno.EEXIST, "all names are taken", f"{parent}/{name}")


def kill(kernel: Kernel, cgroup: Cgroup) -> None:
    """SIGKILL to every process in it and below, those being forked meanwhile too."""
    fd = kernel.open(f"{cgroup.path}/cgroup.kill", os.O_WRONLY)
    try:
        kernel.write(fd, b"1")
    finally:
        kernel.close(fd)


def populated(kernel: Kernel, cgroup: Cgroup) -> bool:
    """Whether a living process is in it or below. One that was removed has none."""
    try:
        fd = kernel.open(cgroup.events, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return b"populated 1" in kernel.read(fd, 4096)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return False
        raise
    finally:
        kernel.close(fd)


def remove(kernel: Kernel, cgroup: Cgroup) -> None:
    """Remove it, with what was made below it, and give its descriptor back. It stays where a process is still in it."""
    kernel.close(cgroup.procs)
    _remove(kernel, cgroup.path)


def _remove(kernel: Kernel, path: str) -> None:
    try:
        names = kernel.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        _remove(kernel, f"{path}/{name}")
    try:
        kernel.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOENT):
            raise


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

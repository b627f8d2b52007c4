"""What a supervisor that was killed has left: the cgroups that it made, and the processes in them.

A cgroup's name has the supervisor's pid and start time, and a key for the socket or unit that it served, so that the
next supervisor can find what the last one left. Nothing else is stored: what the kernel shows is all there is to know.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from .cgroup import Cgroup, folders, members, mounted, opened, own
from .process_group import Member as Process
from .process_group import lives, member_of
from .text_files import lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kernel import Kernel

_NO_UNIT = "any"
_NAME = re.compile(rf"scxlife-([0-9a-f]{{16}}|{_NO_UNIT})-([0-9]{{1,10}})-([0-9]{{1,20}})(?:\.[0-9]+)?")
_DEEPEST = 32
# How many processes are named; a tree of thousands is one too many for a line.
_NAMED = 8


@attrs.frozen
class Leftover:
    """A cgroup of the supervisor that had the number `pid` and is dead. `unit` is what it served: None is nothing that
    a later supervisor could ask for."""

    path: str
    pid: int
    unit: str | None


def unit_of(kernel: Kernel, socket: str | None) -> str | None:
    """The key of what we serve: the control socket at `socket`, an absolute path; without one the systemd service that
    we are, by our own cgroup; None where we are neither."""
    import hashlib

    if socket is not None:
        served = f"socket {socket}"
    else:
        try:
            served = f"service {own(kernel)}"
        except OSError:
            return None
        # Below it, where the unit has a subgroup of its own for us.
        served, service, _ = f"{served}/".partition(".service/")
        if not service:
            return None
    return hashlib.sha256(served.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def name_for(kernel: Kernel, unit: str | None) -> str:
    """The name of a cgroup that we make. `unit`: 16 hexadecimal digits for the socket or unit that we serve."""
    us = member_of(kernel, int(kernel.readlink("/proc/self")))
    assert us is not None
    return f"scxlife-{unit or _NO_UNIT}-{us.pid}-{us.started}"


def next_to_ours(kernel: Kernel) -> list[Leftover]:
    """Those below our own cgroup. Raises OSError where there is no cgroup v2."""
    return list(_below(kernel, own(kernel), None, deepest=1))


def of_unit(kernel: Kernel, unit: str) -> list[Leftover]:
    """Those of dead supervisors of this unit, of our own user, that still have a process. None of them is above us."""
    try:
        ours, mount = own(kernel), mounted(kernel)
    except OSError:
        return []
    found = _below(kernel, mount.path, unit, deepest=_DEEPEST)
    return [each for each in found if not f"{ours}/".startswith(f"{each.path}/") and _populated(kernel, each)]


def open_all(kernel: Kernel, leftovers: list[Leftover]) -> tuple[Cgroup, ...]:
    """Those that are still there. Raises OSError."""
    found = []
    for each in leftovers:
        # Once it is empty any supervisor may remove it.
        with suppress(FileNotFoundError):
            found.append(opened(kernel, each.path))
    return tuple(found)


def described(kernel: Kernel, leftover: Leftover) -> str:
    """`pid 12 (sleep), left by supervisor 99, which is gone`"""
    try:
        pids = members(kernel, leftover.path)
    except OSError:
        pids = []
    named = [f"pid {pid} ({_comm(kernel, pid)})" for pid in pids[:_NAMED]]
    more = [f"{len(pids) - _NAMED} more"] if len(pids) > _NAMED else []
    return f"{', '.join([*named, *more]) or leftover.path}, left by supervisor {leftover.pid}, which is gone"


def _below(kernel: Kernel, path: str, unit: str | None, *, deepest: int) -> Iterator[Leftover]:
    try:
        found_below = folders(kernel, path)
    except OSError:
        # It is closed to us, or gone by now.
        return
    for below in found_below:
        found = _NAME.fullmatch(below.rpartition("/")[2])
        if found is not None and unit in (None, found[1]) and _is_ours(kernel, below):
            supervisor = Process(int(found[2]), int(found[3]))
            if not lives(kernel, supervisor):
                yield Leftover(below, supervisor.pid, None if found[1] == _NO_UNIT else found[1])
        if deepest > 1:
            yield from _below(kernel, below, unit, deepest=deepest - 1)


def _is_ours(kernel: Kernel, path: str) -> bool:
    """Whether our user has made it: anybody may choose a name."""
    try:
        return kernel.stat(path).uid == kernel.stat("/proc/self").uid
    except OSError:
        return False


def _populated(kernel: Kernel, leftover: Leftover) -> bool:
    try:
        return any("populated 1" in line for line in lines(kernel, f"{leftover.path}/cgroup.events"))
    except OSError:
        # It was removed since it was found.
        return False


def _comm(kernel: Kernel, pid: int) -> str:
    try:
        return next(iter(lines(kernel, f"/proc/{pid}/comm")), "?")
    except OSError:
        # It has ended since it was listed.
        return "?"

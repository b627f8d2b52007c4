"""Who is in a process group: for a tree that has no cgroup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .sched_ext import PROC, start_time, stat_fields

if TYPE_CHECKING:
    from .kernel import Kernel

# Fields of proc_pid_stat(5).
_STATE, _GROUP, _STARTED = 3, 5, 22
_DEAD = ("Z", "X")


@attrs.frozen
class Member:
    """A process, told from all others by the clock tick since boot at which it began."""

    pid: int
    started: int


def members(kernel: Kernel, group: int, *, proc: str = PROC) -> list[Member]:
    """Those of the group that live. Raises OSError where there is no /proc."""
    found = []
    for name in kernel.listdir(proc):
        fields = stat_fields(kernel, int(name), proc) if name.isdecimal() else None
        if fields is not None and int(fields[_GROUP]) == group and fields[_STATE] not in _DEAD:
            found.append(Member(int(name), int(fields[_STARTED])))
    return found


def member_of(kernel: Kernel, pid: int, *, proc: str = PROC) -> Member | None:
    """The process that bears this number now, a zombie too; None when nobody does."""
    started = start_time(kernel, pid, proc)
    return None if started is None else Member(pid, started)


def lives(kernel: Kernel, member: Member, *, proc: str = PROC) -> bool:
    """Whether it is still there and no zombie; who has got its number since does not count."""
    fields = stat_fields(kernel, member.pid, proc)
    return fields is not None and int(fields[_STARTED]) == member.started and fields[_STATE] not in _DEAD

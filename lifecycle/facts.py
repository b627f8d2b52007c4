"""What was seen of one run on its way: actions and guards write it, the outcome is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scxlife.platform.cgroup import Cgroup
    from scxlife.platform.kernel import FileStat
    from scxlife.platform.process_group import Member
    from scxlife.platform.sched_ext import Snapshot

    from .logfile import Log


@attrs.define
class Facts:
    """None: not seen, or not yet. `entered` are the monotonic seconds at which each phase began."""

    # before there is a process
    baseline: Snapshot | None = None
    newest_link: int | None = None
    file_baseline: FileStat | None = None
    log: Log | None = None
    cgroup: Cgroup | None = None
    leftovers: tuple[Cgroup, ...] = ()
    left: str = ""
    failure: str = ""
    # of the process
    pid: int | None = None
    member: Member | None = None
    spawned_at: float | None = None
    entered: dict[str, float] = attrs.Factory(dict)
    kernel_seconds: float | None = None
    hotplug_seq: int | None = None
    exit: Mapping[str, int] | None = None
    rest: tuple[Member, ...] = ()
    # of its scheduler
    owner: Mapping[str, Any] | None = None
    instance: int | None = None
    enable_seq: int | None = None
    ops: str | None = None
    partial: bool | None = None
    attachments: int = 0
    # Seconds in the state `running`, and when it was entered last.
    ready_seconds: float = 0.0
    ready_since: float = 0.0
    kernel_reason: str | None = None
    kernel_details: list[str] = attrs.Factory(list)
    link_kept: bool = False
    held_by: str = ""
    # of what goes with it
    payload: Mapping[str, Any] | None = None
    log_dropped: int = 0
    # Bytes of the log when it was attached last: an EXIT line before them is of an earlier generation.
    log_before: int = 0
    degraded: list[str] = attrs.Factory(list)

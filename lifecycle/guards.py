"""The guards that the lifecycle's definition names: questions to the kernel, asked at the moment when they matter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scxlife.platform import cgroup, leftovers
from scxlife.platform.kernel_time import kernel_seconds
from scxlife.platform.sched_ext import DISABLING, ENABLING, hotplug_seq, state_of

from .logfile import pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.fsm.definition import Definition
    from scxlife.fsm.events import Event
    from scxlife.fsm.sources import EventSource
    from scxlife.platform.kernel import Kernel

    from .facts import Facts
    from .logfile import Log
    from .plan import Plan
    from .processes import Process

# kernel/sched/ext: the reason that is logged when the process closed its own link, or died.
BY_USER_SPACE = "unregistered from user space"
# What a scheduler prints of its end: in C alone, in Rust as the error that main() returns.
_EXIT_LINE = re.compile(rb"\n(?:Error: )?EXIT: (\S.{0,999})")


class Guards:
    """`source` gives an open event source by its name."""

    def __init__(
        self,
        kernel: Kernel,
        definition: Definition,
        plan: Plan,
        facts: Facts,
        process: Process,
        source: Callable[[str], EventSource | None],
    ) -> None:
        self._kernel = kernel
        self._definition = definition
        self._plan = plan
        self._facts = facts
        self._process = process
        self._source = source

    def leftovers(self, event: Event) -> bool:
        return self._plan.unit is not None and bool(leftovers.of_unit(self._kernel, self._plan.unit))

    def leftovers_kept(self, event: Event) -> bool:
        return self._definition.settings["keep_leftovers"] is True

    def tree_alive(self, event: Event) -> bool:
        facts = self._facts
        if facts.cgroup is None:
            return bool(self._process.group())
        return any(pid != facts.pid for pid in cgroup.members(self._kernel, facts.cgroup.path))

    def confirmed(self, event: Event) -> bool:
        source: Any = self._source("readiness")
        return source is not None and bool(source.confirm())

    def undecided(self, event: Event) -> bool:
        source: Any = self._source("readiness")
        return source is not None and bool(source.undecided())

    def early_ready(self, event: Event) -> bool:
        return self._definition.settings["early_ready"] is True

    def progressing(self, event: Event) -> bool:
        facts, settings = self._facts, self._definition.settings
        assert facts.pid is not None
        before, facts.kernel_seconds = facts.kernel_seconds or 0.0, kernel_seconds(self._kernel, facts.pid)
        share, timeout = settings["verifier_share"], settings["attach_timeout"]
        assert isinstance(timeout, (int, float))
        # In no time nobody makes progress, and a deadline that starts over at once would never let anybody wait.
        if not isinstance(share, (int, float)) or timeout == 0:
            return False
        worked = (facts.kernel_seconds or 0.0) - before
        return worked >= share * timeout or state_of(self._kernel) == ENABLING

    def hotplugged(self, event: Event) -> bool:
        facts = self._facts
        before, facts.hotplug_seq = facts.hotplug_seq, hotplug_seq(self._kernel)
        return before != facts.hotplug_seq

    def detached_from_outside(self, event: Event) -> bool:
        """Whoever gives up his own link has closed it before the kernel begins to disable."""
        reason = reason_of(self._kernel, self._definition, self._facts)
        return self._facts.link_kept and reason is not None and reason.startswith(BY_USER_SPACE)

    def unregistered_by_itself(self, event: Event) -> bool:
        reason = reason_of(self._kernel, self._definition, self._facts)
        return not self._facts.link_kept and reason is not None and reason.startswith(BY_USER_SPACE)

    def grace_given(self, event: Event) -> bool:
        return self._definition.settings["reattach_grace"] != 0

    def being_enabled(self, event: Event) -> bool:
        return state_of(self._kernel) == ENABLING

    def being_disabled(self, event: Event) -> bool:
        return state_of(self._kernel) == DISABLING

    def ejected_by_kernel(self, event: Event) -> bool:
        if self._facts.attachments == 0:
            return False
        reason = reason_of(self._kernel, self._definition, self._facts)
        return reason is not None and not reason.startswith(BY_USER_SPACE)


def reason_of(kernel: Kernel, definition: Definition, facts: Facts) -> str | None:
    """Why the kernel ended our scheduler: its log says so, or where that can't be read, the scheduler's own."""
    if facts.kernel_reason is not None:
        return facts.kernel_reason
    if facts.log is None or definition.sources["kernel_log"] is None:
        return None
    return _last_exit(kernel, facts.log, max(facts.log_dropped, facts.log_before))


def _last_exit(kernel: Kernel, log: Log, start: int) -> str | None:
    """What the last EXIT line of the log says, without the log's first `start` bytes."""
    if not log.readable:
        return None
    try:
        for offset, length in reversed(pieces(kernel.fstat(log.fd).size, start)):
            before = b"\n" if offset == start else b""
            found = _EXIT_LINE.findall(before + kernel.pread(log.fd, length, offset))
            if found:
                return str(found[-1].decode("utf-8", "replace").rstrip())
    except OSError:
        pass
    return None

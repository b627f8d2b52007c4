"""One run of the lifecycle: the definition set going, with its event sources and actions, until there is an outcome."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scxlife.fsm.driver import Driver
from scxlife.fsm.registry import sources_for
from scxlife.fsm.runtime import Ending, Runtime
from scxlife.platform import cgroup
from scxlife.platform.sources.cgroup import CgroupSource
from scxlife.platform.sources.process_group import GroupSource
from scxlife.platform.sources.readiness_file import FileSource
from scxlife.platform.sources.sched_ext import SchedExtSource

from .actions import Actions, given
from .diagnosis import Diagnosis, examine
from .facts import Facts
from .guards import Guards, reason_of
from .logfile import AT_ONCE, BEHIND, Follower, tail
from .outcomes import OUTCOMES, Outcome
from .payload import Payload
from .processes import Process, end_of
from .reasons import words
from .scheduler_names import EventName, State, actions_of, guards_of, happened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scxlife.fsm.definition import Definition
    from scxlife.fsm.registry import SourceMaker
    from scxlife.fsm.sources import EventSource, SourceFactory, Waiter
    from scxlife.platform.kernel import Kernel
    from scxlife.platform.probe import Probe

    from .actions import Announce
    from .plan import Plan

    Sink = Callable[[str, bytes], object]


def _say_nothing(name: str, facts: object) -> None:
    """Nobody listens."""


class Supervision:
    """The plan, the process, and what was seen on the way.

    `announce` is told of `attached`, `reattached`, `lost` and `exited` as they happen. What `probe` produces goes to
    `on_probe` under its name, and what its log gets to `on_log`, where logs are watched. `degraded` tells what of the
    surroundings is less than wanted already.
    """

    def __init__(
        self,
        kernel: Kernel,
        definition: Definition,
        plan: Plan,
        *,
        observer: Callable[[Mapping[str, Any]], None],
        announce: Announce = _say_nothing,
        probe: Probe | None = None,
        on_probe: Sink = _say_nothing,
        on_log: Callable[[bytes], object] | None = None,
        degraded: Iterable[str] = (),
        waiter: Waiter | None = None,
    ) -> None:
        self.kernel = kernel
        self.definition = definition
        self.plan = plan
        self.facts = Facts(degraded=[*degraded])
        self.process = Process(kernel)
        self.payload = Payload(
            kernel, plan, self.facts, lambda cause: self._post(EventName.PAYLOAD_ENDED, {"exit": None}, cause)
        )
        self._observe = observer
        self._probe = probe
        self._on_probe = on_probe
        self._on_log = on_log
        self._followed: Follower | None = None
        self._opened: list[EventSource] = []
        actions = Actions(
            kernel,
            definition,
            plan,
            self.facts,
            self.process,
            self.payload,
            announce=announce,
            post=self._post,
            source=lambda name: self.driver.source(name),
        )
        guards = Guards(kernel, definition, plan, self.facts, self.process, lambda name: self.driver.source(name))
        self.runtime = Runtime(
            definition,
            actions=actions_of(actions),
            guards=guards_of(guards),
            clock=kernel.monotonic,
            observer=self.observe,
        )
        self.driver = Driver(self.runtime, self.sources(), waiter or kernel)

    def run(self) -> Outcome:
        """Take the process through its whole life. Returns when all of ours is gone, or the outcome says it is not."""
        try:
            ending = self.driver.run(happened(EventName.START, cause="asked"))
            return self.outcome(ending)
        finally:
            self._give_back()

    def begin(self) -> None:
        """For a program that waits itself: set it going. `driver` tells what to wait for, until its machine has an
        ending; then comes `end`."""
        self.driver.begin(happened(EventName.START, cause="asked"))

    def interrupt(self, cause: str) -> None:
        """Ask for the end, as a signal does; the second time it is not waited for."""
        self._post(EventName.INTERRUPT, {}, cause)
        self.driver.settle()

    def end(self) -> Outcome:
        """The outcome of a machine that has ended. Everything is given back."""
        ending = self.runtime.ending
        assert ending is not None
        try:
            self.driver.close()
            return self.outcome(ending)
        finally:
            self._give_back()

    def _give_back(self) -> None:
        """Every descriptor: one whose close fails is gone all the same, and keeps nothing else back."""
        facts = self.facts
        # What a process that could not be ended writes meanwhile is not waited for.
        any(not self._follow_log() for _ in range(BEHIND // AT_ONCE + 1))
        for process in (self.process, self.payload.process):
            with suppress(OSError):
                process.clear()
        if facts.log is not None and facts.log.owned:
            with suppress(OSError):
                self.kernel.close(facts.log.fd)
        for made in (*(() if facts.cgroup is None else (facts.cgroup,)), *facts.leftovers):
            cgroup.close(self.kernel, made)

    @property
    def failure(self) -> str:
        """Why it could not be executed."""
        return self.facts.failure

    @property
    def failed(self) -> bool:
        """Whether an end before it was ready is a start that failed: where there is one life, it is."""
        return True

    def pids(self) -> tuple[int, ...]:
        """The processes whose statuses this run takes itself."""
        return tuple(slot.child.pid for slot in (self.process, self.payload.process) if slot.child is not None)

    def observe(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "step" and record["cell"] == "go":
            phase = self.definition.states[record["to"]].phase
            if phase is not None:
                self.facts.entered.setdefault(phase, record["t"])
            if record["to"] != record["state"]:
                if record["to"] == State.RUNNING:
                    self.facts.ready_since = record["t"]
                elif record["state"] == State.RUNNING:
                    self.facts.ready_seconds += record["t"] - self.facts.ready_since
        self._observe(record)

    def _post(self, name: EventName, data: Mapping[str, Any], cause: str) -> None:
        self.runtime.post(happened(name, data, cause))

    # -- sources -----------------------------------------------------------------------------------------------

    def sources(self) -> dict[str, SourceFactory]:
        """A factory for each source that the definition declares. Raises SourceError for a kind that nobody makes."""
        own: dict[str, SourceMaker] = {
            "process": lambda _: lambda: end_of(self.kernel, given(self.process.child), EventName.EXITED),
            "payload": lambda _: self._payload_source,
            "sched_ext": lambda _: self._sched_ext_source,
            "file": lambda _: self._file_source,
            "assume": lambda _: self._assume_source,
            "kernel_log": lambda _: self._kernel_log_source,
            "tree": lambda _: self._tree_source,
            "leftovers": lambda _: self._leftovers_source,
            "logs": lambda _: self._logs_source,
            "probe": lambda _: self._probe_source,
            "signals": lambda _: self._signal_source,
        }
        made = sources_for(self.definition, own, clock=self.kernel.monotonic)
        return {name: self._noted(factory) for name, factory in made.items()}

    def _noted(self, factory: SourceFactory) -> SourceFactory:
        """What it could not see is told in the outcome, long after it was closed."""

        def make() -> EventSource | None:
            source = factory()
            if source is not None:
                self._opened.append(source)
            return source

        return make

    def _sched_ext_source(self) -> EventSource:
        return SchedExtSource(
            self.kernel,
            self.facts.member,
            given(self.facts.baseline),
            cadence=self.seconds("cadence"),
            newest_link_before=self.facts.newest_link,
        )

    def _file_source(self) -> EventSource:
        path = given(self.plan.ready_file)
        return FileSource(self.kernel, path, self.facts.file_baseline, cadence=self.seconds("cadence"))

    def _assume_source(self) -> EventSource:
        from scxlife.platform.sources.assume_ready import AssumeReadySource

        return AssumeReadySource()

    def _kernel_log_source(self) -> EventSource:
        from scxlife.platform.sources.kernel_log import KernelLogSource

        return KernelLogSource(self.kernel)

    def _tree_source(self) -> EventSource:
        cadence = self.seconds("cadence")
        if self.facts.cgroup is not None:
            return CgroupSource(self.kernel, (self.facts.cgroup,), EventName.DESERTED, cadence=cadence)
        # Once it is reaped its number may be a stranger's: only the processes that were seen before count then.
        seen = self.facts.rest
        return GroupSource(self.kernel, lambda: seen if self.process.reaped else self.process.group(), cadence=cadence)

    def _leftovers_source(self) -> EventSource:
        cadence, cause = self.seconds("cadence"), f"ended: {self.facts.left}"
        return CgroupSource(self.kernel, self.facts.leftovers, EventName.VACATED, cadence=cadence, cause=cause)

    def _logs_source(self) -> EventSource | None:
        limit, log = self.definition.settings["log_limit"], given(self.facts.log)
        if not isinstance(limit, int) or not log.readable:
            return None
        from scxlife.platform.sources.log_size import LogSizeSource

        follow = None if self._on_log is None else self._follow_log
        return LogSizeSource(self.kernel, {"process": log.fd}, limit, cadence=self.seconds("cadence"), follow=follow)

    def _follow_log(self) -> bool:
        """Pass on what was written to the log, a bounded piece. Whether there is more."""
        log = self.facts.log
        if self._on_log is None or log is None or not log.readable:
            return False
        if self._followed is None:
            self._followed = Follower(self.kernel, log.fd, self._on_log)
        return self._followed.step()

    def _probe_source(self) -> EventSource | None:
        if self._probe is None:
            return None
        from scxlife.platform.sources.probe import ProbeSource

        return ProbeSource(self._probe, self._on_probe)

    def _signal_source(self) -> EventSource:
        from scxlife.platform.sources.signals import SignalSource

        return SignalSource.of_supervisor(self.kernel, EventName.INTERRUPT)

    def _payload_source(self) -> EventSource | None:
        child = self.payload.process.child
        return None if child is None else end_of(self.kernel, child, EventName.PAYLOAD_ENDED)

    def seconds(self, setting: str) -> float:
        value = self.definition.settings[setting]
        assert isinstance(value, (int, float))
        return float(value)

    # -- outcome -----------------------------------------------------------------------------------------------

    def outcome(self, ending: Ending) -> Outcome:
        """The typed outcome for where the machine ended."""
        facts, now = self.facts, self.kernel.monotonic()
        start = facts.spawned_at
        timings = (
            {}
            if start is None
            else {phase: round(at - start, 6) for phase, at in facts.entered.items() if phase != "spawn"}
            | {"end": round(now - start, 6)}
        )
        # A source of somebody else's may have nothing to say of itself.
        blind = [said for source in self._opened if (said := getattr(source, "degraded", None)) is not None]
        last_words = "" if facts.log is None else tail(self.kernel, facts.log, facts.log_dropped)
        facts.kernel_reason = reason_of(self.kernel, self.definition, facts)
        phase = self.definition.states[ending.noted_in].phase or ""
        reason = words(self.definition, facts, ending.outcome, phase, self.runtime.fault)
        found = Diagnosis()
        if facts.attachments == 0:
            found = examine(self.kernel, facts.log, facts.log_dropped, *facts.kernel_details, reason)
        return OUTCOMES[ending.outcome.partition("/")[0]](
            reason=reason,
            phase=phase,
            exit=facts.exit,
            kernel_reason=facts.kernel_reason,
            kernel_details=tuple(facts.kernel_details),
            cause=None if found.known is None else found.known.code,
            hint=None if found.known is None else found.known.hint,
            verifier=found.rejection,
            owner=facts.owner,
            instance=facts.instance,
            enable_seq=facts.enable_seq,
            partial=facts.partial,
            generation=facts.attachments,
            ready_seconds=round(facts.ready_seconds, 6) if facts.attachments else None,
            log_path=None if facts.log is None else facts.log.path,
            log_lost=None if facts.log is None else facts.log.lost,
            log_dropped=facts.log_dropped,
            log_tail=last_words,
            timings=timings,
            payload=facts.payload,
            leftovers=facts.left or None,
            degraded=tuple(dict.fromkeys([*facts.degraded, *blind, *([found.unread] if found.unread else [])])),
        )

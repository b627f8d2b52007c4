"""The actions and guards that the lifecycle's definition names. Each does the one thing its name says.

What follows from what is the definition's to say: an action posts what it found as an event, and remembers facts
for the outcome; it never asks in which state the machine is.
"""

from __future__ import annotations

import errno
import re
import signal
import stat
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from scxlife.fsm.definition import Definition
from scxlife.fsm.driver import Driver
from scxlife.fsm.events import Event
from scxlife.fsm.registry import sources_for
from scxlife.fsm.runtime import Ending, Runtime
from scxlife.platform.kernel_time import kernel_seconds
from scxlife.platform.sched_ext import ENABLING, snapshot
from scxlife.platform.sources.process import ProcessSource
from scxlife.platform.sources.readiness_file import FileSource
from scxlife.platform.sources.sched_ext import SchedExtSource

from .logfile import Log, open_log, tail
from .outcomes import OUTCOMES, Outcome, describe_exit
from .processes import Process
from .scheduler_names import EventName, actions_of, guards_of, happened

if TYPE_CHECKING:
    from scxlife.fsm.registry import SourceMaker
    from scxlife.fsm.sources import EventSource, SourceFactory
    from scxlife.platform.kernel import FileStat, Kernel
    from scxlife.platform.sched_ext import Snapshot

    from .plan import Plan

# kernel/sched/ext: the reason that is logged when the process closed its own link, or died.
BY_USER_SPACE = "unregistered from user space"
_EXIT_LINE = re.compile(r"^EXIT: (.+)$", re.MULTILINE)

T = TypeVar("T")
Announce = Callable[[str, Mapping[str, Any]], None]


def _say_nothing(name: str, facts: Mapping[str, Any]) -> None:
    """Nobody listens."""


class Supervision:
    """One run of the lifecycle: the plan, the process, and what was seen on the way.

    `announce` is told of `attached`, `reattached`, `lost` and `exited` as they happen.
    """

    def __init__(
        self,
        kernel: Kernel,
        definition: Definition,
        plan: Plan,
        *,
        observer: Callable[[Mapping[str, Any]], None],
        announce: Announce = _say_nothing,
    ) -> None:
        self.kernel = kernel
        self.definition = definition
        self.plan = plan
        self.announce = announce
        self.process = Process(kernel)
        self.payload = Process(kernel)
        self.log: Log | None = None
        self.baseline: Snapshot | None = None
        self.file_baseline: FileStat | None = None
        self.spawned_at: float | None = None
        self.kernel_seconds: float | None = None
        self.entered: dict[str, float] = {}
        self.failure: str = ""
        self.exit: Mapping[str, int] | None = None
        self.payload_status: Mapping[str, Any] | None = None
        self.kernel_reason: str | None = None
        self.owner: Mapping[str, Any] | None = None
        self.instance: int | None = None
        self.enable_seq: int | None = None
        self.ops: str | None = None
        self.attachments = 0
        self._observe = observer
        self.runtime = Runtime(
            definition,
            actions=actions_of(self),
            guards=guards_of(self),
            clock=kernel.monotonic,
            observer=self.observe,
        )
        self.driver = Driver(self.runtime, self.sources(), kernel)

    def run(self) -> Outcome:
        """Take the process through its whole life. Returns when all of ours is gone, or the outcome says it is not."""
        try:
            ending = self.driver.run(happened(EventName.START, cause="asked"))
            return self.outcome(ending)
        finally:
            if self.log is not None:
                self.kernel.close(self.log.fd)

    def observe(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "step" and record["cell"] == "go":
            phase = self.definition.states[record["to"]].phase
            if phase is not None:
                self.entered.setdefault(phase, record["t"])
        self._observe(record)

    # -- sources -----------------------------------------------------------------------------------------------

    def sources(self) -> dict[str, SourceFactory]:
        """A factory for each source that the definition declares. Raises SourceError for a kind that nobody makes."""
        own: dict[str, SourceMaker] = {
            "process": lambda _: lambda: ProcessSource(self.kernel, _given(self.process.child)),
            "payload": lambda _: self._payload_source,
            "sched_ext": lambda _: self._sched_ext_source,
            "file": lambda _: self._file_source,
            "assume": lambda _: self._assume_source,
            "kernel_log": lambda _: self._kernel_log_source,
            "signals": lambda _: self._signal_source,
        }
        return sources_for(self.definition, own, clock=self.kernel.monotonic)

    def _sched_ext_source(self) -> EventSource:
        return SchedExtSource(self.kernel, self._pid, _given(self.baseline), cadence=self.seconds("cadence"))

    def _file_source(self) -> EventSource:
        path = _given(self.plan.ready_file)
        return FileSource(self.kernel, path, self.file_baseline, cadence=self.seconds("cadence"))

    def _assume_source(self) -> EventSource:
        from scxlife.platform.sources.assume_ready import AssumeReadySource

        return AssumeReadySource()

    def _kernel_log_source(self) -> EventSource:
        from scxlife.platform.sources.kernel_log import KernelLogSource

        return KernelLogSource(self.kernel)

    def _signal_source(self) -> EventSource:
        from scxlife.platform.sources.signals import SignalSource

        caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        return SignalSource(self.kernel, dict.fromkeys(caught, "interrupt"))

    def _payload_source(self) -> EventSource | None:
        child = self.payload.child
        return None if child is None else ProcessSource(self.kernel, child, "payload_ended")

    def seconds(self, setting: str) -> float:
        value = self.definition.settings[setting]
        assert isinstance(value, (int, float))
        return float(value)

    # -- guards ------------------------------------------------------------------------------------------------

    def confirmed(self, event: Event) -> bool:
        source: Any = self.driver.source("readiness")
        return source is not None and bool(source.confirm())

    def early_ready(self, event: Event) -> bool:
        return self.definition.settings["early_ready"] is True

    def progressing(self, event: Event) -> bool:
        before, self.kernel_seconds = self.kernel_seconds or 0.0, kernel_seconds(self.kernel, self._pid)
        share = self.definition.settings["verifier_share"]
        if not isinstance(share, (int, float)):
            return False
        worked = (self.kernel_seconds or 0.0) - before
        return worked >= share * self.seconds("attach_timeout") or snapshot(self.kernel).state == ENABLING

    def ejected_by_kernel(self, event: Event) -> bool:
        reason = self.kernel_reason or self._reason_in_log()
        return reason is not None and not reason.startswith(BY_USER_SPACE)

    def _reason_in_log(self) -> str | None:
        """What the scheduler printed of its own end, where the kernel's log can't be read."""
        if self.log is None or self.definition.sources["kernel_log"] is None:
            return None
        found = _EXIT_LINE.findall(tail(self.kernel, self.log))
        return found[-1] if found else None

    # -- actions: start ----------------------------------------------------------------------------------------

    def take_baseline(self, event: Event) -> None:
        self.baseline = snapshot(self.kernel)
        if self.plan.ready_file is not None:
            try:
                self.file_baseline = self.kernel.stat(self.plan.ready_file)
            except (FileNotFoundError, NotADirectoryError):
                self.file_baseline = None

    def locate(self, event: Event) -> None:
        path = self.plan.command
        try:
            found = self.kernel.stat(path)
        except FileNotFoundError:
            self.failure = f"{path}: no such file"
            self.post(EventName.MISSING, {"path": path}, self.failure)
            return
        except OSError as error:
            self._spawn_failed(error)
            return
        if stat.S_ISDIR(found.mode):
            self._spawn_failed(OSError(errno.EACCES, "it is a directory", path))
        else:
            self.post(EventName.LOCATED, {"path": path}, path)

    def open_log(self, event: Event) -> None:
        self.log = open_log(self.kernel, self.plan.log_path)

    def spawn(self, event: Event) -> None:
        try:
            child = self.process.spawn(
                self.plan.command, self.plan.arguments, self.plan.environment, _given(self.log).fd
            )
        except OSError as error:
            self._spawn_failed(error)
            return
        self._pid = child.pid
        self.spawned_at = self.kernel.monotonic()
        self.post(EventName.SPAWNED, {"pid": child.pid, "generation": child.generation}, f"pid {child.pid}")

    def _spawn_failed(self, error: OSError) -> None:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        hint = SPAWN_HINTS.get(error.errno or 0, "")
        self.failure = f"{self.plan.command}: {name}: {error.strerror}{hint}"
        self.post(EventName.SPAWN_FAILED, {"errno": name, "path": self.plan.command}, self.failure)

    def post(self, name: EventName, data: Mapping[str, Any], cause: str) -> None:
        self.runtime.post(happened(name, data, cause))

    # -- actions: ready and run --------------------------------------------------------------------------------

    def note_owner(self, event: Event) -> None:
        self.owner = event.data.get("owner")  # type: ignore[assignment]
        self.instance = event.data.get("instance")  # type: ignore[assignment]
        self.enable_seq = event.data.get("enable_seq")  # type: ignore[assignment]
        self.ops = event.data.get("ops")  # type: ignore[assignment]

    def announce_attached(self, event: Event) -> None:
        self.attachments += 1
        self.announce("attached", event.data)

    def announce_reattached(self, event: Event) -> None:
        self.attachments += 1
        self.kernel_reason = None
        self.announce("reattached", event.data)

    def announce_lost(self, event: Event) -> None:
        self.announce("lost", {**event.data, "kernel_reason": self.kernel_reason})

    def announce_exit(self, event: Event) -> None:
        self.announce("exited", event.data)

    def note_kernel_reason(self, event: Event) -> None:
        ours = self.ops is None or event.data["scheduler"] == self.ops
        if event.data["verb"] == "disabled" and ours:
            self.kernel_reason = str(event.data["reason"])

    def start_payload(self, event: Event) -> None:
        if not self.plan.payload:
            return
        path, *arguments = self.plan.payload
        try:
            self.payload.spawn(path, arguments, self.plan.payload_environment, self.plan.payload_output)
        except OSError as error:
            text = f"{path}: {errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}"
            self.payload_status = {"exit": None, "error": text}
            self.post(EventName.PAYLOAD_ENDED, {"exit": None}, text)

    # -- actions: stop and reap --------------------------------------------------------------------------------

    def signal_stop(self, event: Event) -> None:
        name = str(self.definition.settings["stop_signal"])
        self.process.signal(signal.Signals[name], signal.SIGCONT)

    def kill_tree(self, event: Event) -> None:
        self.process.kill_group()
        self.process.signal(signal.SIGKILL, signal.SIGCONT)

    def sweep_group(self, event: Event) -> None:
        self.exit = event.data["exit"]  # type: ignore[assignment]
        self.process.kill_group()

    def reap(self, event: Event) -> None:
        self.process.reap()

    def clear_pid(self, event: Event) -> None:
        self.process.clear()

    def look_again(self, event: Event) -> None:
        source: Any = self.driver.source("readiness")
        if source is None:
            self.post(EventName.CLEAR, {}, "there is no readiness source")
        else:
            source.restate()

    def stop_payload(self, event: Event) -> None:
        if self.payload.child is None:
            self.post(EventName.PAYLOAD_ENDED, {}, "no payload")
        else:
            self.payload.signal(signal.SIGTERM, signal.SIGCONT)

    def kill_payload(self, event: Event) -> None:
        self.payload.kill_group()
        self.payload.signal(signal.SIGKILL)
        if self.payload.child is not None:
            self.kernel.poll([fd for fd in (self.payload.child.pidfd,) if fd is not None], 1.0)
            self.payload.reap()
            if self.payload.status is not None:
                self.payload_status = {"exit": self.payload.status.as_data()}
            self.payload.clear()

    def reap_payload(self, event: Event) -> None:
        if self.payload.child is not None:
            self.payload.kill_group()
            self.payload.reap()
            self.payload_status = {"exit": event.data["exit"]}
            self.payload.clear()

    # -- outcome -----------------------------------------------------------------------------------------------

    def outcome(self, ending: Ending) -> Outcome:
        """The typed outcome for where the machine ended."""
        name, _, reason = ending.outcome.partition("/")
        start = self.spawned_at
        timings = (
            {}
            if start is None
            else {phase: round(at - start, 6) for phase, at in self.entered.items() if phase != "spawn"}
            | {"end": round(self.kernel.monotonic() - start, 6)}
        )
        return OUTCOMES[name](
            reason=self.words(name, ending.outcome if reason else name),
            phase=self.definition.states[ending.noted_in].phase or "",
            exit=self.exit,
            kernel_reason=self.kernel_reason or self._reason_in_log(),
            owner=self.owner,
            instance=self.instance,
            enable_seq=self.enable_seq,
            generation=self.attachments,
            log_path=None if self.log is None else self.log.path,
            log_lost=None if self.log is None else self.log.lost,
            log_tail="" if self.log is None else tail(self.kernel, self.log),
            timings=timings,
            payload=self.payload_status,
        )

    def words(self, name: str, outcome: str) -> str:
        """The reason for a person: the definition's words, and what was seen."""
        said = self.definition.outcomes[outcome]
        seen = []
        if self.failure:
            seen.append(self.failure)
        elif name in ("startup-died", "exited") or outcome == "not-attached/died":
            seen.append(describe_exit(self.exit))
        if self.runtime.fault is not None:
            seen.append(str(self.runtime.fault))
        if self.baseline is not None and not self.baseline.present and self._wants_sched_ext and name == "startup-died":
            seen.append("sched_ext sysfs absent")
        if outcome == "not-attached/timeout" and (self.kernel_seconds or 0.0) >= 0.1:
            seen.append(f"{self.kernel_seconds:.1f} s of it in the kernel")
        if name == "not-attached" and self.owner is not None:
            seen.append(f"{self.owner['command']}, pid {self.owner['pid']}")
        if name == "ejected" and self.kernel_reason is not None:
            seen.append(self.kernel_reason)
        return f"{said} ({'; '.join(seen)})" if seen else said

    @property
    def _wants_sched_ext(self) -> bool:
        return self.definition.sources["readiness"] == "sched_ext"


SPAWN_HINTS = {
    errno.ENOEXEC: " (no #! line, or not a program for this machine)",
    errno.ETXTBSY: " (somebody still writes to it)",
    errno.ENOENT: " (its interpreter is missing)",
}


def _given(value: T | None) -> T:
    assert value is not None
    return value

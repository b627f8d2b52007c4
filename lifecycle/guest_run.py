"""One run in a guest, seen from the host: what goes in, what its records say, what it comes to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from scxlife.platform.vm import host_files, warm
from scxlife.platform.vm.cache import ArtifactError, CacheError, Damaged
from scxlife.platform.vm.frames import EXIT, PROBE, TYPE_NAMES, Frame
from scxlife.platform.vm.guest import (
    Completed,
    CutOff,
    GuestResult,
    GuestSpec,
    Interrupted,
    Malformed,
    MemoryFiles,
    NotRestored,
    NotStarted,
    OutOfMemory,
    Panicked,
    TimedOut,
    Truncated,
    WrongContent,
)
from scxlife.platform.vm.qemu import RESTORE_S, Interrupts, OnConsoleLine, run_guest
from scxlife.platform.vm.qmp import Qmp, QmpError
from scxlife.platform.vm.topology import mismatch

from .guest_gets import Gets
from .guest_records import (
    Begins,
    Exit,
    FilePiece,
    Hello,
    InternalError,
    Lifecycle,
    LogChunk,
    OperationsLine,
    Ordered,
    OutcomeReport,
    ProbeChunk,
    Record,
    TapeLine,
    record_of,
)
from .outcomes import Outcome

if TYPE_CHECKING:
    from scxlife.fsm.sources import Waiter
    from scxlife.platform.vm.payload_link import PayloadSink
    from scxlife.platform.vm.topology import Topology

GUEST_FAILED = "guest-failed"
_WITHOUT = "leave --rootfs host out, and take along what the payload needs with --add"

#: Bytes that are kept: the last of the log, the first of what probes produce.
LOG_LIMIT = 4 << 20
PROBE_LIMIT = 8 << 20
PROBE_NAMES = 16
#: Bytes of all the tapes of a guest, their first.
TAPE_LIMIT = 32 << 20
# Bytes by which an end that is kept may be too long before it is cut: each cut moves all the rest.
_SLACK = 1 << 20

OnTape = Callable[[str], object]
OnLog = Callable[[bytes], object]
OnOther = Callable[[Begins | Lifecycle | OperationsLine], object]


def _ignore(record: object) -> None:
    """Nobody asked for it."""


@attrs.frozen
class Attempt:
    """What came of a guest. `outcome` is there only when the guest told it and ended as it should; otherwise
    `failure` names the way in which the guest failed (`panicked`, `timed-out`, …) and `reason` says more."""

    outcome: Outcome | None
    kernel: dict[str, Any]
    failure: str
    reason: str
    console_tail: Sequence[str]
    log: bytes
    #: What probes have produced, by their names.
    probes: dict[str, bytes] = attrs.Factory(dict)
    #: What was dropped of what the guest sent, in words. An outcome has it among its own.
    degraded: tuple[str, ...] = ()
    #: The CPUs that share a node, a last-level cache, a core, as the guest's kernel showed them.
    topology: Mapping[str, Sequence[str]] | None = None


class End:
    """The last bytes of a stream, `limit` of them; `dropped` counts those before."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.dropped = 0

    def add(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > self._limit + _SLACK:
            self._cut()

    def take(self) -> bytes:
        self._cut()
        kept, self._kept = bytes(self._kept), bytearray()
        return kept

    def _cut(self) -> None:
        excess = max(0, len(self._kept) - self._limit)
        del self._kept[:excess]
        self.dropped += excess


class Transcript:
    """What a guest has told so far, in the order that the protocol asks for, and within bounds.

    `hear` takes each frame as it comes, and raises WrongContent for one that no sound guest sends at that point.
    """

    def __init__(
        self,
        on_tape: OnTape,
        on_other: OnOther,
        on_log: OnLog = _ignore,
        topology: Topology | None = None,
        gets: Gets | None = None,
    ) -> None:
        self._gets = gets or Gets(())
        self._on_tape = on_tape
        self._on_other = on_other
        self._on_log = on_log
        self._topology = topology
        self._hello: Hello | None = None
        self._ordered = False
        self._run = 0
        self._outcome: OutcomeReport | None = None
        self._error: InternalError | None = None
        self._exit: Exit | None = None
        self._log = End(LOG_LIMIT)
        self._probes: dict[str, bytearray] = {}
        self._probed = self._probe_dropped = 0
        self._taped = self._tape_dropped = 0
        self._late = 0
        #: What the attempt is to say of itself, in words, besides what was dropped.
        self.degraded: list[str] = []

    def hear(self, frame: Frame) -> None:
        if self._exit is None:
            self._take(record_of(frame), TYPE_NAMES[frame.type])
        elif frame.type == EXIT:
            raise WrongContent("exit frame: it is the second one")
        else:
            # The verdict is final.
            try:
                record = record_of(frame) if frame.type == PROBE else None
            except WrongContent:
                record = None
            if isinstance(record, ProbeChunk):
                self._take(record, TYPE_NAMES[PROBE])
            else:
                self._late += 1

    def attempt(self, result: GuestResult) -> Attempt:
        """What it comes to, with the end that the guest has had. To be asked once."""
        failure, reason = judge(result)
        if not failure and self._error is not None:
            failure, reason = "init-failed", self._error.error
        elif not failure and self._outcome is None:
            failure, reason = "unconfirmed", "the guest ended without an outcome"
        log = self._log.take()
        probes = {name: bytes(self._probes.pop(name)) for name in list(self._probes)}
        degraded = (*self.degraded, *self._degraded())
        outcome, kernel = None, {}
        if not failure and self._outcome is not None:
            outcome, kernel = self._outcome.outcome, attrs.asdict(self._outcome.kernel)
            fault = None if self._exit is None else self._exit.fault
            faults = () if fault is None else (f"PID 1: {fault}",)
            outcome = attrs.evolve(outcome, degraded=(*outcome.degraded, *faults, *degraded))
        shown = None if self._hello is None else self._hello.topology
        tail = result.record.console_tail
        return Attempt(outcome, kernel, failure, reason, tail, log, probes, degraded, shown)

    # -- inside

    def _take(self, record: Record, name: str) -> None:
        if self._error is not None:
            if not isinstance(record, Exit):
                raise WrongContent(f"{name} frame: only exit can follow an internal error")
        elif self._hello is None and not isinstance(record, Hello | InternalError):
            raise WrongContent(f"{name} frame: hello has to be the first")
        match record:
            case Ordered():
                if self._ordered:
                    raise WrongContent("ordered frame: it is the second one")
                self._ordered = True
            case LogChunk(data):
                self._log.add(data)
                self._on_log(data)
            case ProbeChunk(probe, data):
                self._take_probe(probe, data)
            case FilePiece(data):
                try:
                    self._gets.take(data)
                except ValueError as error:
                    raise WrongContent(f"file frame: {error}") from None
            case TapeLine(text, size):
                if self._has_room(size):
                    self._on_tape(text)
            case OperationsLine(_, size):
                if self._has_room(size):
                    self._on_other(record)
            case Begins(run=run):
                if run != self._run + 1:
                    raise WrongContent(f"lifecycle frame: run: {self._run + 1} is the next, not {run}")
                self._run = run
                if self._has_room(0):
                    self._on_other(record)
            case Lifecycle():
                self._on_other(record)
            case Hello():
                if self._hello is not None:
                    raise WrongContent("hello frame: it is the second one")
                self._hello = record
            case OutcomeReport():
                if self._outcome is not None:
                    raise WrongContent("outcome frame: it is the second one")
                self._outcome = record
            case InternalError():
                self._error = record
            case Exit():
                self._check_exit(record)
                self._exit = record

    def _check_exit(self, record: Exit) -> None:
        """It repeats what the outcome says."""
        if self._error is not None:
            if record.status is not None:
                raise WrongContent(f"exit frame: status: it is {record.status} after an internal error")
        elif self._outcome is not None:
            told = self._outcome.outcome
            if record.status != told.status:
                raise WrongContent(f"exit frame: status: it is {record.status}, and the outcome's {told.status}")
            if record.payload != told.payload:
                raise WrongContent("exit frame: payload: it is not the outcome's")

    def _take_probe(self, name: str, data: bytes) -> None:
        room = PROBE_LIMIT - self._probed
        if name not in self._probes and len(self._probes) == PROBE_NAMES:
            room = 0
        kept = data[:room]
        self._probe_dropped += len(data) - len(kept)
        self._probed += len(kept)
        if kept:
            self._probes.setdefault(name, bytearray()).extend(kept)

    def _has_room(self, size: int) -> bool:
        """Whether this still belongs to the tapes: behind the first record that does not, none does."""
        if self._tape_dropped or self._taped + size + 1 > TAPE_LIMIT:
            self._tape_dropped += 1
            return False
        self._taped += size + 1
        return True

    def _degraded(self) -> Iterator[str]:
        if self._topology is not None and self._hello is not None:
            differs = mismatch(self._topology, self._hello.topology or {})
            if differs is not None:
                yield differs
        if self._log.dropped:
            yield f"the first {self._log.dropped} bytes of the scheduler's log were dropped"
        if self._probe_dropped:
            yield f"{self._probe_dropped} bytes of probes were dropped"
        if self._tape_dropped:
            yield f"{self._tape_dropped} records of tapes were dropped"
        yield from self._gets.close()
        if self._late:
            yield f"{self._late} frames after the exit frame were dropped"


def run_in_guest(
    spec: GuestSpec,
    on_tape: OnTape,
    on_other: OnOther = _ignore,
    *,
    cold: bool,
    gets: Gets | None = None,
    say: Callable[[str], None] = _ignore,
    on_begin: Callable[[], None] = lambda: None,
    interrupts: Interrupts | None = None,
    waiter: Waiter | None = None,
    payload: PayloadSink | None = None,
    on_log: OnLog = _ignore,
    on_console_line: OnConsoleLine | None = None,
) -> Attempt:
    """Run `spec`, pass each tape line on as it comes, and judge the end. `on_other` is given the records that tell of
    the lives of several schedulers, `on_log` the scheduler's log, as they come; `payload` has the payload's streams.
    `interrupts` ask for the end; `waiter` waits. `on_begin` is called before each try to run the guest itself.

    Unless it is `cold` the guest goes on from where one like it has been saved, once it waited for its orders; the
    first of its kind is booted for that. `say` is told what takes long. Where that fails it boots, and the attempt is
    degraded.
    """
    asked: dict[str, Any] = {"interrupts": interrupts, "waiter": waiter}
    told = {**asked, "payload": payload, "on_console_line": on_console_line}
    run = partial(_run, on_begin=on_begin, told=told)
    why = ""
    if not cold:
        transcript = Transcript(on_tape, on_other, on_log, spec.topology, gets)
        found = _warm(spec, transcript, say, asked, run)
        if not isinstance(found, str):
            return transcript.attempt(found)
        why = found
        if spec.orders is not None:
            os.lseek(spec.orders, 0, os.SEEK_SET)
    transcript = Transcript(on_tape, on_other, on_log, spec.topology, gets)
    if why:
        transcript.degraded.append(f"booted, as no saved guest could go on: {why}")
    try:
        return transcript.attempt(run(spec, transcript))
    except QmpError as error:
        raise ArtifactError(f"--rootfs host: {error}", _WITHOUT) from error


def _warm(
    spec: GuestSpec,
    transcript: Transcript,
    say: Callable[[str], None],
    asked: Mapping[str, Any],
    run: Callable[[GuestSpec, Transcript], GuestResult],
) -> GuestResult | str:
    """How a guest ended that went on from where one was saved; in words why none could, as long as none had begun."""
    entry = warm.entry_of(spec)
    with ExitStack() as stack:
        try:
            if not warm.is_saved(entry):
                say("the first guest of this kind: it boots once, and later runs go on from there")
                failed = warm.make(spec, entry, say, **asked)
                if failed is not None:
                    return failed
            going = stack.enter_context(warm.restored(spec, entry))
        except (CacheError, warm.NotSaved, OSError) as error:
            if isinstance(error, Damaged):
                warm.forget(entry)
            return str(error)
        # Only what comes before the orders leads to another try: behind them a guest may have done something.
        try:
            result = run(going, transcript)
        except QmpError as error:
            return str(error)
    if isinstance(result, NotRestored):
        warm.forget(entry)
        return result.reason
    return result


def _run(spec: GuestSpec, transcript: Transcript, on_begin: Callable[[], None], told: Mapping[str, Any]) -> GuestResult:
    """One guest to its end, with the host's files where it is to have them. Raises ArtifactError, QmpError."""
    on_begin()
    if spec.host_files is None:
        return run_guest(spec, on_frame=transcript.hear, **told)
    sizes = spec.memory_sizes
    saved = [None] * len(sizes) if spec.memory_files is None else spec.memory_files.descriptors
    with ExitStack() as stack:
        try:
            share = stack.enter_context(host_files.shared(spec.host_files))
            own = [stack.enter_context(host_files.own_memory(*each)) for each in zip(saved, sizes, strict=True)]
        except (host_files.NoSharing, OSError) as error:
            raise ArtifactError(f"--rootfs host: {error}", _WITHOUT) from error

        def on_hello(monitor: Qmp) -> None:
            if spec.saved is not None:
                monitor.event("RESUME", timeout_s=RESTORE_S)
            share.plug_into(monitor)

        going = attrs.evolve(spec, memory_files=MemoryFiles(tuple(own), shared=True))
        result = run_guest(going, on_frame=transcript.hear, on_hello=on_hello, **told)
        return attrs.evolve(result, stderr_tail=share.lost) if isinstance(result, CutOff) and share.lost else result


def judge(result: GuestResult) -> tuple[str, str]:
    """The name of a guest's failure and what is known of it; two empty texts for one that ended as it should."""
    match result:
        case Completed():
            return "", ""
        case Panicked(message=message):
            return "panicked", f"kernel panic: {message}"
        case OutOfMemory(message=message):
            return "out-of-memory", f"{message} (more with --memory)"
        case TimedOut(timeout_s=seconds):
            return "timed-out", f"no end within {seconds:g} s (more with --timeout)"
        case Interrupted(reason=reason):
            return "interrupted", reason
        case Truncated(reason=reason):
            return "truncated", reason
        case Malformed(reason=reason):
            return "wrong-content", reason
        case CutOff(stderr_tail=tail):
            return "cut-off", tail.strip() or "QEMU ended before the guest had told its outcome"
        case NotStarted(reason=reason) | NotRestored(reason=reason):
            return "not-started", reason

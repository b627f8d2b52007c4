"""The end of a guest's boot: the actions that boot.yaml names, and the machine set going."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from scxlife import __version__
from scxlife.fsm.driver import Driver
from scxlife.fsm.registry import sources_for
from scxlife.fsm.runtime import Runtime
from scxlife.platform.sched_ext import snapshot
from scxlife.platform.sources.probe import ProbeSource
from scxlife.platform.sources.relayed import RelayedSource
from scxlife.platform.sources.signals import SignalSource
from scxlife.platform.vm import frames

from .boot_names import EventName, actions_of, happened
from .facts import Facts
from .payload import Payload
from .processes import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scxlife.fsm.definition import Definition
    from scxlife.fsm.events import Event
    from scxlife.fsm.registry import SourceMaker
    from scxlife.fsm.sources import EventSource
    from scxlife.platform.kernel import Kernel
    from scxlife.platform.probe import Probe
    from scxlife.platform.vm.payload_relay import PayloadRelay
    from scxlife.platform.vm.port import GuestPort

    from .outcomes import Outcome
    from .plan import Plan

CHUNK = 256 * 1024
CONSOLE_LIMIT = 64 * 1024  # bytes of the scheduler's log that are shown on the console, its end
CONSOLE_TIMEOUT = 30.0  # seconds for the console

EVENTS = {
    "not-configured": EventName.NOT_CONFIGURED,
    "spawn-failed": EventName.SPAWN_FAILED,
    "startup-died": EventName.STARTUP_DIED,
    "not-attached": EventName.NOT_ATTACHED,
}


class BootEnding:
    """`outcome` is how the scheduler's run ended, None where none was asked for; with `failed` one that was never
    attached is a start that failed, for which there is an order of its own. `failure` is why it could not be executed,
    `name` its definition's name and version. `on_probe` is given what the probe still produces. Where there was no run,
    `degraded` tells what of the surroundings is less than wanted. `relay` has the payload's output."""

    def __init__(
        self,
        kernel: Kernel,
        port: GuestPort,
        definition: Definition,
        plan: Plan,
        outcome: Outcome | None,
        *,
        failure: str,
        name: str,
        failed: bool = True,
        probe: Probe | None,
        on_probe: Callable[[str, bytes], object],
        degraded: Sequence[str] = (),
        relay: PayloadRelay | None = None,
    ) -> None:
        self._kernel = kernel
        self._port = port
        self._plan = plan
        self._run_outcome = outcome
        self._degraded = degraded
        self._relay = relay
        self._failure = failure
        self._name = name
        self._failed = failed
        self._probe = probe
        self._on_probe = on_probe
        self._facts = Facts()
        self._unread: str | None = None
        self._unrelayed: tuple[str, ...] = ()
        self._payload = Payload(
            kernel, plan, self._facts, lambda cause: self._post(EventName.PAYLOAD_ENDED, {"exit": None}, cause)
        )
        self.start_payload = self._payload.start
        self.stop_payload = self._payload.stop
        self.kill_payload = self._payload.kill
        self.reap_payload = self._payload.reap
        self._runtime = Runtime(definition, actions=actions_of(self), guards={}, clock=kernel.monotonic)
        own: dict[str, SourceMaker] = {
            "output": lambda _: self._output_source,
            "payload": lambda _: self._payload_source,
            "probe": lambda _: self._probe_source,
            "signals": lambda _: self._signal_source,
        }
        self._driver = Driver(self._runtime, sources_for(definition, own, clock=kernel.monotonic), kernel)

    def run(self) -> None:
        """Returns when nothing is left to be said."""
        if self._run_outcome is None:
            began = happened(EventName.NO_SCHEDULER, cause="asked")
        else:
            event = EVENTS.get(self._run_outcome.name) if self._failed else None
            began = happened(event or EventName.ATTACHED, cause=self._run_outcome.name)
        try:
            self._driver.run(began)
        finally:
            with suppress(OSError):
                self._payload.process.clear()

    def pids(self) -> tuple[int, ...]:
        """The processes whose statuses this takes itself."""
        child = self._payload.process.child
        return () if child is None else (child.pid,)

    # -- sources

    def _output_source(self) -> EventSource | None:
        return None if self._relay is None else RelayedSource(self._relay)

    def _payload_source(self) -> EventSource | None:
        child = self._payload.process.child
        return None if child is None else end_of(self._kernel, child, EventName.PAYLOAD_ENDED)

    def _probe_source(self) -> EventSource | None:
        return None if self._probe is None else ProbeSource(self._probe, self._on_probe)

    def _signal_source(self) -> EventSource:
        return SignalSource.of_supervisor(self._kernel, "interrupt")

    # -- actions

    def show_failure(self, event: Event) -> None:
        self._show(f"failed to spawn: {self._failure}\n".encode("utf-8", "replace"))

    def show_log(self, event: Event) -> None:
        log = bytearray()
        for chunk in self._end_of(self._log_path, CONSOLE_LIMIT):
            log += chunk
        self._show(bytes(log))

    def finish_output(self, event: Event) -> None:
        if self._relay is None:
            self._post(EventName.RELAYED, {}, "no payload")
        else:
            self._relay.finish()

    def note_unread(self, event: Event) -> None:
        self._unrelayed = ("the host did not take all of the payload's output",)

    def send_files(self, event: Event) -> None:
        if self._plan.gets:
            # Here, as most runs ask for none.
            from .guest_gets import send

            send(self._kernel, self._port, self._plan.gets)

    def note_stays(self, event: Event) -> None:
        self._facts.payload = {"exit": None, "error": "it is still there after SIGKILL"}

    def tell_died(self, event: Event) -> None:
        self._tell_lifecycle("SchedulerDied")

    def tell_not_attached(self, event: Event) -> None:
        self._tell_lifecycle("SchedulerNotAttached")

    def tell_outcome(self, event: Event) -> None:
        from .outcomes import as_json

        self._send(frames.OUTCOME, {**as_json(self._outcome, self._name, __version__), "kernel": self._kernel_now()})

    def tell_exit(self, event: Event) -> None:
        fault = self._unread if self._runtime.fault is None else str(self._runtime.fault)
        self._send(frames.EXIT, {"status": self._outcome.status, "payload": self._outcome.payload, "fault": fault})
        self._post(EventName.TOLD, {}, "written")

    def stop_probe(self, event: Event) -> None:
        if self._probe is None:
            self._post(EventName.DRAINED, {}, "no probe")
        else:
            self._probe.stop()

    # -- inside

    @property
    def _outcome(self) -> Outcome:
        """That of the run, or the verdict of this machine where there was none, with what became of the payload."""
        outcome = self._run_outcome
        if outcome is None:
            from .outcomes import OUTCOMES

            verdict = self._runtime.verdict or "fault"
            words = self._runtime.definition.outcomes.get(verdict, "")
            outcome = OUTCOMES[verdict](reason=words, degraded=tuple(self._degraded))
        payload = outcome.payload if self._facts.payload is None else self._facts.payload
        return attrs.evolve(outcome, payload=payload, degraded=(*outcome.degraded, *self._unrelayed))

    def _kernel_now(self) -> dict[str, object]:
        """What the kernel says at the end. Where it can't be read, the outcome is told all the same."""
        release = os.uname().release
        try:
            now = snapshot(self._kernel)
        except OSError:
            return {"state": None, "ops": None, "enable_seq": None, "release": release}
        return {"state": now.state, "ops": now.ops, "enable_seq": now.enable_seq, "release": release}

    @property
    def _log_path(self) -> str | None:
        """None: there is no log, and what stands at its path is somebody else's."""
        lost = self._run_outcome is None or self._run_outcome.log_lost is not None
        return None if lost else self._plan.log_path

    def _show(self, log: bytes) -> None:
        """For a host that has nothing but the console."""
        from .console import say
        from .output_markers import TAG_BYTES, enclosed

        marked = enclosed(log, os.urandom(TAG_BYTES).hex())
        say(self._kernel, marked, self._kernel.monotonic() + CONSOLE_TIMEOUT)

    def _end_of(self, path: str | None, limit: int) -> Iterator[bytes]:
        """The last `limit` bytes of a file as it is now, in pieces, however fast somebody still writes to it; nothing
        where there is none, and no more where it can't be read: the rest is told all the same, and why. By now anything
        may stand in its place: a FIFO must not block us."""
        if path is None:
            return
        try:
            fd = self._kernel.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                size = self._kernel.fstat(fd).size
                offset = max(0, size - limit)
                while offset < size and (chunk := self._kernel.pread(fd, min(CHUNK, size - offset), offset)):
                    yield chunk
                    offset += len(chunk)
            finally:
                self._kernel.close(fd)
        except FileNotFoundError:
            return
        except OSError as error:
            self._unread = str(error)

    def _tell_lifecycle(self, name: str) -> None:
        facts = {"event": name, "outcome": self._outcome.name, "reason": self._outcome.reason}
        self._send(frames.LIFECYCLE, facts)

    def _send(self, kind: int, facts: Mapping[str, Any]) -> None:
        self._port.send(kind, json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace"))

    def _post(self, name: EventName, data: Mapping[str, Any], cause: str) -> None:
        self._runtime.post(happened(name, data, cause))

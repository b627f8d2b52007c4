"""PID 1 that can be asked: by the payload through a socket in the guest, and by the host through a port of its own."""

from __future__ import annotations

import os
import random
import socket
from typing import TYPE_CHECKING, Any

import attrs

from scxlife.fsm.tape import Tape
from scxlife.platform.vm import frames
from scxlife.platform.vm.port import CONTROL_NAME, find

from .control.server import ControlServer
from .guest_control import SOCKET
from .operations.operations import Operations
from .operations.staging_slots import log_path, slot
from .outcomes import NotConfigured, Stopped
from .supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scxlife.fsm.definition import Definition
    from scxlife.platform.probe import Probe
    from scxlife.platform.vm.port import GuestPort

    from .actions import Announce
    from .init_kernel import InitKernel
    from .outcomes import Outcome
    from .plan import Plan

_BACKLOG = 16


class GuestOperations:
    """`life` and `machine` are the definitions of one scheduler's life and of what stands around them; `boot` the name
    of the scheduler in the boot's own slot, None without one; `staged` those of the other slots. `plan` is that of the
    boot's slot, with the payload. `announce` is told what each life announces."""

    def __init__(
        self,
        kernel: InitKernel,
        port: GuestPort,
        life: Definition,
        machine: Definition,
        plan: Plan,
        boot: str | None,
        staged: Sequence[str],
        *,
        announce: Announce,
        probe: Probe | None,
        on_probe: Callable[[str, bytes], object],
        on_log: Callable[[bytes], object],
        degraded: Sequence[str],
    ) -> None:
        self._kernel = kernel
        self._port = port
        self._life = life
        self._plan = plan
        self._boot = boot
        self._announce = announce
        self._probe = probe
        self._on_probe = on_probe
        self._on_log = on_log
        self._degraded = degraded
        self._ran: Supervision | None = None
        self._attached = False
        names = {*staged, *(() if boot is None else (boot,))}
        self._server = ControlServer(self._listening(), names)
        self._operations = Operations(
            kernel,
            machine,
            self._prepare,
            command=lambda name: self._plan_of(name, 0).command,
            draw=random.random,
            observer=Tape(machine, kernel.monotonic, self._tell(frames.OPERATIONS)),
            news=self._server.publish,
            plan=plan,
            control=lambda: self._server,
        )
        self._server.bind(self._operations.request, self._operations.status)

    def run(self) -> Outcome:
        """Until all has ended. The outcome is that of the last life."""
        device = find(CONTROL_NAME)
        if device is not None:
            self._server.adopt(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
        try:
            self._operations.run(self._boot)
        finally:
            self._server.hang_up()
        outcome = self._operations.standing.outcome or Stopped(reason="none was asked for")
        return attrs.evolve(outcome, payload=self._operations.payload_outcome)

    @property
    def failed(self) -> bool:
        """Whether nothing was ever attached: then it is the start that failed. But a request for what is not there is
        no boot without a scheduler."""
        return not self._attached and not isinstance(self._operations.standing.outcome, NotConfigured)

    def pids(self) -> tuple[int, ...]:
        """The processes whose statuses this takes itself."""
        return self._operations.pids()

    @property
    def plan(self) -> Plan:
        """That of the last life: whose log is to be shown."""
        return self._plan if self._ran is None else attrs.evolve(self._ran.plan, payload=())

    @property
    def failure(self) -> str:
        return "" if self._ran is None else self._ran.facts.failure

    # -- inside

    def _prepare(self, name: str, number: int, announce: Announce) -> Supervision:
        facts: Mapping[str, Any] = {"name": name, "run": number}
        # Ahead of the tape, so that whoever reads along knows whose it is.
        self._announce("begins", facts)
        tape = Tape(self._life, self._kernel.monotonic, self._tell(frames.TAPE))

        def announced(what: str, seen: Mapping[str, Any]) -> None:
            self._attached = self._attached or what == "attached"
            announce(what, seen)
            self._announce(what, {**facts, **seen})

        self._ran = Supervision(
            self._kernel,
            self._life,
            self._plan_of(name, number),
            observer=tape,
            announce=announced,
            probe=self._probe,
            on_probe=self._on_probe,
            on_log=self._on_log,
            degraded=self._degraded,
        )
        return self._ran

    def _plan_of(self, name: str, number: int) -> Plan:
        if name == self._boot:
            path = self._plan.log_path if number <= 1 else log_path("/tmp", name, number)
            return attrs.evolve(self._plan, log_path=path, payload=())
        command, arguments_file = slot(name)
        return attrs.evolve(
            self._plan,
            command=command,
            arguments_file=arguments_file,
            log_path=log_path("/tmp", name, number),
            payload=(),
        )

    def _tell(self, kind: int) -> Callable[[str], object]:
        return lambda line: self._port.send(kind, line.encode("utf-8", "replace"))

    @staticmethod
    def _listening() -> socket.socket:
        """For the payload. Nobody else is in the guest, and it was made a moment ago."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            made.bind(SOCKET)
        finally:
            os.umask(before)
        made.listen(_BACKLOG)
        return made

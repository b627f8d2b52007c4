"""Operations on this host: staged schedulers, a socket to ask at, and what is told to whoever listens."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from scxlife.fsm.tape import Tape
from scxlife.lifecycle.control.listening import ListeningSocket
from scxlife.lifecycle.control.server import ControlServer
from scxlife.lifecycle.outcomes import from_json
from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.supervision import Supervision
from scxlife.lifecycle.tapefile import TapeFile
from scxlife.platform.leftovers import unit_of

from .life_tapes import LifeTapes
from .operations import Operations
from .staging_slots import log_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scxlife.fsm.definition import Definition
    from scxlife.fsm.sources import Waiter
    from scxlife.lifecycle.actions import Announce
    from scxlife.lifecycle.metrics import Metrics
    from scxlife.lifecycle.notify import ServiceManager
    from scxlife.lifecycle.outlet import Outlets
    from scxlife.platform.kernel import Kernel

    from .staging import Staged
    from .timeline import OperationsLog, OperationsTimeline

# States of the machine in which all is about to end.
ENDING = ("closing", "dismissing", "discarding")


class Serving:
    """`life` and `machine` are the definitions of one scheduler's life and of what stands around them. `log` is for
    whoever reads along. `environment` is every scheduler's. `manager` is told as sd_notify(3) wants it, and `waiter`
    waits, and is to write what `outlets` have pending. `metrics` are of all lives. With `log_fd` the output of all
    schedulers goes there, else each has a file in `log_folder`."""

    def __init__(
        self,
        kernel: Kernel,
        life: Definition,
        machine: Definition,
        staged: Mapping[str, Staged],
        *,
        environment: Mapping[str, str],
        log_folder: str,
        log_fd: int | None = None,
        log: OperationsTimeline | OperationsLog,
        manager: ServiceManager,
        waiter: Waiter,
        outlets: Outlets | None = None,
        metrics: Metrics | None = None,
        ready_file: str | None = None,
        control: str | None = None,
        tape: str | None = None,
    ) -> None:
        self._kernel = kernel
        self._life = life
        self._machine = machine
        self._staged = staged
        self._environment = environment
        self.log_folder = log_folder
        self._log_fd = log_fd
        self._log = log
        self._manager = manager
        self._waiter = waiter
        self._metrics = metrics
        self._ready_file = ready_file
        self._control = control
        self._unit = unit_of(kernel, None if control is None else os.path.realpath(control))
        self._tape = tape
        self._outlets = outlets
        self._life_tapes = LifeTapes(tape, log.note, outlets)
        self.last: Mapping[str, Any] | None = None

    def run(self, first: str | None) -> int:
        """Begin with the staged scheduler `first`, or none; the exit code when all has ended. Raises UsageError when
        there can't be a socket or a tape."""
        with ExitStack() as stack:
            tape = stack.enter_context(TapeFile(self._tape, self._outlets))
            lines = () if self._tape is None else (tape,)
            listening = None
            if self._control is not None:
                listening = ListeningSocket(self._control)
                stack.callback(listening.close)
                self._log.note(f"scxlife: listening on {plain(listening.path)}")
            server = ControlServer(None if listening is None else listening.socket, self._staged)
            stack.callback(server.hang_up)
            operations = Operations(
                self._kernel,
                self._machine,
                self._prepare,
                command=lambda name: self._staged[name].command,
                draw=random.random,
                observer=Tape(self._machine, self._kernel.monotonic, *lines, records=(self._log.operations,)),
                news=lambda told: self._told(told, server),
                control=lambda: server,
                waiter=self._waiter,
            )
            server.bind(operations.request, operations.status)
            if first is None:
                self._manager.ready()
            stack.callback(self._life_tapes.close)
            return operations.run(first)

    def _prepare(self, name: str, number: int, announce: Announce) -> Supervision:
        staged = self._staged[name]
        plan = Plan(
            unit=self._unit,
            command=staged.command,
            arguments=staged.arguments,
            arguments_file=staged.arguments_file,
            environment=self._environment,
            log_path=log_path(self.log_folder, name, number),
            log_fd=self._log_fd,
            ready_file=self._ready_file,
        )
        self._life_tapes.begins(number)
        self._log.begins(name, number)
        lines = () if self._tape is None else (self._life_tapes,)
        readers = [self._log.life] if self._metrics is None else [self._log.life, self._metrics.record]
        tape = Tape(self._life, self._kernel.monotonic, *lines, records=readers)

        def tell(what: str, facts: Mapping[str, Any]) -> None:
            if self._metrics is not None:
                self._metrics.announce(what)
            announce(what, facts)

        return Supervision(self._kernel, self._life, plan, observer=tape, announce=tell)

    def _told(self, told: Mapping[str, Any], server: ControlServer) -> None:
        server.publish(told)
        what = told["event"]
        if what == "state":
            if told["state"] in ENDING:
                self._manager.tell(STOPPING="1")
            self._manager.status(f"{told['state']}: {told['cause']}")
        elif what == "attached":
            self._manager.ready()
        elif what == "ended":
            self.last = told["outcome"]
            self._log.over(from_json(told["outcome"]), f"{self._life.name} {self._life.version}")

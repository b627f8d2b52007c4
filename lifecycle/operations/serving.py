"""Operations on this host: staged schedulers, a socket to ask at, and what is told to whoever listens."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from scxlife.fsm.tape import Tape
from scxlife.lifecycle.control.listening import ListeningSocket
from scxlife.lifecycle.control.server import ControlServer
from scxlife.lifecycle.outcomes import from_json
from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.report import say_outcome
from scxlife.lifecycle.supervision import Supervision
from scxlife.lifecycle.tapefile import TapeFile

from .operations import Operations
from .staging_slots import log_path
from .timeline import OperationsTimeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scxlife.fsm.definition import Definition
    from scxlife.lifecycle.actions import Announce
    from scxlife.lifecycle.notify import ServiceManager
    from scxlife.platform.kernel import Kernel

    from .staging import Staged

# States of the machine in which all is about to end.
ENDING = ("closing", "dismissing", "discarding")


class Serving:
    """`life` and `machine` are the definitions of one scheduler's life and of what stands around them. `write` takes
    lines for people. `environment` is every scheduler's. `manager` is told as sd_notify(3) wants it."""

    def __init__(
        self,
        kernel: Kernel,
        life: Definition,
        machine: Definition,
        staged: Mapping[str, Staged],
        *,
        environment: Mapping[str, str],
        log_folder: str,
        write: Callable[[str], object],
        manager: ServiceManager,
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
        self._write = write
        self._manager = manager
        self._ready_file = ready_file
        self._control = control
        self._tape = tape
        self._life_tape: TapeFile | None = None
        self._timeline = OperationsTimeline(write)
        self.last: Mapping[str, Any] | None = None

    def run(self, first: str | None) -> int:
        """Begin with the staged scheduler `first`, or none; the exit code when all has ended. Raises UsageError when
        there can't be a socket or a tape."""
        with ExitStack() as stack:
            tape = stack.enter_context(TapeFile(self._tape))
            listening = None
            if self._control is not None:
                listening = ListeningSocket(self._control)
                stack.callback(listening.close)
                self._write(f"scxlife: listening on {plain(listening.path)}")
            server = ControlServer(None if listening is None else listening.socket, self._staged)
            stack.callback(server.hang_up)
            operations = Operations(
                self._kernel,
                self._machine,
                self._prepare,
                command=lambda name: self._staged[name].command,
                draw=random.random,
                observer=Tape(self._machine, self._kernel.monotonic, tape, self._timeline.operations),
                news=lambda told: self._told(told, server),
                control=lambda: server,
            )
            server.bind(operations.request, operations.status)
            if first is None:
                self._manager.tell(READY="1")
            stack.callback(self._end_tape)
            return operations.run(first)

    def _prepare(self, name: str, number: int, announce: Announce) -> Supervision:
        staged = self._staged[name]
        plan = Plan(
            command=staged.command,
            arguments=staged.arguments,
            arguments_file=staged.arguments_file,
            environment=self._environment,
            log_path=log_path(self.log_folder, name, number),
            ready_file=self._ready_file,
        )
        self._end_tape()
        self._life_tape = TapeFile(None if self._tape is None else f"{self._tape}.{number}")
        self._timeline.begins(name, number)
        tape = Tape(self._life, self._kernel.monotonic, self._life_tape, self._timeline.life)
        return Supervision(self._kernel, self._life, plan, observer=tape, announce=announce)

    def _end_tape(self) -> None:
        if self._life_tape is not None:
            self._life_tape.close()
            self._life_tape = None

    def _told(self, told: Mapping[str, Any], server: ControlServer) -> None:
        server.publish(told)
        what = told["event"]
        if what == "state":
            if told["state"] in ENDING:
                self._manager.tell(STOPPING="1")
            self._manager.status(f"{told['state']}: {told['cause']}")
        elif what == "attached":
            self._manager.tell(READY="1")
        elif what == "ended":
            self.last = told["outcome"]
            outcome = from_json(told["outcome"])
            if outcome.status:
                say_outcome(outcome, self._write, log_path=outcome.log_path)
                self._write("")

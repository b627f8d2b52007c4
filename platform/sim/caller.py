"""The process that makes the system calls: each takes a moment, in which the rest of the machine goes on."""

from __future__ import annotations

import errno
import signal

from .clock import SECOND, Endless
from .descriptors import Description, Descriptors, fail
from .faults import SupervisorKilled
from .machine import Machine
from .nodes import Node, walk
from .processes import Process

# What one call takes at most, in nanoseconds.
_CALL = 20_000
# Calls without a wait between them: more of them is a loop that nothing ends.
_AT_ONCE = 50_000
# Calls in all.
_MOST = 300_000


class Livelock(Endless):
    """The supervisor makes system calls without end and never waits."""


class Stuck(BaseException):
    """The supervisor waits without a bound, and nothing will ever happen any more."""


class Caller:
    def __init__(self, machine: Machine, *, descriptors: int = 1024) -> None:
        self.machine = machine
        self.clock = machine.clock
        self.process: Process = machine.supervisor
        self.descriptors = Descriptors(descriptors)
        self.calls = 0
        self.calls_since_wait = 0
        self._injector = machine.injector
        self._random = machine.random
        self._interrupted = False
        # Nanoseconds that it has waited in a write.
        self.held_up = 0
        # Whom it has spawned, and every signal that it has sent.
        self.started: list[Process] = []
        self.signals_sent: list[tuple[int, Process]] = []
        machine.descriptors = lambda: self.descriptors.open
        machine.killed = lambda process: self.signals_sent.append((signal.SIGKILL, process))
        null = walk(machine.root, "/dev/null")
        for _ in range(3):
            self.descriptors.install(null.open(2))

    def monotonic(self) -> float:
        return self.clock.now / SECOND

    def enter(self, call: str) -> None:
        """One system call. Raises the OSError that one of the faults wants."""
        if not self.process.alive:
            raise SupervisorKilled
        self.calls += 1
        self.calls_since_wait += 1
        if self.calls_since_wait > _AT_ONCE:
            raise Livelock(f"{_AT_ONCE} system calls and no wait, the last of them {call}")
        if self.calls > _MOST:
            raise Livelock(f"{_MOST} system calls, and it has not ended")
        clock, injector = self.clock, self._injector
        took = int(self._random.random() * _CALL)
        clock.advance(clock.now + (took if injector.quiet else took + self._stalled()))
        if not self.process.alive:
            # Killed meanwhile: the call is never made.
            raise SupervisorKilled
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt
        if not injector.quiet:
            injector.check(call)

    def _stalled(self) -> int:
        try:
            return self._injector.stall()
        except SupervisorKilled:
            self.die()
            raise

    def die(self) -> None:
        """A signal ends the supervisor: its descriptors are closed, and its children get their death signals."""
        if self.process.alive:
            for fd in list(self.descriptors.open):
                self.descriptors.close(fd)
            self.machine.processes.died(self.process)

    def walk(self, path: str, *, follow: bool = True) -> Node:
        try:
            return walk(self.machine.root, path, follow=follow)
        except OSError as error:
            fail(error.errno or errno.EIO, path)

    def install(self, description: Description) -> int:
        return self.descriptors.install(description)

"""The port on a simulated machine: the other side of `platform.kernel.Kernel`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from scxlife.platform.kernel import RB_DISABLE_CAD

from .caller import Stuck
from .clock import MILLISECOND
from .event_calls import EventCalls
from .file_calls import FileCalls
from .machine import Machine
from .process_calls import ProcessCalls

_LONGEST = 86_400.0


class Rebooted(BaseException):
    """reboot(2): there is nobody to return to."""


class SimKernel(ProcessCalls, FileCalls, EventCalls):
    """The system calls of the machine's supervisor. `waits` counts its polls, without those that only look at one
    descriptor; `woke_at` is when the last of them came back, in nanoseconds."""

    def __init__(self, machine: Machine, *, descriptors: int = 1024) -> None:
        super().__init__(machine, descriptors=descriptors)
        self.waits = 0
        self.woke_at = self.clock.now

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        self.enter("poll")
        if timeout is None or timeout > 0:
            self.calls_since_wait = 0
        fault = self._injector.wake()
        if fault is not None and fault.late is None:
            return []
        wanted = tuple(fds)
        until = None if timeout is None else self.clock.now + _milliseconds(timeout) * MILLISECOND
        ready = self._wait(wanted, until)
        if fault is not None and fault.late is not None:
            self.clock.advance(self.clock.now + int(fault.late * 1e9))
            ready = self._ready(wanted)
        if timeout != 0.0 or len(wanted) != 1:
            self.waits += 1
            self.woke_at = self.clock.now
        return ready

    def _wait(self, fds: tuple[int, ...], until: int | None) -> list[tuple[int, int]]:
        clock = self.clock
        while True:
            ready = self._ready(fds)
            if ready or (until is not None and clock.now >= until):
                return ready
            if self._interrupted or not self.process.alive:
                # The next call finds out.
                return []
            due = clock.next_due()
            if due is None and until is None:
                raise Stuck
            clock.advance(until if due is None or (until is not None and until < due) else due)  # type: ignore[arg-type]

    def _ready(self, fds: tuple[int, ...]) -> list[tuple[int, int]]:
        ready = []
        for fd in fds:
            found = self.descriptors.open.get(fd)
            revents = 0x20 if found is None else found.poll()
            if revents:
                ready.append((fd, revents))
        return ready

    # -- the machine

    def run_first(self, priority: int) -> None:
        self.enter("run_first")

    def lock_memory(self) -> None:
        self.enter("lock_memory")

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str) -> None:
        self.enter("mount")

    def load_module(self, fd: int) -> None:
        self.enter("load_module")

    def reboot(self, command: int) -> None:
        self.enter("reboot")
        if command != RB_DISABLE_CAD:
            raise Rebooted


def _milliseconds(timeout: float) -> int:
    return math.ceil(min(max(timeout, 0.0), _LONGEST) * 1000)

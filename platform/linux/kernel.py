"""The port on the Linux that runs us. What each method promises is written in `platform.kernel`."""

from __future__ import annotations

import math
import os
import select
import time
from typing import TYPE_CHECKING

from .events import Events
from .files import Files
from .processes import Processes
from .signals import Signals

if TYPE_CHECKING:
    from collections.abc import Iterable

# poll(2) takes milliseconds as an int: infinity and a year would both raise.
_LONGEST = 86_400.0


class LinuxKernel(Processes, Files, Events, Signals):
    def monotonic(self) -> float:
        return time.monotonic()

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        poller = select.poll()
        for fd in fds:
            poller.register(fd, select.POLLIN)
        # CPython itself goes on waiting after EINTR, with the rest of the time.
        return poller.poll(None if timeout is None else _milliseconds(timeout))

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str) -> None:
        from . import libc

        libc.mount(source, target, fstype, flags, data)

    def load_module(self, fd: int) -> None:
        from . import libc

        libc.load_module(fd)

    def reboot(self, command: int) -> None:
        from . import libc

        libc.reboot(command)

    def run_first(self, priority: int) -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))

    def lock_memory(self) -> None:
        from . import libc

        libc.lock_memory()


def _milliseconds(timeout: float) -> int:
    """Rounded up: a remainder cut off turns the end of each wait into a busy loop."""
    return math.ceil(min(max(timeout, 0.0), _LONGEST) * 1000)

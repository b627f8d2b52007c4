"""Signals as a descriptor.

Python has no signalfd, and one would want the signals blocked, which a child inherits. So: handlers that do nothing,
and the interpreter's own C handler, which writes the number of each signal to a pipe.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable


@attrs.frozen
class _Caught:
    read_end: int
    write_end: int
    former_wakeup: int
    former_handlers: dict[int, Any]


class Signals:
    _caught: _Caught | None = None

    def signal_fd(self, signals: Iterable[int]) -> int:
        if self._caught is not None:
            raise OSError(errno.EBUSY, "signals are caught already")
        read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        former_wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self._caught = caught = _Caught(read_end, write_end, former_wakeup, {})
        try:
            for number in signals:
                caught.former_handlers[number] = signal.signal(number, _nothing)
        except OSError:
            self.signal_close(read_end)
            raise
        return read_end

    def signal_read(self, fd: int) -> list[int]:
        assert self._caught is not None
        try:
            numbers = os.read(fd, 4096)
        except BlockingIOError:
            return []
        # The interpreter reports every signal that has a Python handler, an embedder's too.
        return [number for number in numbers if number in self._caught.former_handlers]

    def signal_close(self, fd: int) -> None:
        caught, self._caught = self._caught, None
        assert caught is not None and caught.read_end == fd
        for number, handler in caught.former_handlers.items():
            # None: it was not installed from Python, and can't be put back from there.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(caught.former_wakeup)
        os.close(caught.read_end)
        os.close(caught.write_end)


def _nothing(number: int, frame: object) -> None:
    pass

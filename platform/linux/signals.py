"""Signals as a descriptor.

Python has no signalfd, and it would want the signals blocked, which a child inherits. Instead: handlers that do
nothing, and the interpreter's own C handler, which writes the number of each signal to a pipe.
"""

from __future__ import annotations

import errno
import faulthandler
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
    caught: frozenset[int]
    blocked: frozenset[int]


class Signals:
    _caught: _Caught | None = None

    def signal_fd(self, signals: Iterable[int], *, ignored: Iterable[int] = (), blocked: Iterable[int] = ()) -> int:
        if self._caught is not None:
            raise OSError(errno.EBUSY, "signals are caught already")
        caught = [number for number in signals if number == signal.SIGTERM or not _is(number, signal.SIG_IGN)]
        dispositions: dict[int, Any] = {
            **dict.fromkeys(caught, _nothing),
            # A handler of our embedder's keeps its signal.
            **{number: signal.SIG_IGN for number in ignored if _is(number, signal.SIG_DFL)},
        }
        read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        former_wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        # A fault that is blocked ends us without the traceback that was asked for.
        faults = set() if faulthandler.is_enabled() else set(blocked)
        faults -= signal.pthread_sigmask(signal.SIG_BLOCK, faults)
        self._caught = opened = _Caught(read_end, write_end, former_wakeup, {}, frozenset(caught), frozenset(faults))
        try:
            for number, handler in dispositions.items():
                opened.former_handlers[number] = signal.signal(number, handler)
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
        return [number for number in numbers if number in self._caught.caught]

    def signal_close(self, fd: int) -> None:
        opened, self._caught = self._caught, None
        assert opened is not None and opened.read_end == fd
        # What somebody has sent meanwhile must not end us now.
        while opened.blocked and signal.sigtimedwait(opened.blocked, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_UNBLOCK, opened.blocked)
        for number, handler in opened.former_handlers.items():
            # None: it was not installed from Python, and can't be put back from there.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(opened.former_wakeup)
        os.close(opened.read_end)
        os.close(opened.write_end)


def _is(number: int, disposition: signal.Handlers) -> bool:
    return signal.getsignal(number) == disposition


def _nothing(number: int, frame: object) -> None:
    pass

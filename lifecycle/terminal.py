"""The terminal that a payload in a guest is given: ours, raw while it has it."""

from __future__ import annotations

import atexit
import os
import signal
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

_IN, _OUT = 0, 1
_FALLBACK = (24, 80)


def in_foreground(fd: int) -> bool:
    """Whether `fd` is a terminal that we may read: a background process that does is stopped."""
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        # It is nobody's controlling terminal, or not ours: then reading it stops nobody.
        return os.isatty(fd)


def is_ours() -> bool:
    """Whether standard input and output are a terminal that a payload can be given."""
    return in_foreground(_IN) and os.isatty(_OUT)


class Terminal:
    """Tells its size, and each change of it. `take_over` hands every key to the payload; `give_back` undoes that, as
    does the end of the process. Use it in a `with`."""

    def __init__(self) -> None:
        self._former: list[Any] | None = None
        self._changed = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._handler: Any = signal.SIG_DFL

    def __enter__(self) -> Terminal:
        self._handler = signal.signal(signal.SIGWINCH, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self.give_back()
        signal.signal(signal.SIGWINCH, self._handler)
        os.close(self._changed)

    @property
    def taken(self) -> bool:
        """Whether every key goes to the payload now."""
        return self._former is not None

    def take_over(self) -> None:
        """Make it raw. One that is gone stays as it is."""
        try:
            former = termios.tcgetattr(_IN)
            tty.setraw(_IN, termios.TCSANOW)
        except (OSError, termios.error):
            return
        self._former = former
        atexit.register(self.give_back)

    def give_back(self) -> None:
        """Make it as it was."""
        former, self._former = self._former, None
        if former is not None:
            with suppress(OSError, termios.error):
                termios.tcsetattr(_IN, termios.TCSANOW, former)
            atexit.unregister(self.give_back)

    def fileno(self) -> int:
        """A descriptor that turns readable when its size has changed, until `size` is called."""
        return self._changed

    def size(self) -> tuple[int, int]:
        """Its rows and columns."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._changed)
        try:
            found = os.get_terminal_size(_IN)
        except OSError:
            return _FALLBACK
        return (found.lines or _FALLBACK[0], found.columns or _FALLBACK[1])

    def _note(self, number: int, frame: FrameType | None) -> None:
        os.eventfd_write(self._changed, 1)

"""Says what is being done and how far it is: one rewritten line on a terminal, few plain lines anywhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

_CLEAR_LINE = "\r\x1b[K"


class Step:
    """One thing that takes a while. ``show`` is given its text whenever there is something new to say."""

    def __init__(self, what: str, show: Callable[[Step], None], clock: Callable[[], float]) -> None:
        self.what = what
        self._show = show
        self._clock = clock
        self._started = clock()
        self._position = ""

    def fraction(self, done: float, *, megabytes: float | None = None) -> None:
        """``done`` is from 0 to 1; with the size of the whole in 10**6 bytes, that is told as well."""
        self._position = f"{min(max(done, 0.0), 1.0):4.0%}"
        if megabytes is not None:
            self._position += f" of {megabytes:.1f} MB"
        self._show(self)

    def count(self, done: int, total: int, detail: str = "") -> None:
        self._position = f"{done} of {total}" + (f" ({detail})" if detail else "")
        self._show(self)

    def at(self, position: str) -> None:
        """Where it is, in words."""
        self._position = position
        self._show(self)

    def tick(self) -> None:
        """Nothing new but the time."""
        self._show(self)

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return self._clock() - self._started

    def text(self, width: int | None = None) -> str:
        """What, where and since when. To fit into ``width`` columns, *what* is cut before the rest is."""
        rest = (f": {self._position}" if self._position else "") + f", {self.elapsed:.0f} s"
        if width is None or len(self.what) + len(rest) <= width:
            return self.what + rest
        return f"{self.what[: max(width - len(rest) - 1, 0)]}…{rest}"[:width]


class Progress(Protocol):
    """What fetch and build report to."""

    def say(self, text: str) -> None:
        """One line that stays."""

    def step(self, what: str) -> AbstractContextManager[Step]:
        """Announces a step; use it in a ``with``. A step that ends in an exception is told as not finished."""


class LinePerStep:
    """For a terminal: the line of the step under way is rewritten, and its last state stays."""

    #: Seconds between two drawings: a terminal over a slow line must not hold up the work.
    interval = 0.1

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._next = 0.0

    def say(self, text: str) -> None:
        self._write(f"{_CLEAR_LINE}{text}\n")

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        step = Step(what, self._draw, self._clock)
        self._next = 0.0
        self._draw(step)
        try:
            yield step
        except BaseException:
            self._write(f"{_CLEAR_LINE}{what}: not finished, {step.elapsed:.0f} s\n")
            raise
        self._write(f"{_CLEAR_LINE}{what}: done, {step.elapsed:.1f} s\n")

    def _draw(self, step: Step) -> None:
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self.interval
        # A line that wraps can't be rewritten.
        self._write(_CLEAR_LINE + step.text(_columns(self._stream) - 1))

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class PlainLines:
    """For a pipe or a file: a line when a step begins and ends, and one now and then in between."""

    #: Seconds between two lines about the same step.
    interval = 5.0

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._next = 0.0

    def say(self, text: str) -> None:
        # Whole lines, at once: other processes may write to the same pipe.
        self._stream.write(f"{text}\n")
        self._stream.flush()

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        self.say(f"{what} …")
        self._next = self._clock() + self.interval
        step = Step(what, self._report, self._clock)
        try:
            yield step
        except BaseException:
            self.say(f"{what}: not finished, {step.elapsed:.0f} s")
            raise
        self.say(f"{what}: done, {step.elapsed:.1f} s")

    def _report(self, step: Step) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + self.interval
            self.say(step.text())


def progress_on(stream: TextIO = sys.stderr) -> Progress:
    """The kind that fits ``stream``."""
    rewritable = stream.isatty() and os.environ.get("TERM") != "dumb"
    return LinePerStep(stream) if rewritable else PlainLines(stream)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80

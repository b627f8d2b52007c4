"""Code in virtual time: a generator that yields how long it sleeps, in nanoseconds, or None until it is woken.

A woken one looks for itself whether what it waits for has come.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TypeVar

from .clock import Clock

T = TypeVar("T")
Code = Generator[int | None, None, T]


class Thread:
    """One such code under way."""

    def __init__(self, clock: Clock, code: Code[None]) -> None:
        self._clock = clock
        self._code = code
        # Whatever was planned with an older number has been overtaken.
        self._turn = 0

    def start(self, delay: int = 0) -> None:
        self._turn += 1
        self._clock.after(delay, partial(self._due, self._turn))

    wake = start

    def _due(self, turn: int) -> None:
        if turn == self._turn:
            self._step()

    def _step(self) -> None:
        self._turn += 1
        wait = next(self._code, _OVER)
        if wait is _OVER:
            self._finished()
        elif isinstance(wait, int):
            self._clock.after(wait, partial(self._due, self._turn))

    def _finished(self) -> None:
        """The code has come to its end."""


class _Over:
    pass


_OVER = _Over()


class Mutex:
    def __init__(self) -> None:
        self._held = False
        self._waiting: list[Thread] = []

    def acquire(self, me: Thread) -> Code[None]:
        while self._held:
            self._waiting.append(me)
            yield None
        self._held = True

    def release(self) -> None:
        self._held = False
        waiting, self._waiting = self._waiting, []
        for thread in waiting:
            thread.wake()

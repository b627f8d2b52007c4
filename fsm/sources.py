"""Where events come from: the protocol that every event source keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from .events import Event


class EventSource(Protocol):
    """One origin of events. The driver opens it when a state that lists it is entered, closes it when one that
    does not is.

    A source tells facts; it never decides what follows from them. None of its methods may block.
    """

    def open(self) -> None:
        """Acquire what is needed. Raises OSError when that is impossible and nothing useful can be told.

        What is already true when the source opens is an event of the first `drain`.
        """

    def fileno(self) -> int | None:
        """The descriptor that turns readable when `drain` has news; None when there is none (then only
        `next_deadline` wakes the driver). May change between calls."""

    def next_deadline(self) -> float | None:
        """Monotonic seconds at which `drain` wants to be called even if the descriptor stays silent, or None."""

    def drain(self) -> Iterable[Event]:
        """Everything that is known now and was not told before. Called after a wake-up, at `next_deadline`, and
        once more before any deadline of the machine is believed. A wake-up without cause yields nothing."""

    def close(self) -> None:
        """Give everything back. Called once for each `open` that returned."""


SourceFactory = Callable[[], EventSource | None]
"""Makes a source when a state that lists it is entered; None where there is nothing to listen to now."""


class Waiter(Protocol):
    """What the driver needs of a kernel: a clock and one way to sleep."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        """Wait until one of `fds` is ready, at most `timeout` seconds (None: no bound); `[(fd, revents), …]`.

        Never returns early for lack of precision: a wait is rounded up. EINTR gives an empty list. Raises OSError when
        the kernel refuses to wait (poll(2), epoll_wait(2))."""

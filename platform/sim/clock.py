"""Virtual time: it stands still until somebody waits, and then jumps to the next thing due."""

from __future__ import annotations

import heapq
from collections.abc import Callable

# Things that happen on one machine: one that never ends, or never rests, comes to more.
_MOST = 500_000

Action = Callable[[], None]

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1_000


def nanoseconds(seconds: float) -> int:
    return round(seconds * SECOND)


class Endless(BaseException):
    """More has happened than in any run that ends."""


class Clock:
    """Nanoseconds since boot, and an agenda. What is due at the same moment happens in the order of its planning."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._agenda: list[tuple[int, int, Action]] = []
        self._order = 0
        self._happened = 0

    def after(self, delay: int, action: Action) -> None:
        """Plan `action` for `delay` nanoseconds from now."""
        self._order += 1
        heapq.heappush(self._agenda, (self.now + delay, self._order, action))

    def next_due(self) -> int | None:
        return self._agenda[0][0] if self._agenda else None

    def advance(self, until: int) -> None:
        """Let everything happen that is due by `until`. An action may plan others, and must not advance the clock."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= until:
            when, _, action = heapq.heappop(agenda)
            if when > self.now:
                self.now = when
            self._happened += 1
            if self._happened > _MOST:
                raise Endless(f"{_MOST} things have happened, and it has not ended")
            action()
        if until > self.now:
            self.now = until

"""A waiter for programs that bring none of their own: the system's monotonic clock and poll(2)."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable

# poll(2) takes milliseconds as an int: infinity and a year would both raise. The driver then just waits again.
_LONGEST = 86_400.0


class SelectWaiter:
    """Sleeps in poll(2), rounded up to its milliseconds. Holds nothing between calls: there is nothing to close."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC, clock_gettime(2)."""
        return time.monotonic()

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        """Wait until one of `fds` is readable or has hung up, at most `timeout` seconds (None: no bound), and at most
        a day. `[(fd, revents), …]` as poll(2) tells them, empty when the time is over. Raises OSError."""
        poller = select.poll()
        for fd in fds:
            poller.register(fd, select.POLLIN)
        # After EINTR the interpreter runs the signal's handler and waits on, for the rest of the time.
        return poller.poll(None if timeout is None else math.ceil(min(max(timeout, 0.0), _LONGEST) * 1000))

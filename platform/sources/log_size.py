"""Logs that grow."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

from . import inotify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scxlife.platform.kernel import Kernel

_BUFFER = 65536


class LogSizeSource:
    """Tells `log_full` with `{"log", "size"}` when a log has more than `limit` bytes, and again for each further half
    of it. `logs` are open descriptors by name; what is no regular file does not grow.

    A process that writes all the time does not wake us all the time: after each look there is none for the cadence.
    `follow` is called at each, and returns whether it is to be called again though nothing more is written.
    """

    def __init__(
        self,
        kernel: Kernel,
        logs: Mapping[str, int],
        limit: int,
        *,
        cadence: float,
        follow: Callable[[], bool] | None = None,
    ) -> None:
        self.degraded: str | None = None
        self._kernel = kernel
        self._logs = dict(logs)
        self._limit = limit
        self._cadence = cadence
        self._follow = follow
        self._next: dict[str, int] = {}
        self._fd: int | None = None
        self._rests_until: float | None = None

    def open(self) -> None:
        self._rests_until = None
        self._next = {name: self._limit for name, fd in self._logs.items() if stat.S_ISREG(self._kernel.fstat(fd).mode)}
        try:
            self._fd = self._kernel.inotify_init()
            for name in self._next:
                self._kernel.inotify_add_watch(self._fd, f"/proc/self/fd/{self._logs[name]}", inotify.IN_MODIFY)
        except OSError as error:
            self.degraded = f"the size of the logs is not watched: {error.strerror}"
            self.close()

    def fileno(self) -> int | None:
        return None if self._rests_until is not None else self._fd

    def next_deadline(self) -> float | None:
        return self._rests_until

    def drain(self) -> list[Event]:
        if self._fd is None:
            return []
        now = self._kernel.monotonic()
        if self._rests_until is not None and now < self._rests_until:
            return []
        again = self._written(self._fd)
        if self._follow is not None:
            again = self._follow() or again
        self._rests_until = now + self._cadence if again else None
        told = []
        for name, bound in self._next.items():
            size = self._kernel.fstat(self._logs[name]).size
            if size > bound:
                self._next[name] = size + max(self._limit // 2, 1)
                told.append(Event("log_full", {"log": name, "size": size}, f"the log of the {name} has {size} bytes"))
        return told

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.close(fd)

    def _written(self, fd: int) -> bool:
        """Whether somebody wrote since the last look. Records that are alike are one in the queue, so one read empties
        it."""
        try:
            return bool(self._kernel.read(fd, _BUFFER))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self.degraded = f"the size of the logs is not watched: {error.strerror}"
                self.close()
            return False

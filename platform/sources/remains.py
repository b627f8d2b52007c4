"""The end, at last, of what did not end when it was killed."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event
from scxlife.platform.process_group import lives
from scxlife.platform.unwatched import UnwatchedChild

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scxlife.platform.kernel import Kernel
    from scxlife.platform.process_group import Member


class RemainsSource:
    """Tells `gone` when our child `pid` has ended, and is reaped, and none of `others` lives any more.

    A pidfd tells of the child, where one can be had. Without one it is looked for each `cadence` seconds, and so are
    the others, which are not ours to wait for.
    """

    degraded: str | None = None

    def __init__(self, kernel: Kernel, pid: int | None, others: Sequence[Member], *, cadence: float) -> None:
        self._kernel = kernel
        self._pid = pid
        self._others = tuple(others)
        self._cadence = cadence
        self._fd: int | None = None
        self._unwatched: UnwatchedChild | None = None
        self._due: float | None = None

    def open(self) -> None:
        self._due = self._kernel.monotonic()
        if self._pid is None:
            return
        try:
            self._fd = self._kernel.pidfd_open(self._pid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                self._unwatched = UnwatchedChild(self._kernel, self._pid)

    def fileno(self) -> int | None:
        return self._fd

    def next_deadline(self) -> float | None:
        return self._due

    def drain(self) -> list[Event]:
        if self._fd is None and self._due is None:
            return []
        if self._fd is not None and self._ended(self._fd):
            self.close()
        if self._unwatched is not None and self._unwatched.ended():
            self._unwatched = None
        self._others = tuple(member for member in self._others if lives(self._kernel, member))
        if self._fd is not None or self._unwatched is not None or self._others:
            at_cadence = self._unwatched is not None or self._others
            self._due = self._kernel.monotonic() + self._cadence if at_cadence else None
            return []
        self._due = None
        return [Event("gone", {"pid": self._pid}, "it has ended after all")]

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.close(fd)

    def _ended(self, fd: int) -> bool:
        try:
            return self._kernel.pidfd_wait(fd, reap=True) is not None
        except OSError as error:
            if error.errno != errno.ECHILD:
                raise
            # Somebody else has reaped it, or nobody had to; its number may be a stranger's since.
            return True

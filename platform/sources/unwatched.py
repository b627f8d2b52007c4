"""The end of a child that has no pidfd, told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.events import Event
from scxlife.platform.unwatched import UnwatchedChild

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel

    from .process import Child

# It got SIGKILL, so that its end is near: it is looked for after 1, 2, 4, … ms, and at last this often, in seconds.
_FIRST_PAUSE = 0.001
_LAST_PAUSE = 0.05


class UnwatchedSource:
    """Tells what `ProcessSource` does, and has reaped it by then.

    Nothing tells of it: SIGCHLD is the embedding program's, and a descriptor for that might not be had either.
    """

    degraded: str | None = None

    def __init__(self, kernel: Kernel, child: Child, event: str = "exited") -> None:
        self._kernel = kernel
        self._child = child
        self._event = event
        self._unwatched = UnwatchedChild(kernel, child.pid)
        self._told = False
        self._pause = _FIRST_PAUSE
        self._due = 0.0

    def open(self) -> None:
        self._pause = _FIRST_PAUSE
        self._due = self._kernel.monotonic()

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return None if self._told else self._due

    def drain(self) -> list[Event]:
        if self._told:
            return []
        if not self._unwatched.ended():
            self._due = self._kernel.monotonic() + self._pause
            self._pause = min(2 * self._pause, _LAST_PAUSE)
            return []
        self._told = True
        status = self._unwatched.status
        data = {
            "pid": self._child.pid,
            "generation": self._child.generation,
            "exit": None if status is None else status.as_data(),
            "how": "unknown" if status is None else "waitid",
        }
        return [Event(self._event, data, "looked for without a pidfd")]

    def close(self) -> None:
        """Nothing is held."""

"""Whether the kernel has room for a scheduler: it runs one at a time, and refuses a second one with EBUSY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.events import Event
from scxlife.platform.sched_ext import DISABLED, state_of

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel


class SlotSource:
    """Tells `vacant`, with `{"state"}`, when the kernel runs no scheduler, and then nothing more. A kernel without
    sched_ext has nothing that could be in the way.

    No uevent tells that a scheduler is gone for good (its kobject goes first), so it is looked at by the clock.
    """

    degraded: str | None = None

    def __init__(self, kernel: Kernel, *, cadence: float) -> None:
        self._kernel = kernel
        self._cadence = cadence
        self._due: float | None = None

    def open(self) -> None:
        self._due = self._kernel.monotonic()

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return self._due

    def drain(self) -> list[Event]:
        if self._due is None:
            return []
        try:
            state = state_of(self._kernel)
        except OSError as error:
            self.degraded = f"sched_ext can't be read: {error.strerror}"
            state = "unknown"
        if state in (None, DISABLED):
            self._due = None
            return [Event("vacant", {"state": state}, f"state {state or 'absent'}")]
        self._due = self._kernel.monotonic() + self._cadence
        return []

    def close(self) -> None:
        self._due = None

"""The pause before a restart, as an event source: its length is not the definition's to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel


class BackoffSource:
    """Tells `backoff_over` once, at the moment `until` (monotonic seconds)."""

    degraded: str | None = None

    def __init__(self, kernel: Kernel, until: float) -> None:
        self._kernel = kernel
        self._until: float | None = until

    def open(self) -> None:
        """Nothing is needed."""

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return self._until

    def drain(self) -> list[Event]:
        if self._until is None or self._kernel.monotonic() < self._until:
            return []
        self._until = None
        return [Event("backoff_over", cause="the pause is over")]

    def close(self) -> None:
        self._until = None

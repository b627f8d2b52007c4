from __future__ import annotations

from scxlife.fsm.events import Event


class AssumeReadySource:
    """For a scheduler whose readiness nothing can show: ready as soon as anybody asks."""

    degraded: str | None = None

    def __init__(self) -> None:
        self._due: list[Event] = []

    def open(self) -> None:
        self._due = [Event("ready", cause="assumed")]

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return 0.0 if self._due else None

    def drain(self) -> list[Event]:
        due, self._due = self._due, []
        return due

    def close(self) -> None:
        self._due = []

    def confirm(self) -> bool:
        return True

    def undecided(self) -> bool:
        return False

    def restate(self) -> None:
        """Nothing in the kernel is known to be ours, so nothing has to be waited for."""
        self._due = [Event("clear", cause="assumed")]

"""The end of what a payload has written, on its way to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

if TYPE_CHECKING:
    from scxlife.platform.vm.payload_relay import PayloadRelay


class RelayedSource:
    """Tells `relayed`, once, when the host has all that the payload has written. Others relay it."""

    degraded: str | None = None

    def __init__(self, relay: PayloadRelay) -> None:
        self._relay = relay
        self._told = False

    def open(self) -> None:
        self._told = False

    def fileno(self) -> int | None:
        return None if self._told else self._relay.over_fileno()

    def next_deadline(self) -> float | None:
        return None

    def drain(self) -> list[Event]:
        if self._told or not self._relay.complete:
            return []
        self._told = True
        return [Event("relayed", {}, "the host has it")]

    def close(self) -> None:
        """Nothing is ours."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scxlife.platform.kernel import Kernel


class SignalSource:
    """Turns signals into events: `{signal.SIGINT: "interrupt", …}`. While open they do nothing else."""

    degraded: str | None = None

    def __init__(self, kernel: Kernel, events: Mapping[int, str]) -> None:
        self._kernel = kernel
        self._events = dict(events)
        self._fd: int | None = None

    def open(self) -> None:
        self._fd = self._kernel.signal_fd(self._events)

    def fileno(self) -> int | None:
        return self._fd

    def next_deadline(self) -> float | None:
        return None

    def drain(self) -> list[Event]:
        if self._fd is None:
            return []
        return [
            Event(self._events[number], {"signal": _name(number)}, f"signal {_name(number)}")
            for number in self._kernel.signal_read(self._fd)
        ]

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.signal_close(fd)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        # Only the first and the last real-time signal have names.
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"

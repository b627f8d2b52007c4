from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scxlife.platform.kernel import Kernel

#: These ask a supervisor to end.
ENDING = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGABRT,
    signal.SIGXCPU,
    signal.SIGPWR,
)
#: The kernel sends these for a fault of ours. From anybody else they mean nothing.
FAULTS = (signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS)
#: These do nothing by default, or Python ignores them, or nothing can be done about them.
_LEFT_ALONE = {
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGURG,
    signal.SIGWINCH,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGKILL,
    signal.SIGSTOP,
}
#: All others: a supervisor that one of them ends, or stops as Ctrl-Z does, leaves its process alone.
IGNORED = tuple(sorted(signal.valid_signals() - {*ENDING, *FAULTS, *_LEFT_ALONE}))


class SignalSource:
    """Turns signals into events: `{signal.SIGINT: "interrupt", …}`. While open they do nothing else.

    Meanwhile `ignored` are ignored, and `blocked` have no effect when somebody sends them: see `Kernel.signal_fd`.
    """

    degraded: str | None = None

    def __init__(
        self,
        kernel: Kernel,
        events: Mapping[int, str],
        *,
        ignored: Iterable[int] = (),
        blocked: Iterable[int] = (),
    ) -> None:
        self._kernel = kernel
        self._events = dict(events)
        self._ignored = tuple(ignored)
        self._blocked = tuple(blocked)
        self._fd: int | None = None

    @classmethod
    def of_supervisor(cls, kernel: Kernel, event: str) -> SignalSource:
        """Those that ask for the end, as `event`. Of all others only SIGKILL and SIGSTOP have an effect."""
        return cls(kernel, dict.fromkeys(ENDING, event), ignored=IGNORED, blocked=FAULTS)

    def open(self) -> None:
        self._fd = self._kernel.signal_fd(self._events, ignored=self._ignored, blocked=self._blocked)

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

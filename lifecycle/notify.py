"""The service manager that started us is told: sd_notify(3) by the standard library, and the newline of s6 and dinit.

Only who is the unit's main process may be believed, and that is this one: what is ready is our child, and its proof is
ours. So the child gets none of the variables (`plan`), and a message is sent by the process that systemd knows.

Nothing here waits while a run goes on, and nothing that fails ends one: it is told as `degraded`.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .outlet import Outlet
from .plan import NOTIFY_SOCKET, WATCHDOG_PID, WATCHDOG_USEC
from .usage import UsageError

if TYPE_CHECKING:
    from scxlife.fsm.sources import Waiter

    from .outlet import Outlets

#: The status that systemd keeps is one line; a verifier's words may be many.
STATUS_BYTES = 512
_FIRST_OF_OURS = 3
_LAST_WORDS_S = 1.0


class ServiceManager:
    """The other end of NOTIFY_SOCKET; where there is none, nobody is told. `degraded` says why a message was lost.

    A message that does not fit into the socket at this moment goes with the next one: readiness is not forgotten.
    `descriptor` is told of readiness too.
    """

    def __init__(self, address: str | None, descriptor: ReadinessDescriptor | None = None) -> None:
        self.degraded: str | None = None
        self._descriptor = descriptor
        self._address = _socket_address(address) if address else None
        self._socket: socket.socket | None = None
        self._unsent: dict[str, str] = {}
        if self._address is None:
            if address:
                self.degraded = f"the service manager is not told: {NOTIFY_SOCKET} is no path: {address}"
            return
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._lost(error)

    def tell(self, **assignments: str) -> None:
        """Send `READY="1"` and the like in one message."""
        if self._socket is None or self._address is None:
            return
        self._unsent.update(assignments)
        message = "\n".join(f"{name}={value}" for name, value in self._unsent.items())
        try:
            self._socket.sendto(message.encode("utf-8", "replace"), self._address)
        except (BlockingIOError, TimeoutError):
            return
        except OSError as error:
            self._lost(error)
        self._unsent.clear()

    def ready(self) -> None:
        self.tell(READY="1")
        if self._descriptor is not None:
            self._descriptor.ready()

    def status(self, text: str) -> None:
        line = " ".join(text.split()).encode("utf-8", "replace")
        cut = line if len(line) <= STATUS_BYTES else line[: STATUS_BYTES - 3] + "…".encode()
        self.tell(STATUS=cut.decode("utf-8", "ignore"))

    def close(self) -> None:
        """Give what was not sent yet a moment more: the run is over, and nothing of it waits."""
        if self._socket is not None:
            if self._unsent:
                self._socket.settimeout(_LAST_WORDS_S)
                self.tell()
            self._socket.close()
            self._socket = None
        if self._descriptor is not None:
            self._descriptor.close()

    def _lost(self, error: OSError) -> None:
        self.degraded = f"the service manager was not told: {error.strerror}"


class Watchdog:
    """Waits as `waiter` does, and tells the service manager that we still come back to our wait, each `interval`
    seconds. Who hangs in an action, a guard or a source comes back no more, and is missed.

    It is made only where the service manager asked for it: otherwise nothing wakes a quiet run.
    """

    def __init__(self, waiter: Waiter, manager: ServiceManager, interval: float) -> None:
        self._waiter = waiter
        self._manager = manager
        self._interval = interval
        self._next = waiter.monotonic()

    def monotonic(self) -> float:
        return self._waiter.monotonic()

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        now = self._waiter.monotonic()
        if now >= self._next:
            self._manager.tell(WATCHDOG="1")
            self._next = now + self._interval
        left = self._next - now
        return self._waiter.poll(fds, left if timeout is None else min(left, timeout))


def watched(waiter: Waiter, manager: ServiceManager, environment: Mapping[str, str], pid: int) -> Waiter:
    """`waiter`, or one that gives signs of life where the service manager wants them of `pid`, which is us."""
    interval = watchdog_interval(environment, pid)
    return waiter if interval is None else Watchdog(waiter, manager, interval)


def watchdog_interval(environment: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two signs of life, half of what the service manager allows; None where it asked for none, or
    asked another process. sd_watchdog_enabled(3)"""
    allowed, asked = environment.get(WATCHDOG_USEC, ""), environment.get(WATCHDOG_PID, "")
    if not allowed.isdecimal() or int(allowed) == 0 or (asked and asked != str(pid)):
        return None
    return int(allowed) / 2 / 1e6


class ReadinessDescriptor:
    """An inherited descriptor that is given a newline when the run is ready, then closed: s6's notification-fd and
    dinit's ready-notification. Raises UsageError for one that can't be written to."""

    def __init__(self, fd: int, outlets: Outlets) -> None:
        self._fd = fd
        if fd < _FIRST_OF_OURS:
            raise UsageError(f"--notify-fd {fd}: 0, 1 and 2 are taken; give it 3 or more")
        try:
            mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
            fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        except OverflowError:
            raise UsageError(f"--notify-fd {fd}: that is no descriptor") from None
        except OSError as error:
            raise UsageError(f"--notify-fd {fd}: {error.strerror}; whoever starts us has to open it") from None
        if mode == os.O_RDONLY:
            raise UsageError(f"--notify-fd {fd}: it is open for reading only")
        self._outlet = outlets.add(Outlet(outlets.kernel, fd, name=f"--notify-fd {fd}", owned=True))

    @property
    def degraded(self) -> str | None:
        """Why readiness was not reported; None while nothing has gone wrong."""
        error = self._outlet.error
        if error is None and not self._outlet.dropped and not self._outlet.pending:
            return None
        why = "nobody reads it" if error is None else error.strerror
        return f"readiness could not be told by descriptor {self._fd}: {why}"

    def ready(self) -> None:
        self._outlet.write(b"\n")
        self._outlet.close()

    def close(self) -> None:
        self._outlet.close()


def _socket_address(text: str) -> str | None:
    if text.startswith("@"):
        return f"\0{text[1:]}"
    return text if text.startswith("/") else None

"""The end of our process, told once."""

from __future__ import annotations

import errno
import select
from typing import TYPE_CHECKING

import attrs

from scxlife.fsm.events import Event

if TYPE_CHECKING:
    from scxlife.platform.kernel import ExitStatus, Kernel
    from scxlife.platform.process_group import Member

# A pidfd turns readable a moment before the status of a process that nobody waits for is stored. So often it is asked
# at once; then, should the kernel have been kept from it, after so many seconds, and so on.
_AT_ONCE = 32
_FIRST_RETRY = 0.001
_GIVE_UP = 0.1
# Where the kernel could not be asked at all.
_LOOK_AGAIN = 0.05


@attrs.frozen
class Child:
    """A process that we started. `pidfd` is None when it was already gone and reaped when one was asked for, and when
    none could be had: `unwatched` tells why, and it got SIGKILL. `member` is it and nobody else, whoever gets its pid;
    None when it was gone before it could be seen. `outlives_us`: it was to have a parent-death signal and has none."""

    pid: int
    pidfd: int | None
    generation: int
    path: str
    unwatched: OSError | None = None
    member: Member | None = None
    outlives_us: bool = False


class ProcessSource:
    """Tells how the child ended, and leaves the zombie for whoever reaps.

    Data: `pid`, `generation`, `exit` (`{"code": n}`, `{"signal": n}`, or None: unknown) and `how` that is known:
    `waitid`, `pidfd_info` (reaped, but the kernel remembers) or `unknown`. `close` leaves the pidfd open.
    """

    degraded: str | None = None

    def __init__(self, kernel: Kernel, child: Child, event: str = "exited") -> None:
        self._kernel = kernel
        self._child = child
        self._event = event
        self._told = False
        self._retry: float | None = None
        self._retry_at: float | None = None
        self._give_up_at: float | None = None

    def open(self) -> None:
        self._told = False
        self._retry_at = self._give_up_at = None

    def fileno(self) -> int | None:
        # It stays readable for ever: once that is known it must not wake anybody again.
        return None if self._told or self._give_up_at is not None else self._child.pidfd

    def next_deadline(self) -> float | None:
        if self._told:
            return None
        return self._retry_at if self._child.pidfd is not None else 0.0

    def drain(self) -> list[Event]:
        if self._told:
            return []
        if self._child.pidfd is None:
            return self._tell(None, "unknown", "gone before a pidfd could be had")
        denied: OSError | None = None
        try:
            # Asked before poll(2), which has nothing to add when there is a status.
            status = self._kernel.pidfd_wait(self._child.pidfd, reap=False)
        except OSError as error:
            status, denied = None, error
        if status is not None:
            return self._tell(status, "waitid", "pidfd readable")
        revents = self._revents(self._child.pidfd)
        if revents is None:
            # No memory for the moment: the end of our process must not be missed for that.
            self._retry_at = self._kernel.monotonic() + _LOOK_AGAIN
            return []
        self._retry_at = None
        if not revents:
            return []
        if not revents & (select.POLLIN | select.POLLHUP):
            return self._tell(None, "unknown", f"pidfd revents {revents:#x}")
        return [] if denied is None else self._reaped(self._child.pidfd, revents, denied)

    def close(self) -> None:
        self._retry_at = None

    def _revents(self, pidfd: int) -> int | None:
        """What poll(2) says of it, None when it could not be asked."""
        try:
            return dict(self._kernel.poll((pidfd,), 0.0)).get(pidfd, 0)
        except OSError:
            return None

    def _reaped(self, pidfd: int, revents: int, denied: OSError) -> list[Event]:
        why = f"waitid: {_name(denied)}"
        # Dead it is, and whatever is told before its death would be told too early: it is only a moment.
        for _ in range(_AT_ONCE if self._give_up_at is None else 1):
            try:
                status = self._kernel.pidfd_exit_info(pidfd)
            except OSError as error:
                if error.errno != errno.ESRCH:
                    return self._tell(None, "unknown", f"{why}, PIDFD_GET_INFO: {_name(error)}")
                status = None
            if status is not None:
                return self._tell(status, "pidfd_info", why)
            # POLLHUP, seen before the kernel was asked: the reaping is over, nothing more will be stored.
            if revents & select.POLLHUP:
                return self._tell(None, "unknown", why)
            revents = self._revents(pidfd) or 0
        now = self._kernel.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + _GIVE_UP
            self._retry = _FIRST_RETRY
        if now >= self._give_up_at:
            return self._tell(None, "unknown", why)
        assert self._retry is not None
        self._retry_at = min(now + self._retry, self._give_up_at)
        self._retry *= 2
        return []

    def _tell(self, status: ExitStatus | None, how: str, cause: str) -> list[Event]:
        self._told = True
        data = {
            "pid": self._child.pid,
            "generation": self._child.generation,
            "exit": None if status is None else status.as_data(),
            "how": how,
        }
        return [Event(self._event, data, cause)]


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))

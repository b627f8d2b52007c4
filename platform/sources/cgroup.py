"""Whether somebody still lives in a cgroup."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event
from scxlife.platform.cgroup import populated

from . import inotify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scxlife.platform.cgroup import Cgroup
    from scxlife.platform.kernel import Kernel

_BUFFER = 4096
_READS_AT_ONCE = 64
_FIRST_PAUSE = 0.001


class CgroupSource:
    """Tells `event` when no living process is in any of the cgroups any more, once, with `{"path"}` of the first. There
    may be none: what was to be waited for has ended by then.

    The kernel tells inotify of `cgroup.events`, unlike of most files in kernfs, but not oftener than every 10 ms
    (CGROUP_FILE_NOTIFY_MIN_INTV): so it also looks again after 1, 2, 4, … ms, and at the cadence where no watch can be
    had.
    """

    def __init__(
        self,
        kernel: Kernel,
        cgroups: Sequence[Cgroup],
        event: str = "deserted",
        *,
        cadence: float,
        cause: str = "cgroup.events: populated 0",
    ) -> None:
        self.degraded: str | None = None
        self._kernel = kernel
        self._cgroups = tuple(cgroups)
        self._path = next((cgroup.path for cgroup in cgroups), "")
        self._event = event
        self._cause = cause
        self._cadence = cadence
        self._fd: int | None = None
        self._told = False
        self._pause = 0.0
        self._due = 0.0

    def open(self) -> None:
        self._told = False
        self._pause = min(_FIRST_PAUSE, self._cadence)
        self._due = self._kernel.monotonic()
        try:
            self._fd = self._kernel.inotify_init()
            for cgroup in self._cgroups:
                self._kernel.inotify_add_watch(self._fd, f"{cgroup.path}/cgroup.events", inotify.IN_MODIFY)
        except OSError as error:
            self._unwatched(error)

    def fileno(self) -> int | None:
        return None if self._told else self._fd

    def next_deadline(self) -> float | None:
        watched = self._fd is not None and self._pause >= self._cadence
        return None if self._told or watched else self._due

    def drain(self) -> list[Event]:
        self._read_watch()
        now = self._kernel.monotonic()
        if now >= self._due:
            self._due = now + self._pause
            self._pause = min(2 * self._pause, self._cadence)
        if self._told or any(populated(self._kernel, cgroup) for cgroup in self._cgroups):
            return []
        self._told = True
        return [Event(self._event, {"path": self._path}, self._cause)]

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.close(fd)

    def _read_watch(self) -> None:
        """Empty the queue; whatever it said, the file itself is looked at."""
        for _ in range(_READS_AT_ONCE):
            if self._fd is None:
                return
            try:
                self._kernel.read(self._fd, _BUFFER)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    self._unwatched(error)
                return

    def _unwatched(self, error: OSError) -> None:
        self.degraded = f"{self._path} is not watched: {error.strerror}"
        self.close()

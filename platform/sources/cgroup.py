"""Whether somebody still lives in a cgroup."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event
from scxlife.platform.cgroup import populated

from . import inotify

if TYPE_CHECKING:
    from scxlife.platform.cgroup import Cgroup
    from scxlife.platform.kernel import Kernel

_BUFFER = 4096
_READS_AT_ONCE = 64
_FIRST_PAUSE = 0.001


class CgroupSource:
    """Tells `deserted` when no living process is in the cgroup any more, once, with `{"path"}`.

    The kernel tells inotify of `cgroup.events`, unlike of most files in kernfs, but not oftener than every 10 ms
    (CGROUP_FILE_NOTIFY_MIN_INTV): so it also looks again after 1, 2, 4, … ms, and at the cadence where no watch can be
    had.
    """

    def __init__(self, kernel: Kernel, cgroup: Cgroup, *, cadence: float) -> None:
        self.degraded: str | None = None
        self._kernel = kernel
        self._cgroup = cgroup
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
            self._kernel.inotify_add_watch(self._fd, f"{self._cgroup.path}/cgroup.events", inotify.IN_MODIFY)
        except OSError as error:
            self.degraded = f"{self._cgroup.path} is not watched: {error.strerror}"
            self.close()

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
        if self._told or populated(self._kernel, self._cgroup):
            return []
        self._told = True
        return [Event("deserted", {"path": self._cgroup.path}, "cgroup.events: populated 0")]

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
                    self.degraded = f"{self._cgroup.path} is not watched: {error.strerror}"
                    self.close()
                return

"""Readiness by a file that the program makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

from . import inotify

if TYPE_CHECKING:
    from scxlife.platform.kernel import FileStat, Kernel

# Never IN_OPEN, IN_ACCESS or IN_CLOSE_NOWRITE: our own look would wake us, for ever.
_MASK = (
    inotify.IN_CREATE
    | inotify.IN_MOVED_TO
    | inotify.IN_CLOSE_WRITE
    | inotify.IN_ATTRIB
    | inotify.IN_DELETE
    | inotify.IN_MOVED_FROM
    | inotify.IN_DELETE_SELF
    | inotify.IN_MOVE_SELF
    | inotify.IN_ONLYDIR
)
_BUFFER = 16_384
# A directory where much happens must not keep the driver here.
_READS_AT_ONCE = 64


class FileSource:
    """Tells `ready` when `path` exists and is not the stale one that `baseline` saw, `lost` when it is removed.

    Data: `path`. `restate` is answered by `clear`: a file holds nothing in the kernel. Until the file is there the
    directory is watched and looked at each `cadence` seconds too (a rename further up the path and network file
    systems say nothing); afterwards only watched, if it can be.
    """

    def __init__(self, kernel: Kernel, path: str, baseline: FileStat | None, *, cadence: float) -> None:
        self.degraded: str | None = None
        self._kernel = kernel
        self._path = path
        self._parent = path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")
        self._baseline = baseline
        self._cadence = cadence
        self._fd: int | None = None
        self._watched: tuple[int, int] | None = None
        self._ready = False
        self._asked = False
        self._due = 0.0

    def open(self) -> None:
        self._ready = self._asked = False
        self._due = self._kernel.monotonic()
        self._watch()

    def fileno(self) -> int | None:
        return self._fd

    def next_deadline(self) -> float | None:
        return None if self._ready and self._fd is not None and not self._asked else self._due

    def drain(self) -> list[Event]:
        cause = self._read_watch() or ("asked" if self._asked else "cadence")
        if self._fd is None or self._watched is None or self._identity() != self._watched:
            self._watch()
        told = []
        ready = self.confirm()
        if ready != self._ready:
            self._ready = ready
            told.append(self._event("ready" if ready else "lost", cause))
        if self._asked:
            self._asked = False
            told.append(self._event("clear", "asked"))
        self._due = self._kernel.monotonic() + self._cadence
        return told

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.close(fd)

    def confirm(self) -> bool:
        """Look now: is the file there, and not the stale one?"""
        try:
            return self._kernel.stat(self._path) != self._baseline
        except OSError:
            return False

    def undecided(self) -> bool:
        return False

    def restate(self) -> None:
        self._asked = True
        self._due = self._kernel.monotonic()

    def _event(self, name: str, cause: str) -> Event:
        return Event(name, {"path": self._path}, cause)

    def _watch(self) -> None:
        """Watch the directory that bears the name now; a watch on its predecessor goes with its descriptor."""
        self.close()
        try:
            self._fd = self._kernel.inotify_init()
            self._kernel.inotify_add_watch(self._fd, self._parent, _MASK)
            self._watched = self._identity()
            self.degraded = None
        except OSError as error:
            self.degraded = f"{self._parent} is not watched: {error.strerror}"
            self.close()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._kernel.stat(self._parent)
        except OSError:
            return None
        return found.dev, found.ino

    def _read_watch(self) -> str | None:
        """Empty the queue; what it said, for the record. Whatever it was, the file itself is looked at."""
        cause = None
        for _ in range(_READS_AT_ONCE):
            if self._fd is None:
                break
            try:
                happened = inotify.parse(self._kernel.read(self._fd, _BUFFER))
            except BlockingIOError:
                break
            except OSError as error:
                self.degraded = f"{self._parent} is not watched: {error.strerror}"
                self.close()
                break
            for event in happened:
                cause = "inotify overflow" if event.overflow else f"inotify {event.name or self._parent}"
                if event.mask & inotify.IN_IGNORED:
                    self._watched = None
        return cause

"""A descriptor that somebody else reads: writing to it never waits while something is supervised."""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import suppress
from errno import EPIPE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import TextIO

    from scxlife.platform.kernel import Kernel

#: Bytes that are kept for a reader who does not read at the moment.
LIMIT = 1 << 20
#: Seconds without any progress of the reader after which `finish` gives up.
PATIENCE = 2.0
# Bytes of whole lines that are written in one call: PIPE_BUF of pipe(7), so that a pipe takes them all or none.
_AT_ONCE = 4096


def gap_line(lines: int) -> str:
    """What stands in a text in place of lines that were dropped."""
    return f"scxlife: {_counted(lines)} missing here, not read in time"


def _counted(lines: int) -> str:
    return f"{lines} line{'' if lines == 1 else 's'}"


class Outlet:
    """Writes lines to `fd` as fast as they are read, and keeps at most `limit` bytes of what is not read yet.

    When that is full, the oldest lines that have not been begun are dropped, and `gap` gives the line that stands in
    their place. `dropped` counts them. After an error of the descriptor, which `error` keeps, nothing more is written.
    `name` is what a report calls it. With `owned`, `fd` is closed at the end too; its flags are never changed. With
    `may_leave`, a reader that goes away has lost nothing.

    Wait for `fileno` to turn readable and call `flush`; `Outlets` does that for many. No method raises OSError.
    """

    def __init__(
        self,
        kernel: Kernel,
        fd: int,
        *,
        limit: int = LIMIT,
        gap: Callable[[int], str] = gap_line,
        name: str = "the output",
        owned: bool = False,
        may_leave: bool = False,
    ) -> None:
        self.name = name
        self._may_leave = may_leave
        self.dropped = 0
        self.error: OSError | None = None
        self._kernel = kernel
        self._limit = limit
        self._gap = gap
        self._missing = 0
        self._begun = b""
        # What stands in place of lines is none itself.
        self._begins_gap = False
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._closing = False
        self._mine = [fd] if owned else []
        self._fd = self._own(fd)
        self._watch: int | None = None
        # A regular file has none: it takes everything at once. Where no descriptor is left, each write tries again.
        with suppress(OSError):
            self._watch = kernel.writable_fd(self._fd)
            self._mine.append(self._watch)

    @property
    def pending(self) -> int:
        """Bytes that are still to be written."""
        return len(self._begun) + self._size

    @property
    def closed(self) -> bool:
        """Whether it was closed, and everything was written or given up."""
        return self._closing and not self._mine and not self.pending

    def fileno(self) -> int | None:
        """A descriptor that turns readable when `flush` can write more; None while there is nothing to write."""
        return self._watch if self.pending else None

    def write(self, data: bytes) -> None:
        """Write one or more whole lines, now or later. They are kept, or dropped, together."""
        if self.error is not None or self._closing:
            return
        self._lines.append(data)
        self._size += len(data)
        self.flush()
        while self._size > self._limit:
            oldest = self._lines.popleft()
            self._size -= len(oldest)
            self._missing += oldest.count(b"\n")
            self.dropped += oldest.count(b"\n")

    def line(self, text: str) -> None:
        """Write `text` and a newline. What UTF-8 has no bytes for is written as an escape sequence."""
        self.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def flush(self) -> None:
        """Write what can be written now."""
        try:
            while self._begun or self._lines:
                if not self._begun:
                    self._begin()
                taken = self._kernel.write_now(self._fd, self._begun)
                self._begun = self._begun[taken:]
        except BlockingIOError:
            return
        except OSError as error:
            self.error = error
            self._begun = b""
            self._lines.clear()
            self._size = 0
        if self._closing:
            self._release()

    def close(self) -> None:
        """Take no more lines. What is pending is written as it is read, then the descriptors are closed."""
        self._closing = True
        self.flush()

    def finish(self, patience: float = PATIENCE) -> str | None:
        """Close it. Wait for its reader, as long as that one goes on reading at least every `patience` seconds.

        Returns what was lost as one line, None when nothing was.
        """
        return next(iter(finish(self._kernel, (self,), patience)), None)

    def give_up(self) -> None:
        """Drop what is pending, and close the descriptors. A line that was begun stays without its end."""
        self._closing = True
        lost = self._lines if self._begins_gap else (self._begun, *self._lines)
        # What was to end without one is a line too.
        self.dropped += sum(max(part.count(b"\n"), 1) for part in lost if part)
        self._begun = b""
        self._lines.clear()
        self._size = 0
        self._release()

    def lost(self) -> str | None:
        """What its reader has missed, as one line; None when that is nothing."""
        if self.error is not None and not (self._may_leave and isinstance(self.error, BrokenPipeError)):
            return f"{self.name} ends here: {self.error.strerror}"
        if self.dropped:
            return f"{self.name}: {_counted(self.dropped)} dropped, not read in time"
        return None

    # -- inside

    def _own(self, fd: int) -> int:
        """A description of our own, without waiting: the flags of `fd` belong to all who have inherited it."""
        try:
            mode = self._kernel.fstat(fd).mode
            path = f"/proc/self/fd/{fd}"
            # To open ptmx is to make another terminal.
            if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)) or self._kernel.readlink(path).endswith("/ptmx"):
                return fd
            own = self._kernel.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return fd  # Of another user, without a reader, or without /proc: `write_now` does not wait either.
        self._mine.append(own)
        return own

    def _begin(self) -> None:
        """Begin the next line, or the one that tells of a gap, which is always in front of the oldest that is kept."""
        self._begins_gap = self._missing > 0
        if self._missing:
            self._begun = self._gap(self._missing).encode("utf-8", "backslashreplace") + b"\n"
            self._missing = 0
            return
        pieces = [self._lines.popleft()]
        size = len(pieces[0])
        while self._lines and size + len(self._lines[0]) <= _AT_ONCE:
            pieces.append(self._lines.popleft())
            size += len(pieces[-1])
        self._size -= size
        self._begun = b"".join(pieces)

    def _release(self) -> None:
        for fd in self._mine:
            with suppress(OSError):
                self._kernel.close(fd)
        self._mine, self._watch = [], None


class Outlets:
    """Waits as `kernel` does, and writes meanwhile what its outlets have pending."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._outlets: list[Outlet] = []

    def __enter__(self) -> Outlets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def add(self, outlet: Outlet) -> Outlet:
        """Take `outlet` in. Those that are closed and lost nothing are forgotten."""
        self._outlets = [*(each for each in self._outlets if not each.closed or each.lost()), outlet]
        return outlet

    def standard(self, stream: TextIO, gap: Callable[[int], str] = gap_line, *, limit: int = LIMIT) -> Outlet:
        """One for sys.stdout or sys.stderr. One that takes nothing where `stream` has no descriptor."""
        fd = -1
        with suppress(OSError, ValueError):
            stream.flush()
            fd = stream.fileno()
        name = {1: "stdout", 2: "stderr"}.get(fd, "the output")
        outlet = Outlet(self.kernel, fd, limit=limit, gap=gap, name=name, may_leave=True)
        if fd < 0:
            outlet.error = BrokenPipeError(EPIPE, "there is no such descriptor")
        return self.add(outlet)

    def monotonic(self) -> float:
        return self.kernel.monotonic()

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        waiting = {fd: outlet for outlet in self._outlets if (fd := outlet.fileno()) is not None}
        if not waiting:
            return self.kernel.poll(fds, timeout)
        ready = self.kernel.poll({*fds, *waiting}, timeout)
        for fd, _ in ready:
            if fd in waiting:
                waiting[fd].flush()
        return [(fd, events) for fd, events in ready if fd not in waiting]

    def lost(self) -> list[str]:
        """What was lost so far, a line for each outlet."""
        return [lost for outlet in self._outlets if (lost := outlet.lost()) is not None]

    def finish(self, patience: float = PATIENCE) -> None:
        """Close them all, as `finish` does, and report on stderr what was lost, unless nobody reads that either."""
        lost = finish(self.kernel, self._outlets, patience)
        self._outlets = []
        if lost:
            stderr = Outlet(self.kernel, 2)
            for line in lost:
                stderr.line(f"scxlife: warning: {line}")
            stderr.give_up()


def finish(kernel: Kernel, outlets: Iterable[Outlet], patience: float = PATIENCE) -> list[str]:
    """Close `outlets`. Wait for their readers, as long as one of them goes on reading at least every `patience`
    seconds. Returns what was lost, a line for each outlet. Raises nothing but what interrupts the wait."""
    outlets = tuple(outlets)
    for outlet in outlets:
        outlet.close()
    end = kernel.monotonic() + patience
    while waiting := {fd: outlet for outlet in outlets if (fd := outlet.fileno()) is not None}:
        left = end - kernel.monotonic()
        if left <= 0:
            break
        try:
            ready = kernel.poll(waiting, left)
        except OSError:
            # No memory to wait with: what can't be waited for is dropped.
            break
        for fd, _ in ready:
            before = waiting[fd].pending
            waiting[fd].flush()
            if waiting[fd].pending < before:
                end = kernel.monotonic() + patience
    for outlet in outlets:
        outlet.give_up()
    return [lost for outlet in outlets if (lost := outlet.lost()) is not None]

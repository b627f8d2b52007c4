"""A pipe or a terminal that the supervisor writes to, and its reader: pipe(7), termios(3)."""

from __future__ import annotations

import errno
import os
import select
import stat

from scxlife.platform.kernel import FileStat

from .clock import Clock, nanoseconds
from .descriptors import Description, fail
from .nodes import Node

# So many bytes are written together or not at all, and a pipe without room for them is full for poll(2).
_ATOMIC = 4096


class Pipe(Node):
    """`capacity` bytes fit in. Its reader takes up to `at_once` bytes `every` so many seconds, as long as it is
    `reading` and not `gone`. What it took is `received`. A terminal takes a part of a write, a pipe all of a small one.
    """

    def __init__(self, clock: Clock, *, capacity: int, every: float, at_once: int, terminal: bool = False) -> None:
        super().__init__(ino=77)
        self.mode = (stat.S_IFCHR if terminal else stat.S_IFIFO) | 0o600
        self.terminal = terminal
        self.reading = True
        self.gone = False
        self.received = bytearray()
        self.unread = bytearray()
        self.reads = 0
        self._clock = clock
        self._capacity = capacity
        self._every = nanoseconds(every)
        self._at_once = at_once
        self._due = False

    @property
    def writable(self) -> bool:
        """Whether poll(2) finds room, or that there is no reader any more."""
        return self.gone or self._capacity - len(self.unread) >= (1 if self.terminal else min(_ATOMIC, self._capacity))

    def take(self, data: bytes) -> int:
        """How many bytes fit in now. EPIPE."""
        if self.gone:
            fail(errno.EIO if self.terminal else errno.EPIPE)
        room = self._capacity - len(self.unread)
        if not self.terminal and room < len(data) <= _ATOMIC:
            return 0
        part = data[:room]
        self.unread += part
        self._expect()
        return len(part)

    def stall(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True
        self._expect()

    def close(self) -> None:
        """Its reader goes away."""
        self.gone = True

    def open(self, flags: int) -> Description:
        return PipeEnd(self, waits=not flags & os.O_NONBLOCK)

    def _expect(self) -> None:
        if self.unread and self.reading and not self._due:
            self._due = True
            self._clock.after(self._every, self._read)

    def _read(self) -> None:
        self._due = False
        if self.reading and not self.gone:
            self.reads += 1
            self.received += self.unread[: self._at_once]
            del self.unread[: self._at_once]
            self._expect()


class PipeEnd(Description):
    """The end that is written to. `waits`: a write that does not fit in waits until it does."""

    name = "pipe:[77]"

    def __init__(self, pipe: Pipe, *, waits: bool) -> None:
        self.node = pipe
        self.pipe = pipe
        self.waits = waits

    def poll(self) -> int:
        # Nobody polls it for reading; poll(2) reports the lost reader all the same.
        return select.POLLERR if self.pipe.gone else 0

    def write(self, data: bytes) -> int:
        taken = self.pipe.take(data)
        if not taken and data:
            fail(errno.EAGAIN)
        return taken

    def stat(self) -> FileStat:
        return self.pipe.stat()


class Writable(Description):
    """An epoll descriptor that is readable while something can be written."""

    name = "anon_inode:[eventpoll]"

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe

    def poll(self) -> int:
        return select.POLLIN if self.pipe.writable else 0

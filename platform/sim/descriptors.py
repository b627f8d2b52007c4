"""Descriptors of one process: the lowest free number, a limit, and what stands behind each."""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING, NoReturn

from scxlife.platform.kernel import FileStat

if TYPE_CHECKING:
    from .nodes import Node


def fail(number: int, path: str | None = None) -> NoReturn:
    raise OSError(number, os.strerror(number), path)


class Description:
    """An open file. What a kind of file can't do fails as it does on Linux."""

    #: What readlink(2) of /proc/PID/fd/N says.
    name = "anon_inode:[nothing]"
    #: What stat(2) or an inotify watch of that path reaches.
    node: Node | None = None

    def poll(self) -> int:
        """What poll(2) finds: a regular file is always ready."""
        return select.POLLIN

    def read(self, size: int) -> bytes:
        fail(errno.EINVAL)

    def pread(self, size: int, offset: int) -> bytes:
        fail(errno.ESPIPE)

    def write(self, data: bytes) -> int:
        fail(errno.EINVAL)

    def seek(self, offset: int, whence: int) -> int:
        fail(errno.ESPIPE)

    def punch(self, length: int) -> None:
        fail(errno.EOPNOTSUPP)

    def stat(self) -> FileStat:
        return FileStat(ino=1, dev=0, mode=0o600, size=0, mtime_ns=0)

    def fdinfo(self) -> str:
        return "pos:\t0\nflags:\t02000002\n"

    def close(self) -> None:
        """The last descriptor of it was closed."""


class Descriptors:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open: dict[int, Description] = {}

    def install(self, description: Description) -> int:
        open_now = self.open
        fd = 0
        while fd in open_now:
            fd += 1
        if fd >= self.limit:
            description.close()
            fail(errno.EMFILE)
        open_now[fd] = description
        return fd

    def __getitem__(self, fd: int) -> Description:
        try:
            return self.open[fd]
        except KeyError:
            fail(errno.EBADF)

    def close(self, fd: int) -> None:
        self[fd].close()
        del self.open[fd]

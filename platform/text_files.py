"""Small files, whole: those of text that a kernel makes as they are read, and those that somebody wrote for us."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kernel import Kernel

_CHUNK = 65536
#: Bytes that a file may have which somebody wrote for us.
LARGEST = 1 << 20


def lines(kernel: Kernel, path: str) -> list[str]:
    """The whole file. Raises OSError."""
    fd = kernel.open(path, os.O_RDONLY)
    try:
        whole = bytearray()
        while part := kernel.read(fd, _CHUNK):
            whole += part
        return whole.decode("utf-8", "replace").splitlines()
    finally:
        kernel.close(fd)


def small_file(kernel: Kernel, path: str, limit: int = LARGEST) -> bytes:
    """The whole of a regular file of at most `limit` bytes. Raises OSError, also for anything else that lies there: a
    FIFO is not waited for, and no device is read."""
    fd = kernel.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = kernel.fstat(fd).mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        whole = bytearray()
        while len(whole) <= limit and (part := kernel.read(fd, _CHUNK)):
            whole += part
        if len(whole) > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit} bytes", path)
        return bytes(whole)
    finally:
        kernel.close(fd)

"""Files that somebody else wrote: none is waited for when it is opened, and none is read without a bound."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO


def open_to_read(path: str) -> BinaryIO:
    """The file, or the pipe, at `path`. Raises OSError, also for a folder and a device. A FIFO that nobody writes to
    is empty."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in the path
        raise OSError(0, str(error)) from None
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(0, "it is a directory")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(0, "it is neither a file nor a pipe")
        os.set_blocking(fd, True)
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read_bounded(path: str, limit: int) -> bytes:
    """The bytes of a file, at most one more than `limit`. Raises OSError as `open_to_read` does."""
    with open_to_read(path) as file:
        return file.read(limit + 1)

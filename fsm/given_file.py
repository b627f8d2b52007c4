"""Files that a user names, opened so that none of them keeps the reader waiting for ever."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO


def open_given(path: str) -> BinaryIO:
    """The file or pipe at `path`, for reading. Raises OSError for a folder and a device.

    Opening never waits: a pipe that nobody writes to is an empty one.
    """
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

"""Descriptors 0 to 2 of a process whose starter gave it none."""

from __future__ import annotations

import errno
import os

NULL = "/dev/null"


def open_standard_descriptors(null: str = NULL) -> list[int]:
    """Open `null` in place of each of 0, 1 and 2 that is closed, so that no later open lands there and has the words
    of others written into it. Returns which they were. Raises OSError when there is no `null`.

    The kernel starts init without them where it finds no console: console_on_rootfs in init/main.c.
    """
    closed = [fd for fd in range(3) if not _is_open(fd)]
    for fd in closed:
        # The lowest free number, and those below it are open: it is `fd` itself.
        got = os.open(null, os.O_RDWR)
        assert got == fd
    return closed


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        return False
    return True

"""The scheduler's log: one file for its stdout and stderr, made safely, read only by its end."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel

TAIL_BYTES = 16 * 1024
TAIL_LINES = 40
PAGE = 4096


@attrs.frozen
class Log:
    """An open log. `lost` says why the words of the process go to /dev/null instead; what is not `readable`, such as
    a terminal, has no end to read. `owned`: it is closed with the run."""

    fd: int
    path: str | None
    lost: str | None = None
    readable: bool = True
    owned: bool = True


def open_log(kernel: Kernel, path: str) -> Log:
    """Make the log anew at `path`, never through a link. When that fails, /dev/null and the reason."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_NOCTTY
    try:
        fd = kernel.open(path, flags)
    except OSError as error:
        return _no_log(kernel, f"{path}: {_errno_name(error)}: {error.strerror}")
    try:
        mode = kernel.fstat(fd).mode
    except OSError as error:
        kernel.close(fd)
        return _no_log(kernel, f"{path}: {_errno_name(error)}: {error.strerror}")
    if stat.S_ISFIFO(mode):
        kernel.close(fd)
        return _no_log(kernel, f"{path}: it is a FIFO, which would block the process when nobody reads it")
    return Log(fd, path, readable=stat.S_ISREG(mode))


def _no_log(kernel: Kernel, why: str) -> Log:
    return Log(kernel.open("/dev/null", os.O_RDWR), None, why, readable=False)


def trim(kernel: Kernel, fd: int, length: int) -> int:
    """Give up the first `length` bytes, rounded down to whole pages, and tell how many those are. Their place stays
    empty, so whoever appends is not disturbed. Raises OSError."""
    whole = length - length % PAGE
    if whole > 0:
        kernel.punch_hole(fd, whole)
    return max(whole, 0)


def tail(kernel: Kernel, log: Log, dropped: int = 0) -> str:
    """The last lines of the log, at most TAIL_BYTES of it, whatever bytes it holds, and none of the first `dropped`.
    Nothing where it can't be read: what has become of the run is told all the same."""
    if not log.readable:
        return ""
    try:
        start = max(dropped, kernel.fstat(log.fd).size - TAIL_BYTES)
        text = kernel.pread(log.fd, TAIL_BYTES, start).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = text.splitlines()
    if start:
        lines = lines[1:]
    return "\n".join(lines[-TAIL_LINES:])


def _errno_name(error: OSError) -> str:
    from errno import errorcode

    return errorcode.get(error.errno or 0, str(error.errno))

"""The scheduler's log: one file for its stdout and stderr, made safely, read only by its end."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.platform.kernel import Kernel

TAIL_BYTES = 16 * 1024
TAIL_LINES = 40
PAGE = 4096
# A log is searched whole up to twice this many bytes; of a larger one, this many at either end.
SEARCHED = 8 * 1024 * 1024
PIECE = 256 * 1024
# Bytes of a log that are passed on at once, and at most ahead of what was passed on.
AT_ONCE = 512 * 1024
BEHIND = 4 * 1024 * 1024
OVERLAP = 4 * 1024  # bytes that a piece shares with the next one: what is looked for is shorter


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
    """The last lines of the log: at most TAIL_LINES and TAIL_BYTES, and none of the first `dropped` bytes.

    Undecodable bytes are replaced. A first line without its beginning is left out unless it is the only one. Empty
    when the log can't be read: the outcome is told all the same.
    """
    if not log.readable:
        return ""
    try:
        start = max(dropped, kernel.fstat(log.fd).size - TAIL_BYTES)
        text = kernel.pread(log.fd, TAIL_BYTES, start).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = text.splitlines()
    if start and len(lines) > 1:
        lines = lines[1:]
    return "\n".join(lines[-TAIL_LINES:])


class Follower:
    """Passes on to `take` what is appended to the file `fd`, in the order in which it is.

    What is more than BEHIND bytes ahead is passed over, and a line in its place says so. A file that
    can't be read gives nothing.
    """

    def __init__(self, kernel: Kernel, fd: int, take: Callable[[bytes], object]) -> None:
        self._kernel = kernel
        self._fd = fd
        self._take = take
        self._offset = 0

    def step(self) -> bool:
        """Pass on at most AT_ONCE bytes. Whether there are more now."""
        try:
            size = self._kernel.fstat(self._fd).size
            passed_over = max(0, size - BEHIND - self._offset)
            begin = self._offset + passed_over
            data = self._kernel.pread(self._fd, min(AT_ONCE, max(0, size - begin)), begin)
        except OSError:
            return False
        self._offset = begin
        if passed_over:
            self._take(f"\n[scxlife: {passed_over} bytes were passed over here]\n".encode())
        if data:
            self._offset += len(data)
            self._take(data)
        return bool(data) and self._offset < size


def pieces(size: int, start: int = 0) -> list[tuple[int, int]]:
    """What is searched of a log of `size` bytes, as offsets and lengths, without the first `start` bytes.

    Each piece has OVERLAP bytes of the next one. Between the two ends of a log that is too large nothing is shared.
    """
    if size - start <= 2 * SEARCHED:
        stretches = [(start, size)]
    else:
        stretches = [(start, start + SEARCHED), (size - SEARCHED, size)]
    return [
        (offset, min(PIECE + OVERLAP, end - offset)) for begin, end in stretches for offset in range(begin, end, PIECE)
    ]


def _errno_name(error: OSError) -> str:
    from errno import errorcode

    return errorcode.get(error.errno or 0, str(error.errno))

"""A file for what a run produces, proven writable before the run begins."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from .destinations import STDOUT, inherited
from .outlet import Outlet
from .usage import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from .outlet import Outlets

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
}


def kind(mode: int) -> str:
    """What a file that is not a regular one is, in words."""
    return _KINDS.get(stat.S_IFMT(mode), "no regular file")


class KeptFile:
    """The regular file at `path`, which `option` of the command line named; None keeps nothing.

    What it holds stays until the first `add` or `write`. A file that was made and never written is removed. Of what is
    added, the last `limit` bytes at least are kept, None keeps all. `-`, /dev/stdout and
    /dev/fd/N are written to through `outlets`. Raises UsageError when it can't be written: a folder that is missing, a
    symbolic link, a FIFO, a device.
    """

    def __init__(self, option: str, path: str | None, outlets: Outlets, limit: int | None = None) -> None:
        self._option = option
        self._path = path
        self._made = False
        self._outlets = outlets
        self._limit = limit
        self._size: int | None = None
        self._error: OSError | None = None
        self._lost = 0
        self._outlet: Outlet | None = None
        self._inherited = None if path is None else STDOUT if path == "-" else inherited(option, path)
        self._fd = None if path is None or self._inherited is not None else self._opened(path)

    @property
    def on_stdout(self) -> bool:
        """Whether it is our standard output."""
        return self._inherited == STDOUT

    @property
    def pending(self) -> int:
        """Bytes that their reader has not taken yet."""
        return 0 if self._outlet is None else self._outlet.pending

    def _opened(self, path: str) -> int:
        try:
            try:
                fd = os.open(path, _FLAGS | os.O_EXCL, 0o666)
                self._made = True
            except FileExistsError:
                fd = os.open(path, _FLAGS, 0o666)
        except OSError as error:
            hint = "name a file in a folder that is there and can be written"
            if error.errno == errno.ELOOP:
                raise UsageError(f"{self._option} {path}: it is a symbolic link", "name the file itself") from None
            # ENXIO: a FIFO that nobody reads, or a socket.
            if error.errno == errno.ENXIO:
                raise self._not_regular(path, os.lstat(path).st_mode) from None
            raise UsageError(f"{self._option} {path}: {error.strerror}", hint) from None
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            raise self._not_regular(path, mode)
        return fd

    def _not_regular(self, path: str, mode: int) -> UsageError:
        return UsageError(f"{self._option} {path}: it is {kind(mode)}", "name a regular file")

    def add(self, data: bytes) -> None:
        """Write `data` behind what was written before. A failure is told by `write`."""
        if self._inherited is not None and data:
            if self._outlet is None:
                name = f"{self._option} {self._path}"
                self._outlet = self._outlets.add(Outlet(self._outlets.kernel, self._inherited, name=name))
            self._outlet.write(data)
        if self._fd is None:
            return
        if self._error is not None:
            self._lost += len(data)
            return
        rest = memoryview(data)
        try:
            if self._size is None:
                os.ftruncate(self._fd, 0)
                self._size = 0
            if self._limit is not None and self._size > 2 * self._limit:
                self._keep_end(self._fd, self._limit)
            while rest:
                taken = os.pwrite(self._fd, rest, self._size)
                self._size += taken
                rest = rest[taken:]
        except OSError as error:
            self._error = error
            self._lost += len(rest)

    def write(self, data: bytes = b"") -> str | None:
        """Write the last of it. Returns why anything is missing, as one line; None when all was written."""
        self.add(data)
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                if self._limit is not None and self._size is not None and self._size > self._limit:
                    self._keep_end(fd, self._limit)
                os.close(fd)
            except OSError as error:
                self._error = self._error or error
        if self._error is None:
            return None
        return f"{self._option} {self._path} lacks its last {self._lost} bytes: {self._error.strerror}"

    def _keep_end(self, fd: int, limit: int) -> None:
        size = self._size or 0
        end = os.pread(fd, limit, size - limit)
        # Written before the rest goes: whatever ends us in between, the end is in the file.
        self._size = 0
        while self._size < len(end):
            self._size += os.pwrite(fd, end[self._size :], self._size)
        os.ftruncate(fd, self._size)

    def __enter__(self) -> KeptFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is None or self._path is None:
            return
        fd, self._fd = self._fd, None
        try:
            if self._made and self._size is None and os.path.samestat(os.lstat(self._path), os.fstat(fd)):
                Path(self._path).unlink()
        except OSError:
            return
        finally:
            os.close(fd)

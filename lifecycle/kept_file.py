"""A file that is written whole at the end of a run, and proven writable before the run begins."""

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

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
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

    What it holds stays until `write`. A file that was made and never written is removed. `-`, /dev/stdout and
    /dev/fd/N are written to through `outlets`. Raises UsageError when it can't be written: a folder that is missing, a
    symbolic link, a FIFO, a device.
    """

    def __init__(self, option: str, path: str | None, outlets: Outlets) -> None:
        self._option = option
        self._path = path
        self._made = False
        self._outlets = outlets
        self._inherited = None if path is None else STDOUT if path == "-" else inherited(option, path)
        self._fd = None if path is None or self._inherited is not None else self._opened(path)

    @property
    def on_stdout(self) -> bool:
        """Whether it is our standard output."""
        return self._inherited == STDOUT

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

    def write(self, data: bytes) -> str | None:
        """Replace its content. Returns why that failed, as one line; None when all was written."""
        if self._inherited is not None and data:
            outlet = Outlet(self._outlets.kernel, self._inherited, name=f"{self._option} {self._path}")
            self._outlets.add(outlet).write(data)
        if self._fd is None:
            return None
        fd, self._fd = self._fd, None
        rest = memoryview(data)
        try:
            try:
                os.ftruncate(fd, 0)
                while rest:
                    rest = rest[os.write(fd, rest) :]
            finally:
                os.close(fd)
        except OSError as error:
            return f"{self._option} {self._path} lacks its last {len(rest)} bytes: {error.strerror}"
        return None

    def __enter__(self) -> KeptFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is None or self._path is None:
            return
        fd, self._fd = self._fd, None
        try:
            if self._made and os.path.samestat(os.lstat(self._path), os.fstat(fd)):
                Path(self._path).unlink()
        except OSError:
            return
        finally:
            os.close(fd)

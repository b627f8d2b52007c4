"""Unpacks a cpio archive ("newc", as ``cpio`` writes it) at the root, as the kernel unpacks an initramfs: a file takes
the place of what has its name, and is never written through a link.

For PID 1, which believes its host: the archive comes in the orders for the run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress

_HEADER = 110
_MAGIC = b"070701"
_TRAILER = b"TRAILER!!!"


def unpack(read: Callable[[int], bytes], root: str = "/") -> None:
    """Unpack below ``root`` what ``read`` gives: at most so many bytes, none at the end. Raises OSError, EOFError when
    it ends too soon, ValueError when it is no such archive."""
    while True:
        header = _exactly(read, _HEADER)
        if not header.startswith(_MAGIC):
            raise ValueError(f"no header of an archive: {header[:6]!r}")
        mode, size, length = (int(header[at : at + 8], 16) for at in (14, 54, 94))
        name = _exactly(read, length + -(_HEADER + length) % 4)[: length - 1]
        if name == _TRAILER:
            return
        path = root + os.fsdecode(name)
        if stat.S_ISDIR(mode):
            with suppress(FileExistsError):
                os.mkdir(path)  # noqa: PTH102
            os.chmod(path, stat.S_IMODE(mode))  # noqa: PTH101
        elif stat.S_ISREG(mode):
            _write(read, path, size, stat.S_IMODE(mode))
        elif stat.S_ISLNK(mode):
            os.symlink(os.fsdecode(_exactly(read, size)), path)  # noqa: PTH211
        else:
            raise ValueError(f"{path}: of a kind that no run brings")
        _exactly(read, -size % 4)


def _write(read: Callable[[int], bytes], path: str, size: int, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        file = os.open(path, flags, mode)
    except FileExistsError:
        os.unlink(path)  # noqa: PTH108
        file = os.open(path, flags, mode)
    try:
        os.fchmod(file, mode)
        while size:
            data = read(size)
            if not data:
                raise EOFError(f"{path}: {size} bytes are missing")
            size -= len(data)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    found = b""
    while len(found) < size:
        data = read(size - len(found))
        if not data:
            raise EOFError("the archive ends too soon")
        found += data
    return found

"""Writes cpio archives in the "newc" format that the kernel unpacks as an initramfs.

The format is in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Archives are deterministic:
no times, no owners, inode numbers count up. Each archive ends on a 4-byte border, so archives may be concatenated.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable
from typing import BinaryIO

_TRAILER = "TRAILER!!!"


class CpioWriter:
    """Writes one archive to ``sink``. Parents are written by the caller, before their children.

    Paths are relative or absolute, without ``..``; the kernel unpacks both at the root. Raises what ``sink`` raises.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._inode = 0

    def directory(self, path: str, mode: int = 0o755) -> None:
        self._entry(path, stat.S_IFDIR | mode, b"", links=2)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._entry(path, stat.S_IFREG | mode, data)

    def symlink(self, path: str, target: str) -> None:
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def char_device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        self._entry(path, stat.S_IFCHR | mode, b"", device=(major, minor))

    def close(self) -> None:
        """Writes the trailer. The sink stays open."""
        self._entry(_TRAILER, 0, b"")

    def _entry(self, path: str, mode: int, data: bytes, *, links: int = 1, device: tuple[int, int] = (0, 0)) -> None:
        name = os.fsencode(path.strip("/")) + b"\0"
        # Numbers repeat across concatenated archives. The kernel looks at them for hard links only, and there are none.
        self._inode += 1
        fields = (
            self._inode,
            mode,
            0,  # uid
            0,  # gid
            links,
            0,  # mtime
            len(data),
            0,  # device that holds the file, major and minor
            0,
            device[0],
            device[1],
            len(name),
            0,  # checksum: none in "newc"
        )
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._sink.write(_padded(header + name))
        self._sink.write(_padded(data))


class Tree:
    """The entries of one archive, collected in any order and written sorted, parents first: the same bytes each time.

    Paths are absolute. A later entry replaces an earlier one of the same path; missing parents are added.
    """

    def __init__(self) -> None:
        self._write: dict[str, Callable[[CpioWriter, str], None]] = {}

    def directory(self, path: str, mode: int = 0o755) -> None:
        self._add(path, lambda archive, at: archive.directory(at, mode))

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._add(path, lambda archive, at: archive.file(at, data, mode))

    def deferred_file(self, path: str, read: Callable[[], bytes], mode: int) -> None:
        """A file whose contents ``read`` gives when the tree is written, if it ever is."""
        self._add(path, lambda archive, at: archive.file(at, read(), mode))

    def symlink(self, path: str, target: str) -> None:
        self._add(path, lambda archive, at: archive.symlink(at, target))

    def char_device(self, path: str, major: int, minor: int, mode: int) -> None:
        self._add(path, lambda archive, at: archive.char_device(at, major, minor, mode))

    def write(self, sink: BinaryIO) -> None:
        """Writes the archive."""
        archive = CpioWriter(sink)
        for path in sorted(self._write):
            self._write[path](archive, path)
        archive.close()

    def _add(self, path: str, write: Callable[[CpioWriter, str], None]) -> None:
        parent = posixpath.dirname(path)
        if parent != "/" and parent not in self._write:
            self.directory(parent)
        self._write[path] = write


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

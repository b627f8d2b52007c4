"""What a path can lead to: folders, files, links, devices, and texts that the kernel makes up when they are read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from scxlife.platform.kernel import FileStat
from scxlife.platform.sources import inotify

from .clock import MILLISECOND, SECOND, Clock
from .descriptors import Description, fail

if TYPE_CHECKING:
    from .inotify import Watch
    from .program import Program

# CLOCK_REALTIME at boot, and the tick by which a file system notes its times.
_WALL = 1_700_000_000 * SECOND
_TICK = 4 * MILLISECOND
_LINKS_AT_MOST = 40


class Node:
    """Something in a file system. `watches` are inotify's."""

    mode = 0
    dev = 0
    uid = 0

    def __init__(self, ino: int = 1) -> None:
        self.ino = ino
        self.watches: list[Watch] = []

    def lookup(self, name: str) -> Node:
        fail(errno.ENOTDIR)

    def names(self) -> list[str]:
        fail(errno.ENOTDIR)

    def make_folder(self, name: str) -> None:
        fail(errno.EPERM)

    def remove_folder(self, name: str) -> None:
        fail(errno.EPERM)

    def unlink(self, name: str) -> None:
        fail(errno.EPERM)

    def open(self, flags: int) -> Description:
        fail(errno.EACCES)

    def stat(self) -> FileStat:
        return FileStat(ino=self.ino, dev=self.dev, mode=self.mode, size=0, mtime_ns=0, uid=self.uid)

    def notify(self, mask: int, name: str = "") -> None:
        for watch in list(self.watches):
            watch.notify(mask, name)


class Disk:
    """One file system: numbers for its inodes, room, and whether it may be written to."""

    def __init__(self, clock: Clock, dev: int) -> None:
        self.clock = clock
        self.dev = dev
        self.full = False
        self.read_only = False
        self._inos = 1

    def new_ino(self) -> int:
        self._inos += 1
        return self._inos

    def now(self) -> int:
        return _WALL + self.clock.now // _TICK * _TICK

    def check_writable(self) -> None:
        if self.read_only:
            fail(errno.EROFS)
        if self.full:
            fail(errno.ENOSPC)


class Folder(Node):
    mode = stat.S_IFDIR | 0o755

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.new_ino())
        self.dev = disk.dev
        self.disk = disk
        self.entries: dict[str, Node] = {}

    def lookup(self, name: str) -> Node:
        node = self.entries.get(name)
        if node is None:
            fail(errno.ENOENT)
        return node

    def names(self) -> list[str]:
        return list(self.entries)

    def open(self, flags: int) -> Description:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            fail(errno.EISDIR)
        return Description()

    def stat(self) -> FileStat:
        return FileStat(ino=self.ino, dev=self.dev, mode=self.mode, size=4096, mtime_ns=0)

    def make_file(self, name: str, mode: int = 0o600) -> File:
        self.disk.check_writable()
        file = self.entries[name] = File(self.disk, mode)
        self.notify(inotify.IN_CREATE, name)
        return file

    def make_folder(self, name: str) -> None:
        if name in self.entries:
            fail(errno.EEXIST)
        self.disk.check_writable()
        self.entries[name] = Folder(self.disk)
        self.notify(inotify.IN_CREATE, name)

    def remove_folder(self, name: str) -> None:
        if self.lookup(name).names():
            fail(errno.ENOTEMPTY)
        del self.entries[name]

    def unlink(self, name: str) -> None:
        node = self.lookup(name)
        if stat.S_ISDIR(node.mode):
            fail(errno.EISDIR)
        if self.disk.read_only:
            fail(errno.EROFS)
        del self.entries[name]
        self.notify(inotify.IN_DELETE, name)


class File(Node):
    """A regular file; `program` is what it does when it is executed, None for what can't be."""

    def __init__(self, disk: Disk, mode: int) -> None:
        super().__init__(disk.new_ino())
        self.dev = disk.dev
        self.mode = stat.S_IFREG | mode
        self.disk = disk
        self.data = bytearray()
        self.mtime = disk.now()
        self.program: Program | None = None

    def open(self, flags: int) -> Description:
        if flags & os.O_ACCMODE != os.O_RDONLY and self.disk.read_only:
            fail(errno.EROFS)
        if flags & os.O_TRUNC:
            self.data.clear()
            self.mtime = self.disk.now()
        return _OpenFile(self, flags)

    def stat(self) -> FileStat:
        return FileStat(ino=self.ino, dev=self.dev, mode=self.mode, size=len(self.data), mtime_ns=self.mtime)

    def append(self, data: bytes) -> int:
        self.disk.check_writable()
        self.data += data
        self.mtime = self.disk.now()
        self.notify(inotify.IN_MODIFY)
        return len(data)


class _OpenFile(Description):
    def __init__(self, file: File, flags: int) -> None:
        self.name = f"file:[{file.ino}]"
        self.node = file
        self._file = file
        self._flags = flags
        self._position = 0

    def read(self, size: int) -> bytes:
        part = bytes(self._file.data[self._position : self._position + size])
        self._position += len(part)
        return part

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self._file.data[offset : offset + size])

    def write(self, data: bytes) -> int:
        # Whoever writes here appends: nobody in this world opens a file without O_APPEND to write to it twice.
        if self._flags & os.O_ACCMODE == os.O_RDONLY:
            fail(errno.EBADF)
        return self._file.append(data)

    def seek(self, offset: int, whence: int) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._file.data)}[whence]
        self._position = base + offset
        return self._position

    def stat(self) -> FileStat:
        return self._file.stat()

    def punch(self, length: int) -> None:
        self._file.data[:length] = bytes(min(length, len(self._file.data)))


class SymbolicLink(Node):
    mode = stat.S_IFLNK | 0o777

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target


class MagicLink(SymbolicLink):
    """A link in /proc/PID/fd: it leads to what is open, whatever its text says."""

    def __init__(self, target: str, node: Node) -> None:
        super().__init__(target)
        self.node = node


class Device(Node):
    """A character device. As it is here: /dev/null."""

    mode = stat.S_IFCHR | 0o666

    def open(self, flags: int) -> Description:
        return _OpenNull()


class _OpenNull(Description):
    name = "/dev/null"

    def read(self, size: int) -> bytes:
        return b""

    def pread(self, size: int, offset: int) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        return len(data)

    def stat(self) -> FileStat:
        return FileStat(ino=1, dev=0, mode=Device.mode, size=0, mtime_ns=0)


class Text(Node):
    """A file whose text is made when it is read from its beginning. `content` raises what such a read fails with."""

    mode = stat.S_IFREG | 0o444

    def __init__(self, content: Callable[[], str], ino: int = 1) -> None:
        super().__init__(ino)
        self.content = content

    def open(self, flags: int) -> Description:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            fail(errno.EACCES)
        return _OpenText(self.content)


class _OpenText(Description):
    def __init__(self, content: Callable[[], str]) -> None:
        self._content = content
        self._text: bytes | None = None
        self._position = 0

    def read(self, size: int) -> bytes:
        if self._text is None:
            self._text = self._content().encode()
        part = self._text[self._position : self._position + size]
        self._position += len(part)
        return part

    def pread(self, size: int, offset: int) -> bytes:
        return self._content().encode()[offset : offset + size]

    def seek(self, offset: int, whence: int) -> int:
        self._text, self._position = None, offset
        return offset


class MadeUp(Node):
    """A folder that the kernel makes up: `find` gives what bears a name now, None when nothing does."""

    mode = stat.S_IFDIR | 0o555

    def __init__(self, find: Callable[[str], Node | None], listing: Callable[[], list[str]], ino: int = 1) -> None:
        super().__init__(ino)
        self._find = find
        self._listing = listing

    def lookup(self, name: str) -> Node:
        node = self._find(name)
        if node is None:
            fail(errno.ENOENT)
        return node

    def names(self) -> list[str]:
        return self._listing()

    def open(self, flags: int) -> Description:
        return Description()


def walk(root: Node, path: str, *, follow: bool = True) -> Node:
    """The node at `path`. ENOENT, ENOTDIR, ELOOP."""
    if not path:
        fail(errno.ENOENT, path)
    node, links = root, 0
    rest = [*_names(path)]
    while rest:
        found = node.lookup(rest.pop())
        if isinstance(found, MagicLink) and (follow or rest):
            node = found.node
        elif isinstance(found, SymbolicLink) and (follow or rest):
            links += 1
            if links > _LINKS_AT_MOST:
                fail(errno.ELOOP, path)
            rest += _names(found.target)
            if found.target.startswith("/"):
                node = root
        else:
            node = found
    return node


def parent_of(root: Node, path: str) -> tuple[Node, str]:
    """The folder that `path` is in, and its name there."""
    folder, _, name = path.rpartition("/")
    return walk(root, folder or "/"), name


@lru_cache(maxsize=4096)
def _names(path: str) -> tuple[str, ...]:
    """The last first."""
    return tuple(name for name in reversed(path.split("/")) if name and name != ".")

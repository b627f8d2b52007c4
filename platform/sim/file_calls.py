"""Files, as the port wants them."""

from __future__ import annotations

import errno
import os
import stat

from scxlife.platform.kernel import FileStat

from .caller import Caller, Stuck
from .descriptors import Description, fail
from .faults import SupervisorKilled
from .nodes import File, Folder, SymbolicLink, parent_of, walk
from .pins import PinnedLink
from .pipes import Pipe, PipeEnd, Writable

# What `write_now` writes at once.
_PIPE_PIECE, _TERMINAL_PIECE = 4096, 128


class FileCalls(Caller):
    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        self.enter("open")
        return self.install(self._opened(path, flags, mode))

    def _opened(self, path: str, flags: int, mode: int) -> Description:
        root = self.machine.root
        try:
            node = walk(root, path, follow=not flags & os.O_NOFOLLOW)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                fail(errno.ENOENT, path)
            folder, name = parent_of(root, path)
            if not isinstance(folder, Folder):
                fail(errno.EACCES, path)
            node = folder.make_file(name, mode)
        if isinstance(node, SymbolicLink):
            fail(errno.ELOOP, path)
        return node.open(flags)

    def read(self, fd: int, size: int) -> bytes:
        self.enter("read")
        return self.descriptors[fd].read(size)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        self.enter("pread")
        return self.descriptors[fd].pread(size, offset)

    def write(self, fd: int, data: bytes) -> int:
        self.enter("write")
        found = self.descriptors[fd]
        if isinstance(found, PipeEnd) and found.waits:
            return self._write_all(found.pipe, data)
        return found.write(data)

    def _write_all(self, pipe: Pipe, data: bytes) -> int:
        clock, began, left = self.clock, self.clock.now, data
        while left := left[pipe.take(left) :]:
            due = clock.next_due()
            if due is None:
                raise Stuck
            clock.advance(due)
            self.held_up += clock.now - began
            began = clock.now
            if not self.process.alive:
                raise SupervisorKilled
            if self._interrupted:
                self._interrupted = False
                raise KeyboardInterrupt
        return len(data)

    def write_now(self, fd: int, data: bytes) -> int:
        self.enter("write_now")
        found = self.descriptors[fd]
        if not isinstance(found, PipeEnd):
            return found.write(data)
        if not found.pipe.writable:
            fail(errno.EAGAIN)
        return found.write(data[: _TERMINAL_PIECE if found.pipe.terminal else _PIPE_PIECE])

    def writable_fd(self, fd: int) -> int:
        self.enter("writable_fd")
        found = self.descriptors[fd]
        if not isinstance(found, PipeEnd):
            fail(errno.EPERM)
        return self.install(Writable(found.pipe))

    def lseek(self, fd: int, offset: int, whence: int) -> int:
        self.enter("lseek")
        return self.descriptors[fd].seek(offset, whence)

    def close(self, fd: int) -> None:
        try:
            self.enter("close")
        finally:
            # Whatever it says, the descriptor is gone.
            if self.process.alive:
                self.descriptors.close(fd)

    def stat(self, path: str) -> FileStat:
        self.enter("stat")
        return self.walk(path).stat()

    def fstat(self, fd: int) -> FileStat:
        self.enter("fstat")
        return self.descriptors[fd].stat()

    def listdir(self, path: str) -> list[str]:
        self.enter("listdir")
        return self.walk(path).names()

    def readlink(self, path: str) -> str:
        self.enter("readlink")
        node = self.walk(path, follow=False)
        if not isinstance(node, SymbolicLink):
            fail(errno.EINVAL, path)
        return node.target

    def unlink(self, path: str) -> None:
        self.enter("unlink")
        folder, name = parent_of(self.machine.root, path)
        folder.unlink(name)

    def mkdir(self, path: str) -> None:
        self.enter("mkdir")
        folder, name = parent_of(self.machine.root, path)
        folder.make_folder(name)

    def rmdir(self, path: str) -> None:
        self.enter("rmdir")
        folder, name = parent_of(self.machine.root, path)
        folder.remove_folder(name)

    def punch_hole(self, fd: int, length: int) -> None:
        self.enter("punch_hole")
        self.descriptors[fd].punch(length)

    def access_execute(self, path: str) -> bool:
        try:
            node = walk(self.machine.root, path)
        except OSError:
            return False
        return isinstance(node, File) and bool(node.mode & stat.S_IXUSR)

    def bpf_pinned(self, path: str) -> int:
        self.enter("bpf_pinned")
        link = self.machine.sched_ext.pins.get(path)
        if link is None:
            fail(errno.ENOENT, path)
        return self.install(PinnedLink(self.machine.clock, link))

    def bpf_next_link(self, after: int) -> int | None:
        self.enter("bpf_next_link")
        return min((number for number in self.machine.sched_ext.link_numbers() if number > after), default=None)

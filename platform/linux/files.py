"""Files, sysfs, procfs."""

# ruff: noqa: PTH102, PTH106, PTH108, PTH115, PTH116, PTH208
# These are the system calls themselves, and pathlib is an import that PID 1 does without.

from __future__ import annotations

import os

from scxlife.platform.kernel import FileStat


class Files:
    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def read(self, fd: int, size: int) -> bytes:
        return os.read(fd, size)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        return os.pread(fd, size, offset)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def write_now(self, fd: int, data: bytes) -> int:
        from . import writing

        return writing.write_now(fd, data)

    def writable_fd(self, fd: int) -> int:
        from . import writing

        return writing.writable_fd(fd)

    def lseek(self, fd: int, offset: int, whence: int) -> int:
        return os.lseek(fd, offset, whence)

    def close(self, fd: int) -> None:
        os.close(fd)

    def stat(self, path: str) -> FileStat:
        return _file_stat(os.stat(path))

    def fstat(self, fd: int) -> FileStat:
        return _file_stat(os.fstat(fd))

    def listdir(self, path: str) -> list[str]:
        return os.listdir(path)

    def readlink(self, path: str) -> str:
        return os.readlink(path)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str) -> None:
        os.mkdir(path, 0o700)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def punch_hole(self, fd: int, length: int) -> None:
        from . import libc

        libc.punch_hole(fd, length)

    def bpf_pinned(self, path: str) -> int:
        from . import libc

        return libc.bpf_obj_get(path)

    def bpf_next_link(self, after: int) -> int | None:
        from . import libc

        return libc.bpf_link_get_next_id(after)

    def access_execute(self, path: str) -> bool:
        return os.access(path, os.X_OK, effective_ids=True)


def _file_stat(found: os.stat_result) -> FileStat:
    return FileStat(
        ino=found.st_ino,
        dev=found.st_dev,
        mode=found.st_mode,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        uid=found.st_uid,
    )

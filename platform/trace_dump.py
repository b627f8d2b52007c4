"""What the kernel writes down of a scheduler that it ejects, line by line, through its tracepoint `sched_ext_dump`.

The debug dump also goes to the scheduler itself, which may be dead by then or cut it off at exit_dump_len. The tracing
instance is our own: nobody else's tracing is touched. Documentation/trace/ftrace.rst, include/trace/events/sched_ext.h
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kernel import Kernel

TRACEFS = "/sys/kernel/tracing"
_EVENT = "events/sched_ext/sched_ext_dump/enable"
# KiB for each CPU: a dump is as long as there are runnable tasks, and is read as it comes.
_BUFFER_KIB = b"1024"


class TraceDump:
    """A probe (`platform.probe`)."""

    name = "sched_ext_dump"

    def __init__(self, kernel: Kernel, instance: str = "scxlife", tracefs: str = TRACEFS) -> None:
        self._kernel = kernel
        self._folder = f"{tracefs}/instances/{instance}"
        self._fd: int | None = None
        self._stopped = False

    def open(self) -> None:
        """Raises OSError: ENOENT without tracefs or the tracepoint."""
        with suppress(FileExistsError):
            self._kernel.mkdir(self._folder)
        try:
            self._set("buffer_size_kb", _BUFFER_KIB)
            # Readable with the first line, not when half of the buffer is full.
            self._set("buffer_percent", b"0")
            self._set(_EVENT, b"1")
            self._fd = self._kernel.open(f"{self._folder}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int | None:
        return self._fd

    def read(self, size: int) -> bytes | None:
        if self._fd is None:
            return None
        try:
            return self._kernel.read(self._fd, size) or self._nothing()
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            return self._nothing()

    def stop(self) -> None:
        self._stopped = True
        if self._fd is not None:
            self._set(_EVENT, b"0")

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.close(fd)
        with suppress(OSError):
            self._kernel.rmdir(self._folder)

    def _nothing(self) -> bytes | None:
        return None if self._stopped else b""

    def _set(self, name: str, value: bytes) -> None:
        fd = self._kernel.open(f"{self._folder}/{name}", os.O_WRONLY)
        try:
            self._kernel.write(fd, value)
        finally:
            self._kernel.close(fd)

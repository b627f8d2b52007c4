"""/dev/kmsg: a ring of records, each reader with a position of its own. Documentation/ABI/testing/dev-kmsg."""

from __future__ import annotations

import errno
import os
import select

from .clock import MICROSECOND, Clock
from .descriptors import Description
from .nodes import Device

# What the ring holds before the oldest record is overwritten.
RECORDS = 256
INFO, ERROR = 6, 3


class KernelLog:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.first = 0
        self.records: list[bytes] = []

    def say(self, text: str, priority: int = INFO) -> None:
        number = self.first + len(self.records)
        self.records.append(f"{priority},{number},{self._clock.now // MICROSECOND},-;{text}\n".encode())
        if len(self.records) > RECORDS:
            del self.records[0]
            self.first += 1


class KernelLogDevice(Device):
    def __init__(self, log: KernelLog, *, readable: bool) -> None:
        super().__init__()
        self._log = log
        self._readable = readable

    def open(self, flags: int) -> Description:
        if not self._readable:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        return _Reader(self._log)


class _Reader(Description):
    name = "/dev/kmsg"

    def __init__(self, log: KernelLog) -> None:
        self._log = log
        self._next = log.first

    def poll(self) -> int:
        return select.POLLIN if self._next < self._log.first + len(self._log.records) else 0

    def read(self, size: int) -> bytes:
        log = self._log
        if self._next < log.first:
            self._next = log.first
            raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self._next >= log.first + len(log.records):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        record = log.records[self._next - log.first]
        if len(record) > size:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._next += 1
        return record

    def seek(self, offset: int, whence: int) -> int:
        self._next = self._log.first + (len(self._log.records) if whence == os.SEEK_END else 0)
        return 0

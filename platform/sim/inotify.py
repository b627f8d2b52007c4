"""inotify(7): watches, their queue, and its overflow."""

from __future__ import annotations

import errno
import select
import struct

from scxlife.platform.sources import inotify

from .descriptors import Description, fail
from .nodes import Node

_HEADER = struct.Struct("=iIII")


class Watch:
    def __init__(self, queue: Inotify, number: int, node: Node, mask: int) -> None:
        self.number = number
        self.node = node
        self.mask = mask
        self._queue = queue

    def notify(self, mask: int, name: str) -> None:
        if mask & self.mask or mask == inotify.IN_IGNORED:
            self._queue.put(self.number, mask, name)


class Inotify(Description):
    name = "anon_inode:inotify"

    def __init__(self, room: int) -> None:
        self._room = room
        self._records: list[tuple[int, int, str]] = []
        self._watches: dict[Node, Watch] = {}

    def watch(self, node: Node, mask: int) -> int:
        watch = self._watches.get(node)
        if watch is None:
            watch = self._watches[node] = Watch(self, len(self._watches) + 1, node, mask)
            node.watches.append(watch)
        watch.mask = mask
        return watch.number

    def put(self, number: int, mask: int, name: str) -> None:
        if len(self._records) < self._room:
            # Two equal ones in a row are one.
            if not self._records or self._records[-1] != (number, mask, name):
                self._records.append((number, mask, name))
        elif self._records[-1][1] != inotify.IN_Q_OVERFLOW:
            self._records.append((-1, inotify.IN_Q_OVERFLOW, ""))

    def poll(self) -> int:
        return select.POLLIN if self._records else 0

    def read(self, size: int) -> bytes:
        if not self._records:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        whole = bytearray()
        while self._records:
            number, mask, name = self._records[0]
            padded = name.encode() + b"\0" * (16 - len(name.encode()) % 16) if name else b""
            if len(whole) + _HEADER.size + len(padded) > size:
                break
            whole += _HEADER.pack(number, mask, 0, len(padded)) + padded
            del self._records[0]
        if not whole:
            fail(errno.EINVAL)
        return bytes(whole)

    def close(self) -> None:
        for node, watch in self._watches.items():
            node.watches.remove(watch)
        self._watches.clear()

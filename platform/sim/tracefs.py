"""tracefs, as far as the dump of an ejected scheduler goes: instances, and what the tracepoint sched_ext_dump writes.

Documentation/trace/ftrace.rst
"""

from __future__ import annotations

import errno
import os
import select
import stat

from .descriptors import Description, fail
from .nodes import MadeUp, Node

MOUNT = "/sys/kernel/tracing"
_SWITCH = "sched_ext_dump"
_PIPE = "trace_pipe"


class Instance:
    """One buffer; it takes what is traced while it is switched on."""

    def __init__(self) -> None:
        self.on = False
        self.buffer = bytearray()
        self.readers = 0
        self.folder = MadeUp(self._find, lambda: ["buffer_size_kb", "buffer_percent", "events", _PIPE])

    def _find(self, name: str) -> Node | None:
        if name == "events":
            return MadeUp(lambda _: self._event(), lambda: ["sched_ext"])
        return _TraceFile(self, name) if name in self.folder.names() else None

    def _event(self) -> Node:
        def switch(name: str) -> Node | None:
            return _TraceFile(self, _SWITCH) if name == "enable" else None

        return MadeUp(lambda name: MadeUp(switch, lambda: ["enable"]) if name == _SWITCH else None, lambda: [_SWITCH])


class Instances(Node):
    mode = stat.S_IFDIR | 0o755

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, Instance] = {}

    def trace(self, text: str) -> None:
        for instance in self._made.values():
            if instance.on:
                instance.buffer += text.encode()

    def lookup(self, name: str) -> Node:
        instance = self._made.get(name)
        if instance is None:
            fail(errno.ENOENT)
        return instance.folder

    def names(self) -> list[str]:
        return list(self._made)

    def make_folder(self, name: str) -> None:
        if name in self._made:
            fail(errno.EEXIST)
        self._made[name] = Instance()

    def remove_folder(self, name: str) -> None:
        self.lookup(name)
        if self._made[name].readers:
            fail(errno.EBUSY)
        del self._made[name]


class _TraceFile(Node):
    mode = stat.S_IFREG | 0o644

    def __init__(self, instance: Instance, what: str) -> None:
        super().__init__()
        self._instance = instance
        self._what = what

    def open(self, flags: int) -> Description:
        return _OpenTraceFile(self._instance, self._what)


class _OpenTraceFile(Description):
    def __init__(self, instance: Instance, what: str) -> None:
        self.name = f"{MOUNT}/{what}"
        self._instance = instance
        self._what = what
        instance.readers += 1

    def poll(self) -> int:
        return select.POLLIN if self._what != _PIPE or self._instance.buffer else 0

    def read(self, size: int) -> bytes:
        if self._what != _PIPE:
            return b""
        buffer = self._instance.buffer
        if not buffer:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        part = bytes(buffer[:size])
        del buffer[:size]
        return part

    def write(self, data: bytes) -> int:
        if self._what == _SWITCH:
            self._instance.on = data.strip() == b"1"
        return len(data)

    def close(self) -> None:
        self._instance.readers -= 1

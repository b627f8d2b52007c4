"""Reads a guest's serial console: lines out of any bytes, the last of them kept, and the kernel's last words found.

The console is evidence of how a run failed, never of success: anything in the guest can write to it.
"""

from __future__ import annotations

import re
from collections import deque

import attrs

from scxlife.platform.vm.image import INCOMPLETE

TAIL_LINES = 40
#: Bytes. A line without an end is cut here, so that it can't fill the host's memory.
LINE_LIMIT = 4096

# kernel/panic.c
_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
# kernel/exit.c: "Attempted to kill init! exitcode=0x%08x"
_INIT_DIED = re.compile(r"Attempted to kill init! exitcode=0x([0-9a-f]+)")
# mm/oom_kill.c; init/initramfs.c; and PID 1 itself, when the archive's last entry is missing.
_NO_MEMORY = re.compile(
    rf"Out of memory: Killed|System is deadlocked on memory|Out of memory \(|[Oo]ut of memory and no killable"
    rf"|Initramfs unpacking failed: write error|{re.escape(INCOMPLETE)}"
)


@attrs.frozen
class Panic:
    """What followed "not syncing:", and PID 1's wait status when its end was the cause."""

    message: str
    init_status: int | None


class Console:
    """Takes the bytes of a serial console. What is not UTF-8 is shown as ``\\xNN``."""

    def __init__(self) -> None:
        self._rest = b""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._until_panic: tuple[str, ...] = ()
        self.spoke = False
        self.panic: Panic | None = None
        #: The first line that tells of too little memory.
        self.no_memory: str | None = None

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes, without their ends."""
        self.spoke = self.spoke or bool(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > LINE_LIMIT:
            whole.append(self._rest[:LINE_LIMIT])
            self._rest = self._rest[LINE_LIMIT:]
        return [self._line(piece) for line in whole for piece in _pieces(line)]

    def finish(self) -> list[str]:
        """The last line, when it has no end."""
        rest, self._rest = self._rest, b""
        return [self._line(rest)] if rest else []

    @property
    def tail(self) -> tuple[str, ...]:
        """The last TAIL_LINES lines, and as many that led to a panic: its call trace must not push out its cause."""
        return (*self._until_panic, *self._tail)

    def _line(self, raw: bytes) -> str:
        line = raw.rstrip(b"\r").decode("utf-8", "backslashreplace")
        self._tail.append(line)
        if self.no_memory is None and _NO_MEMORY.search(line):
            self.no_memory = line
        if self.panic is None and (found := _PANIC.search(line)):
            died = _INIT_DIED.search(line)
            self.panic = Panic(found[1], int(died[1], 16) if died else None)
            self._until_panic = tuple(self._tail)
            self._tail.clear()
        return line


def _pieces(line: bytes) -> list[bytes]:
    return [line[at : at + LINE_LIMIT] for at in range(0, len(line), LINE_LIMIT)] or [b""]

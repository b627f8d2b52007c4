"""The payload's streams on the host: its output to ours, ours to its input, and what is kept of it."""

from __future__ import annotations

import base64
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scxlife.platform.vm import frames

from .guest_run import End
from .terminal import in_foreground

if TYPE_CHECKING:
    from collections.abc import Callable

    from .kept_file import KeptFile
    from .outlet import Outlet
    from .terminal import Terminal

#: Bytes of each stream's end that an outcome in JSON has.
SHOWN = 64 << 10
#: Bytes that wait for our reader; with more, the payload is held up.
ROOM = 256 << 10
#: Bytes that an outlet for this keeps before it drops any: room, a frame of the longest, and lines of ours.
LIMIT = 4 << 20
_CHUNK = 1 << 16
_IN = 0
_NAMES = {frames.STDOUT: "stdout", frames.STDERR: "stderr"}


class PayloadStreams:
    """`stdout` and `stderr` get the payload's output as it comes, `kept` gets both. With `reads`, ours is its standard
    input. With a `terminal` the payload has it from its start until its output ends; `on_start` and `on_end` are
    called then."""

    def __init__(
        self,
        stdout: Outlet,
        stderr: Outlet,
        kept: KeptFile,
        *,
        reads: bool,
        terminal: Terminal | None = None,
        on_start: Callable[[], object] = lambda: None,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self._outlets = {frames.STDOUT: stdout, frames.STDERR: stderr}
        self._kept = kept
        self._terminal = terminal
        self._on_start = on_start
        self._on_end = on_end
        self._ends = {stream: End(SHOWN) for stream in self._outlets}
        self._open = set(self._outlets)
        self._input: int | None = None
        self._owned = False
        if reads:
            self._open_input()

    def as_json(self) -> dict[str, Any]:
        """The end of each stream, as text where it is UTF-8, and how many bytes came before it. To be asked once."""
        return {_NAMES[stream]: _as_json(end) for stream, end in self._ends.items()}

    def close(self) -> None:
        """Give the terminal and the input back."""
        self._give_back()
        self.end_input()

    # -- as the link asks

    def started(self) -> None:
        self._on_start()
        if self._terminal is not None:
            self._terminal.take_over()

    def take(self, stream: int, data: bytes) -> None:
        if data:
            self._ends[stream].add(data)
            self._outlets[stream].write(data)
            self._kept.add(data)
            return
        self._open.discard(stream)
        if not self._open:
            self._give_back()
            self._on_end()

    def has_room(self) -> bool:
        return max(self._kept.pending, *(each.pending for each in self._outlets.values())) < ROOM

    def left_by_readers(self) -> set[int]:
        return {stream for stream, outlet in self._outlets.items() if outlet.error is not None}

    def input_fileno(self) -> int | None:
        return self._input

    def read_input(self) -> bytes | None:
        if self._input is None:
            return b""
        try:
            if stat.S_ISSOCK(os.fstat(self._input).st_mode):
                with socket.socket(fileno=os.dup(self._input)) as copy:
                    data = copy.recv(_CHUNK, socket.MSG_DONTWAIT)
            else:
                data = os.read(self._input, _CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            # EIO: the terminal is gone.
            data = b""
        if not data:
            self.end_input()
        return data

    def end_input(self) -> None:
        fd, self._input = self._input, None
        if fd is not None and self._owned:
            os.close(fd)

    def size_fileno(self) -> int | None:
        return None if self._terminal is None else self._terminal.fileno()

    def size(self) -> tuple[int, int]:
        return (24, 80) if self._terminal is None else self._terminal.size()

    # -- inside

    def _give_back(self) -> None:
        if self._terminal is not None:
            self._terminal.give_back()

    def _open_input(self) -> None:
        """A description of our own, without waiting: others may read the same pipe, and be faster."""
        try:
            mode = os.fstat(_IN).st_mode
        except OSError:
            return
        if os.isatty(_IN) and not in_foreground(_IN):
            return
        self._input = _IN
        if stat.S_ISFIFO(mode) or os.isatty(_IN):
            with suppress(OSError):
                self._input = os.open(f"/proc/self/fd/{_IN}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
                self._owned = True


def _as_json(end: End) -> dict[str, Any]:
    data = end.take()
    try:
        # The first letter may have been cut.
        text = data.decode() if not end.dropped else data.lstrip(bytes(range(0x80, 0xC0))).decode()
        return {"text": text, "dropped": end.dropped}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode(), "dropped": end.dropped}

"""The host's end of the payload's streams: what they do with the descriptors is the business of a ``PayloadSink``."""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import suppress
from typing import Protocol

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.vm import frames
from scxlife.platform.vm.guest import WrongContent

_CHUNK = 1 << 16
_SIZE = struct.Struct("<HH")


class PayloadSink(Protocol):
    """What becomes of the payload's output, and where its input comes from. Nothing here waits."""

    def started(self) -> None:
        """The payload runs."""

    def take(self, stream: int, data: bytes) -> None:
        """Bytes of frames.STDOUT or frames.STDERR; none when that stream is over."""

    def has_room(self) -> bool:
        """Whether more may be taken: the payload is held up as long as not."""

    def left_by_readers(self) -> set[int]:
        """The streams that nobody reads any more."""

    def input_fileno(self) -> int | None:
        """A descriptor that turns readable when ``read_input`` has something; None when there will be no more."""

    def read_input(self) -> bytes | None:
        """Bytes of the payload's input, none at its end, None when there is nothing now."""

    def end_input(self) -> None:
        """The payload reads no more of it."""

    def size_fileno(self) -> int | None:
        """A descriptor that turns readable when the terminal has another size; None without a terminal."""

    def size(self) -> tuple[int, int]:
        """The rows and columns of the terminal. Clears ``size_fileno``."""


class NoPayload:
    """A sink for guests without a payload: everything is dropped."""

    def started(self) -> None: ...

    def take(self, stream: int, data: bytes) -> None: ...

    def has_room(self) -> bool:
        return True

    def left_by_readers(self) -> set[int]:
        return set()

    def input_fileno(self) -> int | None:
        return None

    def read_input(self) -> bytes | None:
        return b""

    def end_input(self) -> None: ...

    def size_fileno(self) -> int | None:
        return None

    def size(self) -> tuple[int, int]:
        return 0, 0


class PayloadLink:
    """Relays between the socket ``port`` of a guest and ``sink``. Wait for ``filenos`` and call ``ready``."""

    def __init__(self, port: socket.socket, sink: PayloadSink) -> None:
        port.setblocking(False)
        self._port = port
        self._sink = sink
        self._decoder = frames.Decoder()
        self._open = True
        self._ended: set[int] = set()
        self._told_left: set[int] = set()
        self._unsent = bytearray()
        self._sequence = 0
        self._started = False
        #: The number of the frame of input that is not acknowledged yet.
        self._awaited: int | None = None
        self._input_over = False
        self._writable = LinuxKernel().writable_fd(port.fileno())

    def close(self) -> None:
        os.close(self._writable)

    def filenos(self) -> set[int]:
        """The descriptors to wait for now."""
        if not self._open:
            return set()
        wanted = {self._port.fileno()} if self._sink.has_room() else set()
        for stream in self._sink.left_by_readers() - self._told_left - self._ended:
            self._told_left.add(stream)
            self._send(stream, b"")
        if self._unsent:
            wanted.add(self._writable)
        elif self._started:
            for fd in (self._input_fileno(), self._sink.size_fileno()):
                if fd is not None:
                    wanted.add(fd)
        return wanted

    def ready(self, descriptor: int) -> None:
        """Handles one chunk. Raises FrameError and WrongContent, behind which nothing is believed."""
        if descriptor == self._port.fileno():
            self._read()
        elif descriptor == self._writable:
            self._flush()
        elif descriptor == self._sink.size_fileno():
            with suppress(struct.error):
                self._send(frames.WINDOW, _SIZE.pack(*self._sink.size()))
        else:
            self._forward_input()

    def drain(self, deadline: float) -> None:
        """Takes what a QEMU that is gone has left, room or not, until ``deadline`` (monotonic seconds)."""
        with suppress(frames.FrameError, WrongContent):
            while self._read() and time.monotonic() < deadline:
                pass

    # -- inside

    def _input_fileno(self) -> int | None:
        if self._input_over or self._awaited is not None:
            return None
        fd = self._sink.input_fileno()
        if fd is None:
            self._input_over = True
            self._send(frames.STDIN, b"")
        return fd

    def _forward_input(self) -> None:
        data = self._sink.read_input()
        if data is None or self._input_over or self._awaited is not None:
            return
        if data:
            self._awaited = self._sequence
        else:
            self._input_over = True
        self._send(frames.STDIN, data)

    def _read(self) -> bool:
        try:
            data = self._port.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._open = False
            return False
        try:
            found = self._decoder.feed(data)
        except frames.FrameError as error:
            self._open = False
            for frame in error.frames:
                self._obey(frame)
            raise
        for frame in found:
            self._obey(frame)
        return True

    def _obey(self, frame: frames.Frame) -> None:
        name = frames.TYPE_NAMES.get(frame.type, f"0x{frame.type:02x}")
        if frame.type in (frames.STDOUT, frames.STDERR):
            if frame.type in self._ended:
                raise self._wrong(f"{name} frame: this stream has ended")
            self._sink.take(frame.type, frame.payload)
            if not frame.payload:
                self._ended.add(frame.type)
                self._put(frames.encode_ack(self._sequence, frame.sequence))
        elif frame.type == frames.STARTED and not self._started:
            self._started = True
            self._sink.started()
        elif frame.type == frames.STDIN and not frame.payload:
            self._input_over = True
            self._sink.end_input()
        elif frame.type == frames.ACK and self._awaited is not None:
            try:
                if frames.acknowledged(frame) == self._awaited:
                    self._awaited = None
            except ValueError as error:
                raise self._wrong(f"{name} frame: {error}") from None
        else:
            raise self._wrong(f"{name} frame: a guest sends none there")

    def _wrong(self, text: str) -> WrongContent:
        self._open = False
        return WrongContent(text)

    def _send(self, kind: int, data: bytes) -> None:
        self._put(frames.encode(kind, self._sequence, data))

    def _put(self, frame: bytes) -> None:
        self._unsent += frame
        self._sequence += 1
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._port.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            # QEMU is gone: nobody there waits for it.
            self._unsent.clear()

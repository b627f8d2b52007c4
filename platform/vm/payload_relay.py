"""The guest's end of the payload's streams: pipes, or a terminal, on one side and a port of the host on the other.

The port has its own flow control, so a reader that stalls holds up the payload, as a full pipe does on any machine, and
nothing else. PID 1 relays between two events of its own: one chunk for each descriptor that is ready, never waiting.

At most one chunk is kept in each direction. The output is not read while the port takes no more; the host sends the
next chunk of the standard input after this one was acknowledged.

For PID 1, so it imports little.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
from contextlib import suppress

from scxlife.platform.vm import frames
from scxlife.platform.vm.port import PAYLOAD_NAME, wait_for

#: Bytes that are relayed at once.
CHUNK = 1 << 16
#: Bytes that are still read of a stream when the payload has ended: a process that it left may write for ever.
_LAST = 1 << 20


class PayloadRelay:
    """Relays between the port ``descriptor`` and the payload. It owns all its descriptors.

    ``terminal`` is the size of the payload's terminal in rows and columns, None for pipes. Wait for ``fileno`` and call
    ``relay``, which raises nothing. A port that fails ends all streams.
    """

    def __init__(self, descriptor: int, terminal: tuple[int, int] | None = None) -> None:
        """Raises OSError."""
        os.set_blocking(descriptor, False)
        self._port = descriptor
        self._sequence = 0
        self._decoder = frames.Decoder()
        #: What the port has not taken yet.
        self._unsent = bytearray()
        #: What the payload has not taken yet of its standard input, and the number of that frame.
        self._input = memoryview(b"")
        self._input_number = -1
        self._ending = False
        self._budget: dict[int, int] = {}
        self._last_end = self._acknowledged = -1
        self._over = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        #: Whether the host has everything; False while that is not known.
        self.complete = False
        self.terminal = terminal is not None
        #: The payload's ends, until it has them.
        self._given: tuple[int, ...] = ()
        #: The streams that are open, by descriptor.
        self._output: dict[int, int] = {}
        error, given_error = os.pipe2(os.O_CLOEXEC)
        self._error = given_error
        if terminal is None:
            given_input, self._in = os.pipe2(os.O_CLOEXEC)
            out, given_output = os.pipe2(os.O_CLOEXEC)
            self._standard = given_input, given_output, given_error
            self._given = self._standard
        else:
            out = self._in = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            self._resize(*terminal)
            fcntl.ioctl(out, _TIOCSPTLCK, struct.pack("i", 0))
            (number,) = struct.unpack("I", fcntl.ioctl(out, _TIOCGPTN, bytes(4)))
            slave = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            self._standard = slave, slave, slave
            self._given = slave, given_error
        self._output = {out: frames.STDOUT, error: frames.STDERR}
        for each in (out, error, self._in):
            os.set_blocking(each, False)
        self._epoll = select.epoll()
        # Edge-triggered: a port whose host is away is "hung up" all the time, and a level would spin on it.
        self._epoll.register(descriptor, _PORT)
        self._watched: dict[int, int] = {}
        self._watch()

    @classmethod
    def open(cls, terminal: tuple[int, int] | None = None, timeout_s: float = 10.0) -> PayloadRelay:
        """Waits for the port and opens it. Raises OSError, PortError among them."""
        device = wait_for(PAYLOAD_NAME, timeout_s)
        return cls(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), terminal)

    # -- for what starts the payload

    def standard(self) -> tuple[int, int, int]:
        """The payload's descriptors 0 to 2, to be copied before ``started``."""
        return self._standard

    @property
    def error(self) -> int:
        """The end of the stream of standard error, for a command that runs before the payload."""
        return self._error

    def started(self) -> None:
        """The payload has its descriptors. The host is told."""
        self._put(frames.STARTED, b"")
        self._forget_given()
        self._watch()

    # -- for the loop

    def fileno(self) -> int:
        """A descriptor that is readable while ``relay`` has something to do."""
        return self._epoll.fileno()

    def relay(self) -> None:
        """One bounded step for each descriptor that is ready."""
        for fd, _ in self._epoll.poll(0):
            if fd == self._port:
                self._hear()
                self._flush()
            if fd == self._in:
                self._feed()
            if fd in self._output and not self._ending:
                self._take(fd)
        self._go_on()

    def finish(self) -> None:
        """The payload has ended: relay what it has written, and tell the host where the streams end.

        A process that it has left behind can write no more then. ``over_fileno`` turns readable when the host has it.
        """
        if not self._ending:
            self._ending = True
            self._budget = dict.fromkeys(self._output, _LAST)
            self._forget_given()
            if not self.terminal:
                self._end_input()
            self._input = memoryview(b"")
            self._go_on()

    def over_fileno(self) -> int:
        """A descriptor that turns readable, and stays so, when all is over after ``finish``."""
        return self._over

    # -- inside

    def _go_on(self) -> None:
        while self._ending and self._output and not self._unsent:
            self._take(next(iter(self._output)))
        self._settle()
        self._watch()

    def _take(self, fd: int) -> None:
        """Sends one chunk of what the payload has written, unless the port is busy."""
        if self._unsent:
            return
        data: bytes | None
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            data = b"" if self._ending else None
        except OSError:
            # EIO: the last descriptor of the terminal was closed.
            data = b""
        if data:
            self._put(self._output[fd], data)
            if self._ending:
                self._budget[fd] -= len(data)
        if data == b"" or (self._ending and self._budget[fd] <= 0):
            self._end(fd)

    def _end(self, fd: int) -> None:
        """The stream of ``fd`` is over, whichever side has ended it."""
        self._put(self._output.pop(fd), b"")
        self._last_end = self._sequence - 1
        self._unwatch(fd)
        if fd == self._in:
            self._in, self._input = -1, memoryview(b"")
        os.close(fd)

    def _feed(self) -> None:
        """Writes what the payload takes of its standard input."""
        try:
            while self._input:
                self._input = self._input[os.write(self._in, self._input) :]
        except BlockingIOError:
            return
        except OSError:
            # Nobody reads it any more. Of a terminal, the output tells that.
            self._input = memoryview(b"")
            if not self.terminal:
                self._end_input()
            return
        if self._input_number >= 0:
            self._reply(frames.encode_ack(self._sequence, self._input_number))
            self._input_number = -1
        elif not self.terminal and self._in >= 0 and self._reader_is_gone():
            self._end_input()

    def _reader_is_gone(self) -> bool:
        poll = select.poll()
        poll.register(self._in, 0)
        return bool(poll.poll(0))

    def _end_input(self) -> None:
        """The payload's standard input is over. The host is told, which need not send more."""
        if self._in >= 0:
            self._unwatch(self._in)
            os.close(self._in)
            self._in = -1
            self._put(frames.STDIN, b"")

    def _hear(self) -> None:
        try:
            data = os.read(self._port, CHUNK)
            heard = self._decoder.feed(data) if data else []
        except (OSError, frames.FrameError):
            return
        if data:
            # There may be more, of which no edge tells.
            self._epoll.modify(self._port, _PORT)
        for frame in heard:
            self._obey(frame)

    def _obey(self, frame: frames.Frame) -> None:
        if frame.type == frames.STDIN and self._in >= 0:
            if frame.payload:
                self._input, self._input_number = memoryview(frame.payload), frame.sequence
                self._feed()
            elif self.terminal:
                # The host's terminal is gone: so is this one, and its session hears it by SIGHUP.
                self._end(self._in)
            else:
                self._end_input()
        elif frame.type == frames.WINDOW and self.terminal and self._in >= 0:
            with suppress(OSError, struct.error):
                self._resize(*_SIZE.unpack(frame.payload))
        elif frame.type in (frames.STDOUT, frames.STDERR):
            # Nobody reads it there: the payload hears that by SIGPIPE.
            for fd in [fd for fd, stream in self._output.items() if stream == frame.type]:
                self._end(fd)
        elif frame.type == frames.ACK:
            with suppress(ValueError):
                self._acknowledged = frames.acknowledged(frame)
                self._settle()

    def _settle(self) -> None:
        if self._ending and not self._output and not self.complete and self._acknowledged >= self._last_end:
            self.complete = True
            os.eventfd_write(self._over, 1)

    def _resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._in, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _put(self, kind: int, data: bytes) -> None:
        self._reply(frames.encode(kind, self._sequence, data))

    def _reply(self, frame: bytes) -> None:
        self._unsent += frame
        self._sequence += 1
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._port, self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            # The host is gone. What waits for the end waits in vain, within its bound.
            self._unsent.clear()

    def _forget_given(self) -> None:
        given, self._given = self._given, ()
        for fd in given:
            os.close(fd)

    def _watch(self) -> None:
        """Waits for what can be done now: the output is left alone while the port is busy."""
        wanted = {} if self._unsent or self._ending else dict.fromkeys(self._output, select.EPOLLIN)
        if self._input:
            wanted[self._in] = wanted.get(self._in, 0) | select.EPOLLOUT
        elif self._in >= 0 and not self.terminal:
            # EPOLLERR comes unasked: its reader is gone.
            wanted[self._in] = 0
        for fd in [fd for fd in self._watched if fd not in wanted]:
            self._unwatch(fd)
        for fd, events in wanted.items():
            if fd not in self._watched:
                self._epoll.register(fd, events)
            elif self._watched[fd] != events:
                self._epoll.modify(fd, events)
        self._watched = wanted

    def _unwatch(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)


_PORT = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET
_SIZE = struct.Struct("<HH")
# asm-generic/ioctls.h
_TIOCGPTN = 0x80045430
_TIOCSPTLCK = 0x40045431

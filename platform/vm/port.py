"""The guest's end of the wire: a virtio-serial port, found by its name, written in frames.

For PID 1, so it imports little and each wait has a bound. The port belongs to one process: the kernel answers a second
open with EBUSY (drivers/char/virtio_console.c, port_fops_open).
"""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress

from scxlife.platform.vm import frames

PORT_NAME = "scxlife.0"
#: Where PID 1 hears what the host's clients ask.
CONTROL_NAME = "scxlife.control"
#: The payload's standard streams.
PAYLOAD_NAME = "scxlife.payload"
#: The tag of the virtiofs with the host's files.
HOST_FILES = "scxlife-host"
#: Where the kernel's module for overlays is in a guest that was given it.
OVERLAY_MODULE = "/scxlife/overlay.ko"
_CLASS = "/sys/class/virtio-ports"
#: NETLINK_KOBJECT_UEVENT of linux/netlink.h; group 1 is the kernel's own.
_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_UEVENT_SIZE = 4096
_READ_SIZE = 1 << 16


class PortError(OSError):
    """The port is not there, or the host does not take what is written to it."""


def find(name: str = PORT_NAME, ports: str = _CLASS) -> str | None:
    """The device of the port ``name``; None as long as the kernel knows no such port. Needs /sys mounted."""
    try:
        entries = os.listdir(ports)  # noqa: PTH208
    except OSError:
        return None
    for entry in entries:
        try:
            with open(f"{ports}/{entry}/name", encoding="utf-8") as file:  # noqa: PTH123
                if file.read().strip() == name:
                    return f"/dev/{entry}"
        except OSError:
            continue
    return None


def wait_for(name: str = PORT_NAME, timeout_s: float = 10.0) -> str:
    """The device of the port, once the host has announced it: that happens beside the start of PID 1, not before it.

    Raises PortError when it does not come within ``timeout_s`` seconds.
    """
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _KOBJECT_UEVENT) as uevents:
        # Listening before looking: a port that comes in between is seen by one of the two.
        uevents.bind((0, _KERNEL_GROUP))
        while (device := find(name)) is None:
            uevents.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                uevents.recv(_UEVENT_SIZE)
            except TimeoutError:
                raise PortError(f"no virtio port {name} within {timeout_s} s") from None
            except OSError:
                # ENOBUFS: messages were lost, so it is time to look again, as it is after each message.
                pass
    return device


class GuestPort:
    """Sends frames, numbered from 0, over a descriptor that it owns.

    After a failed ``send`` the stream may end inside a frame: each later one fails too, and the host sees it truncated.
    After an EXIT frame only a PROBE can be sent: the host believes nothing else.
    """

    def __init__(self, descriptor: int, timeout_s: float = 30.0) -> None:
        """``timeout_s``: how long, in seconds, the host may leave one frame waiting."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._timeout_s = timeout_s
        self._sequence = 0
        self._broken = False
        self._final = False
        self._decoder = frames.Decoder()
        self._acknowledged = -1
        self._asked: list[int] = []
        self._orders = bytearray()
        #: What a BEGIN frame has brought, once the orders are whole.
        self.begin: bytes | None = None
        # Edge-triggered: a port whose host is away is "hung up" all the time, and a level would spin on it.
        self._ready = select.epoll()
        self._ready.register(descriptor, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        self._heard = select.epoll()
        self._heard.register(descriptor, select.EPOLLIN | select.EPOLLET)

    @classmethod
    def open(cls, name: str = PORT_NAME, timeout_s: float = 30.0) -> GuestPort:
        """Waits for the port and opens it. Raises OSError, PortError among them."""
        device = wait_for(name, timeout_s)
        return cls(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), timeout_s)

    def send(self, type: int, payload: bytes) -> int:
        """Writes one frame and gives its sequence number. Raises PortError, OSError, ValueError (payload too long)."""
        if self._broken:
            raise PortError("an earlier frame was cut short")
        if self._final and type != frames.PROBE:
            raise PortError("the exit frame was the last word")
        sequence = self._sequence
        rest = memoryview(frames.encode(type, sequence, payload))
        deadline = time.monotonic() + self._timeout_s
        self._broken = True
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                if not self._wait(deadline):
                    raise PortError(f"the host took nothing for {self._timeout_s} s") from None
        self._broken = False
        self._final = self._final or type == frames.EXIT
        self._sequence += 1
        return sequence

    def orders(self, size: int) -> bytes:
        """At most ``size`` bytes of the run's archive; none behind its end. Waits for them, for as long as it takes: a
        guest may be saved here, and go on in another year. Raises OSError, ValueError, FrameError."""
        while not self._orders and self.begin is None:
            with suppress(BlockingIOError):
                if self._read():
                    continue
            # A port whose host is away reads as ended, until another host is there.
            self._ready.poll()
        taken = bytes(self._orders[:size])
        del self._orders[: len(taken)]
        return taken

    def beginning(self) -> bytes:
        """What ends the orders. Raises as ``orders`` does, and ValueError for an archive with something behind it."""
        # The archive may have been padded.
        while data := self.orders(_READ_SIZE):
            if data.strip(b"\0"):
                raise ValueError("there is more behind the archive")
        assert self.begin is not None
        return self.begin

    def heard_fileno(self) -> int:
        """A descriptor that turns readable when the host has sent something, until ``interrupts`` is called."""
        return self._heard.fileno()

    def interrupts(self) -> list[int]:
        """The signals by which the host has asked for the end since the last call. Does not wait. A damaged stream
        tells no more of them."""
        self._heard.poll(0)
        with suppress(OSError, ValueError, frames.FrameError):
            while self._read():
                pass
        asked, self._asked = self._asked, []
        return asked

    def finish(self, timeout_s: float) -> bool:
        """Waits for the host to acknowledge the last frame; False when it did not within ``timeout_s`` seconds."""
        deadline = time.monotonic() + timeout_s
        while not self._broken and self._acknowledged != self._sequence - 1:
            try:
                if not self._read():
                    return False
            except BlockingIOError:
                if not self._wait(deadline):
                    return False
            except (OSError, ValueError, frames.FrameError):
                return False
        return not self._broken

    def close(self) -> None:
        self._ready.close()
        self._heard.close()
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def _read(self) -> bool:
        """Takes what the host has sent, in pieces of a page, as the port gives it. False at the end. Raises
        BlockingIOError, OSError, ValueError, FrameError."""
        data = os.read(self._descriptor, _READ_SIZE)
        with suppress(BlockingIOError):
            while data and len(data) < _READ_SIZE and (more := os.read(self._descriptor, _READ_SIZE)):
                data += more
        for frame in self._decoder.feed(data) if data else ():
            if frame.type == frames.INTERRUPT:
                self._asked.append(frame.payload[0] if frame.payload else 0)
            elif frame.type == frames.ORDERS:
                self._orders += frame.payload
            elif frame.type == frames.BEGIN:
                self.begin = frame.payload
            else:
                self._acknowledged = frames.acknowledged(frame)
        return bool(data)

    def _wait(self, deadline: float) -> bool:
        """Whether something changed at the port before ``deadline``."""
        left = deadline - time.monotonic()
        return left > 0 and bool(self._ready.poll(left))

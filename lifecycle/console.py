"""What PID 1 says on the guest's console, within a bound: nobody may be reading at the other end."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel

CONSOLE = "/dev/console"
# Seconds between two looks. A terminal takes some 4 KiB at once, and tells of room only by taking more.
_PACE = 0.01


def say(kernel: Kernel, data: bytes, deadline: float) -> bool:
    """Write `data` and wait until the terminal has sent it. False when that was not over by `deadline` (monotonic
    seconds), or there is no console."""
    try:
        # Opened anew: a non-blocking descriptor 1 would be so for whoever shares it.
        fd = kernel.open(CONSOLE, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return _written(kernel, fd, data, deadline) and _sent(kernel, fd, deadline)
    except OSError:
        return False
    finally:
        kernel.close(fd)


def _written(kernel: Kernel, fd: int, data: bytes, deadline: float) -> bool:
    rest = memoryview(data)
    while rest:
        try:
            taken = kernel.write(fd, bytes(rest[:4096]))
        except BlockingIOError:
            taken = 0
        rest = rest[taken:]
        if not taken and not _wait(kernel, deadline):
            return False
    return True


def _sent(kernel: Kernel, fd: int, deadline: float) -> bool:
    """Not tcdrain(3), which waits for ever: TIOCOUTQ of ioctl_tty(2)."""
    while any(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))):
        if not _wait(kernel, deadline):
            return False
    return True


def _wait(kernel: Kernel, deadline: float) -> bool:
    kernel.poll((), _PACE)
    return kernel.monotonic() < deadline

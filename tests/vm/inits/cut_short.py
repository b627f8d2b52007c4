"""Sends one whole frame and the first half of another, then reboots."""

import os

from inits.base import open_port, reboot
from scxlife.platform.vm import frames


def main() -> None:
    port = open_port()
    port.send(frames.HELLO, b"{}")
    os.set_blocking(port.fileno(), True)
    os.write(port.fileno(), frames.encode(frames.LOG, 1, b"x" * 1000)[:500])
    # Taken by the host before the guest goes: it reads as the port's buffers come back.
    os.write(port.fileno(), b"x")
    reboot()

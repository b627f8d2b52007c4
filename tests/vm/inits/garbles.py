"""Sends one frame, then bytes that are no frame, and waits for ever."""

import os
import signal

from inits.base import open_port
from scxlife.platform.vm import frames


def main() -> None:
    port = open_port()
    port.send(frames.HELLO, b"{}")
    os.write(port.fileno(), b"===SCHED_OUTPUT_START===\n")
    while True:
        signal.pause()

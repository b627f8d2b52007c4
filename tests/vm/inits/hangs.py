"""Sends one frame, writes to the console without ever ending the line, and waits for ever."""

import os
import signal

from inits.base import open_port
from scxlife.platform.vm import frames


def main() -> None:
    port = open_port()
    os.write(1, b"\xff\xfe no end of line")
    port.send(frames.HELLO, b"{}")
    while True:
        signal.pause()

"""Sends one frame and exits with status 3, which PID 1 must never do."""

import os

from inits.base import open_port
from scxlife.platform.vm import frames


def main() -> None:
    open_port().send(frames.HELLO, b"{}")
    os._exit(3)

"""Takes all memory that there is, and touches it."""

from inits.base import open_port
from scxlife.platform.vm import frames


def main() -> None:
    open_port().send(frames.HELLO, b"{}")
    held = []
    while True:
        held.append(b"x" * (8 << 20))

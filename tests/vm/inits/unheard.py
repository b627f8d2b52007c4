"""Says its last word to a host that does not acknowledge it, and reboots when it has waited long enough."""

from inits.base import open_port, reboot
from scxlife.platform.vm import frames


def main() -> None:
    port = open_port()
    port.send(frames.EXIT, b"{}")
    print("acknowledged:", port.finish(0.5), flush=True)
    reboot()

"""Runs a guest and prints the process id of its QEMU once the guest speaks: a host that a test can kill."""

import sys
from pathlib import Path

from scxlife.platform.vm import accel, guest
from scxlife.platform.vm.qemu import run_guest

kernel, initrd, qemu = map(Path, sys.argv[1:])


def tell(_: object) -> None:
    (child,) = Path("/proc/self/task").iterdir()
    print((child / "children").read_text().split()[0], flush=True)


run_guest(guest.GuestSpec(kernel, initrd, accel.choose("auto", qemu=qemu), qemu), on_frame=tell)

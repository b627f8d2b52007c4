"""A guest whose PID 1 is systemd, and the service in it that does what a test asks. For a guest only."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import time

from scxlife.platform.vm import frames
from scxlife.platform.vm.port import GuestPort

SYSTEMD = "/lib/systemd/systemd"
CONFIG = "/scxlife/config.json"
#: linux/mount.h, linux/reboot.h
_BIND, _MOVE, _RESTART = 0x1000, 0x2000, 0x01234567
_PATIENCE_S = 300.0

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """PID 1: becomes systemd, on a root that is a mount of its own. From the initramfs itself nobody can pivot away,
    which is how systemd gives a service a file system of its own."""
    os.mkdir("/newroot")
    _mount("/", "/newroot", _BIND)
    os.chdir("/newroot")
    _mount(".", "/", _MOVE)
    os.chroot(".")
    os.chdir("/")
    os.execv(SYSTEMD, [SYSTEMD, "--system"])


def tell() -> None:
    """The service: each step is a line of shell, and the host is told what it printed, how it ended, how long it
    took."""
    with open(CONFIG, "rb") as file:
        steps = json.loads(file.read())["steps"]
    port = GuestPort.open()
    for name, line in steps:
        before = time.monotonic()
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", line],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_PATIENCE_S,
            )
            code, output = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            code, output = -1, late.stdout or b""
        told = {
            "name": name,
            "code": code,
            "output": output.decode("utf-8", "replace"),
            "seconds": time.monotonic() - before,
        }
        port.send(frames.OUTCOME, json.dumps(told).encode())
    port.send(frames.EXIT, b"{}")
    port.finish(20.0)
    _libc.reboot(_RESTART)


def _mount(source: str, target: str, flags: int) -> None:
    if _libc.mount(source.encode(), target.encode(), None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)

"""What the inits of the tests share: mounts, the port, reboot(2). For a guest only."""

from __future__ import annotations

import ctypes
import os

from scxlife.platform.vm.port import GuestPort

_libc = ctypes.CDLL(None, use_errno=True)
#: linux/reboot.h
_RESTART = 0x01234567
#: Where `image.Run` puts it.
DEFINITION = "/scxlife/definition.json"


def mount(kind: str, where: str) -> None:
    if _libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {where}")


def open_port() -> GuestPort:
    mount("proc", "/proc")
    mount("sysfs", "/sys")
    mount("devtmpfs", "/dev")
    return GuestPort.open()


def reboot() -> None:
    os.sync()
    _libc.reboot(_RESTART)

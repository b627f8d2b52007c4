"""What PID 1 does between its HELLO and its run: it waits for the orders, and becomes a guest of its own.

A guest may have been saved while it waited, and be restored any number of times. What must not be the same in all of
them is renewed here: the wall clock and the kernel's random state. The monotonic clock goes on from the save.
"""

from __future__ import annotations

import fcntl
import json
import struct
import time
from typing import TYPE_CHECKING, Any

from scxlife.platform.vm import frames
from scxlife.platform.vm.unpacking import unpack

if TYPE_CHECKING:
    from scxlife.platform.vm.port import GuestPort

CONFIG = "/scxlife/config.json"
# linux/random.h
_RNDADDENTROPY = 0x40085203
_RNDRESEEDCRNG = 0x5207


def take_orders(port: GuestPort) -> dict[str, Any]:
    """The run's configuration, once its archive is unpacked and the host told so. Raises OSError, ValueError."""
    unpack(port.orders)
    now, seed = frames.begun(port.beginning())
    time.clock_settime(time.CLOCK_REALTIME, now)
    reseed(seed)
    with open(CONFIG, encoding="utf-8") as file:  # noqa: PTH123
        config: dict[str, Any] = json.load(file)
    port.send(frames.ORDERED, b"")
    return config


def reseed(seed: bytes) -> None:
    """Mix ``seed`` into the kernel's random state and have it renew its keys. Raises OSError."""
    with open("/dev/urandom", "wb", buffering=0) as device:  # noqa: PTH123
        fcntl.ioctl(device, _RNDADDENTROPY, struct.pack("ii", 8 * len(seed), len(seed)) + seed)
        fcntl.ioctl(device, _RNDRESEEDCRNG)

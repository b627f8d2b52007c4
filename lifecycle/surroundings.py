"""What programs expect of a machine, as far as a guest's PID 1 can provide it. Each failure costs one thing alone.

For PID 1: nothing here is a reason not to go on.
"""

# ruff: noqa: PTH103, PTH123, PTH211
# pathlib is an import that PID 1 does without.

from __future__ import annotations

import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.platform.kernel import Kernel

HOSTNAME = "scxlife"
LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}
FOLDERS = {
    "/dev/shm": ("tmpfs", "mode=1777"),
    "/dev/pts": ("devpts", "ptmxmode=0666,mode=0620,gid=5"),
}
FILES = {
    "/etc/hostname": f"{HOSTNAME}\n",
    "/etc/hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n",
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
}
# linux/if.h, linux/sockios.h
_IFF_UP = 1
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_REQUEST = struct.Struct("16sh22x")


def machine(kernel: Kernel) -> list[str]:
    """What any run may need: devices, the loopback interface, a name. What is lacking, in words. Needs /dev, /proc."""
    lacking: list[str] = []
    for path, (fstype, data) in FOLDERS.items():
        _attempt(lacking, path, _mount, kernel, path, fstype, data)
    for path, target in LINKS.items():
        _attempt(lacking, path, _link, target, path)
    _attempt(lacking, "loopback interface", _raise_loopback)
    _attempt(lacking, "hostname", socket.sethostname, HOSTNAME)
    return lacking


def files() -> list[str]:
    """The files that libraries look into, where the run has not brought its own. What is lacking, in words."""
    lacking: list[str] = []
    for path, content in FILES.items():
        _attempt(lacking, path, _write, path, content)
    _attempt(lacking, "/root", os.makedirs, "/root", 0o700, True)
    return lacking


def _attempt(lacking: list[str], what: str, do: Callable[..., object], *given: object) -> None:
    try:
        do(*given)
    except OSError as error:
        lacking.append(f"no {what}: {error.strerror}")


def _mount(kernel: Kernel, path: str, fstype: str, data: str) -> None:
    os.makedirs(path, exist_ok=True)
    kernel.mount(fstype, path, fstype, 0, data)


def _link(target: str, path: str) -> None:
    if not os.path.lexists(path):
        os.symlink(target, path)


def _write(path: str, content: str) -> None:
    os.makedirs("/etc", exist_ok=True)
    if not os.path.lexists(path):
        with open(path, "x", encoding="utf-8") as file:
            file.write(content)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        _, flags = _REQUEST.unpack(fcntl.ioctl(any_socket, _SIOCGIFFLAGS, _REQUEST.pack(b"lo", 0)))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _REQUEST.pack(b"lo", flags | _IFF_UP))

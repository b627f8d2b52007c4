"""Small files of text that a kernel makes as they are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kernel import Kernel

_CHUNK = 65536


def lines(kernel: Kernel, path: str) -> list[str]:
    """The whole file. Raises OSError."""
    fd = kernel.open(path, os.O_RDONLY)
    try:
        whole = bytearray()
        while part := kernel.read(fd, _CHUNK):
            whole += part
        return whole.decode("utf-8", "replace").splitlines()
    finally:
        kernel.close(fd)

"""Small files of the kernel's file systems, read whole through the port."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kernel import Kernel

# A node of sysfs or procfs that is going away answers ENODEV or ESRCH to a descriptor that is still open.
GONE = (errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENOTDIR)


def read_text(kernel: Kernel, path: str, size: int = 65536) -> str | None:
    """The text of the file, stripped, at most `size` bytes of it; None when it is gone. Other OSErrors pass."""
    try:
        fd = kernel.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    try:
        return kernel.read(fd, size).decode("utf-8", "replace").strip()
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    finally:
        kernel.close(fd)

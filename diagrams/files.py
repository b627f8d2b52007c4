"""Drawings on disk: whole, or as they were."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Put `content` at `path` in one step: who reads it meanwhile sees the old content or the new.

    A new file has the permissions `mode`, or those of the umask. A link is followed and stays a link. What is no
    regular file (a pipe, /dev/stdout) is written to as it is; a FIFO without a reader is an error. Raises OSError.
    """
    real = Path(os.path.realpath(path))
    try:
        found = real.stat()
    except FileNotFoundError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        with open(os.open(real, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC), "wb") as sink:  # noqa: PTH123
            os.set_blocking(sink.fileno(), True)
            sink.write(content)
        return
    partial = real.with_name(f".partial-{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as file:
            file.write(content)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        partial.replace(real)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

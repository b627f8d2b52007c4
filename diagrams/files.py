"""Drawings on disk: whole, or as they were."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: who reads it meanwhile sees the old content or the new.

    A link is followed and stays a link. What is no regular file (a pipe, /dev/stdout) is written to. Raises OSError.
    """
    real = Path(os.path.realpath(path))
    if real.exists() and not real.is_file():
        real.write_bytes(content)
        return
    partial = real.with_name(f".partial-{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as file:
            file.write(content)
        partial.replace(real)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

"""Where a drawing goes: to standard output, or whole into a file."""

from __future__ import annotations

import sys
from pathlib import Path

from scxlife.diagrams.files import write_whole
from scxlife.lifecycle.usage import UsageError


def write(content: bytes, output: Path | None) -> None:
    """Write it to `output`, or to standard output. Raises UsageError where the file can't be written."""
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        write_whole(output, content)
    except OSError as error:
        hint = "name a file in a folder that can be written"
        raise UsageError(f"-o {output}: {error.strerror or error}", hint) from None

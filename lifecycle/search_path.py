"""Where a command is."""

from __future__ import annotations

import os
from pathlib import Path


def found(command: str) -> str:
    """The path of `command`, looked up in PATH when it names no folder; itself when that finds nothing."""
    if "/" in command:
        return command
    for folder in os.get_exec_path():
        path = Path(folder, command)
        if path.exists():
            return str(path)
    return command

"""What is mounted where, as this process sees it. proc_pid_mountinfo(5)"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .sched_ext import PROC
from .text_files import lines

if TYPE_CHECKING:
    from .kernel import Kernel


@attrs.frozen
class Mount:
    """`root` is the directory of the file system of `kind` that is seen at `path`."""

    path: str
    root: str
    kind: str


def mounts(kernel: Kernel, proc: str = PROC) -> list[Mount]:
    """In the order in which they were mounted. Raises OSError where there is no /proc."""
    found = []
    for line in lines(kernel, f"{proc}/self/mountinfo"):
        about, _, rest = line.partition(" - ")
        root, path = about.split(" ")[3:5]
        found.append(Mount(_unescaped(path), _unescaped(root), rest.partition(" ")[0]))
    return found


def _unescaped(field: str) -> str:
    """Space, tab, newline and backslash are written as three octal digits."""
    for character in " \t\n\\":
        field = field.replace(f"\\{ord(character):03o}", character)
    return field

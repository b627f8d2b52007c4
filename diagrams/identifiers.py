"""Names as identifiers for formats that allow fewer characters in them than a definition does."""

from __future__ import annotations

import re

# What stays as it is; an underscore that would look like the beginning of a code does not.
_UNFIT = re.compile(r"[^A-Za-z0-9_]|_(?=x[0-9A-F]+_)")


def coded(name: str) -> str:
    """`name` in letters, digits and underscores, every other character as `_xHEX_`. Different names stay different."""
    return _UNFIT.sub(lambda found: f"_x{ord(found[0]):X}_", name)

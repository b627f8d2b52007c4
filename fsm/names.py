"""What a name may be."""

from __future__ import annotations

import re

from .problems import shortened

# It goes into drawings, tapes, Python names and file names. `/` parts an outcome from its reason.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def no_name(text: str) -> str | None:
    """Why a text can't be a name; None when it is one."""
    if NAME.fullmatch(text) is not None:
        return None
    return f"{shortened(text)!r} is no name: a letter, then letters, digits, `_`, `-` or `.`"

"""Lines as YAML counts them: a position in a text, and a text as lines."""

from __future__ import annotations

import re

from .problems import Place

# What libyaml takes for the end of a line.
_BREAK = "\r\n|[\n\r\x85\u2028\u2029]"


def lines_of(text: str) -> list[str]:
    """The lines of the text without their ends."""
    return re.split(_BREAK, text)


def place_at(text: str, offset: int, file: str) -> Place:
    """The place of the character at `offset`."""
    before = lines_of(text[:offset])
    return Place(file, len(before), len(before[-1]) + 1)


def last_place(text: str, file: str) -> Place:
    """The place behind all that stands in the text: where what is missing at its end is missed."""
    lines = lines_of(text)
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    return Place(file, len(lines), len(lines[-1].rstrip()) + 1)

"""Foreign text within DOT: quoted strings and HTML-like labels, whatever the text holds."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scxlife.diagrams.wording import wrapped

# All but what XML 1.0 can carry, and without its line ends and C1 controls.
_UNFIT = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: A space that is kept.
SPACE = "&#160;"
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def one_line(text: str) -> str:
    """`text` without line breaks; a character that no XML can carry becomes U+FFFD."""
    return _UNFIT.sub("\ufffd", " ".join(text.split()))


def identity(name: str, index: int) -> str:
    """A quoted node name: `name` where it is plain, else one that needs no escapes and is like no plain one."""
    return f'"{name}"' if re.fullmatch(r"[A-Za-z0-9_.-]+", name) else f'":{index}"'


def tooltip(text: str) -> str:
    """`text` as a quoted string for a tooltip, where `dot` reads escapes twice: for lines, then for names."""
    return f'"{_escaped(text, 4)}"'


def html(text: str) -> str:
    """`text` for an HTML-like label, where `dot` reads escapes once and nothing at all is a syntax error."""
    return _escaped(text, 2) or " "


def _escaped(text: str, backslashes: int) -> str:
    """`text` in entities, with so many backslashes for one: `\\N` would become the node's name."""
    letters = {**_ENTITIES, "\\": "&#92;" * backslashes}
    return "".join(letters.get(letter, letter) for letter in one_line(text))


def stacked(lines: Iterable[str]) -> str:
    """Lines of HTML-like text, one below the other, flush left."""
    return "".join(f'{line}<BR ALIGN="LEFT"/>' for line in lines)


def table(rows: Iterable[str]) -> str:
    """Rows of an HTML-like table without lines."""
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">{"".join(rows)}</TABLE>'


def cell(content: str, align: str = "LEFT") -> str:
    """One row with one cell."""
    return f'<TR><TD ALIGN="{align}" BALIGN="{align}">{content}</TD></TR>'


def filled(words: Iterable[str], width: int, indent: int = 2) -> str:
    """Any words, none of them broken, in lines of about `width` characters; lines but the first are indented."""
    return f'<BR ALIGN="LEFT"/>{SPACE * indent}'.join(map(html, wrapped(words, width)))

"""A fence that names a file (`title="kettle.yaml"`) has that name above it; and JSON Lines have colours."""

from __future__ import annotations

import re

from pygments.lexers.data import JsonLexer
from sphinx.application import Sphinx

_TITLED = re.compile(r'^(`{3,})(\w+) title="([^"]+)"$', re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_lexer("jsonl", JsonLexer)
    app.connect("source-read", _caption)
    return {"parallel_read_safe": True}


def _caption(app: Sphinx, name: str, texts: list[str]) -> None:
    texts[0] = _TITLED.sub(r"\1{code-block} \2\n:caption: \3\n", texts[0])

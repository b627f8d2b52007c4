"""Links out of docs/ lead into the site as they lead into the tree on a forge.

A page links to a source as `../lifecycle/scheduler.yaml`. The site has a page for each file that is linked to, with its
text in colours or its drawing, and for each folder, with its files. A picture on a page is no link: Sphinx takes it
along by itself.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[2]
_log = logging.getLogger(__name__)
# Of `[its text](../lifecycle/scheduler.yaml)` or `[theirs](../tests/control)` the path; pages stand in docs/ itself.
_OUT = re.compile(r"(?<!!)(\[[^\]]*\]\()\.\./([^)#\s]+)")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _lead)
    app.connect("html-collect-pages", _pages)
    return {"parallel_read_safe": True}


def _lead(app: Sphinx, name: str, texts: list[str]) -> None:
    """Turn `../path` into a link of the scheme `source:`, which conf.py leads to the page of that path."""

    def turned(match: re.Match[str]) -> str:
        path = match[2].rstrip("/")
        if not (ROOT / path).exists():
            _log.warning("there is no %s", path, location=name)
        return f"{match[1]}source:{path}"

    texts[0] = _OUT.sub(turned, texts[0])


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each path that the pages link to, and for the files of a folder."""
    texts = [Path(app.env.doc2path(name)).read_text() for name in sorted(app.env.found_docs)]
    linked = {match[2].rstrip("/") for text in texts for match in _OUT.finditer(text)}
    # What is not there was told of when the page was read.
    linked = {path for path in linked if (ROOT / path).exists()}
    linked |= {inside for path in linked if (ROOT / path).is_dir() for inside in _files_in(path)}
    for path in sorted(linked):
        body = _listing(path) if (ROOT / path).is_dir() else _content(path)
        shown = html.escape(path)
        context = {"title": shown, "body": f"<h1><code>{shown}</code></h1>{body}"}
        yield f"source/{path}", context, "page.html"


def _files_in(folder: str) -> list[str]:
    return [f"{folder}/{file.name}" for file in sorted((ROOT / folder).iterdir()) if file.is_file()]


def _listing(folder: str) -> str:
    last = html.escape(PurePosixPath(folder).name)
    names = (html.escape(PurePosixPath(path).name) for path in _files_in(folder))
    items = (f'<li><a href="{last}/{name}.html"><code>{name}</code></a></li>' for name in names)
    return f"<ul>{''.join(items)}</ul>"


def _content(path: str) -> str:
    if path.endswith(".svg"):
        _, tag, rest = (ROOT / path).read_text().partition("<svg")
        return f'<div class="drawing">{tag}{rest}</div>'
    try:
        lexer = get_lexer_for_filename(path)
    except ClassNotFound:
        lexer = TextLexer()
    coloured = highlight((ROOT / path).read_text(), lexer, HtmlFormatter(nowrap=True))
    return f'<div class="highlight"><pre>{coloured}</pre></div>'

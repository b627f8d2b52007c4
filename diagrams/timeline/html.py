"""Tapes as one HTML file that asks nothing of anybody: its script draws on a canvas, and goes anywhere on the tape.

Without scripts the same file shows the picture and the moments as a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from scxlife.diagrams.document import head
from scxlife.diagrams.timeline.chart import MEANINGS, Chart, Mark, Tone, cause_of, ends_of
from scxlife.diagrams.timeline.packed import packed
from scxlife.diagrams.timeline.plain import one_line
from scxlife.diagrams.timeline.shapes import shape
from scxlife.diagrams.timeline.summary import lacking, subtitle, title
from scxlife.diagrams.timeline.svg import svg

_PAGE = Path(__file__).with_name("page")
_SCRIPTS = ("data", "scale", "draw", "tell", "input")
#: Rows of the table that stands there for who runs no scripts.
_ROWS = 500

_SHOWN = 'document.getElementById("live").hidden = false;'

_CONTROLS = """\
<div class="controls">
<button type="button" id="in" aria-label="zoom in">+</button>
<button type="button" id="out" aria-label="zoom out">−</button>
<button type="button" id="all">all</button>
<button type="button" id="previous" aria-label="previous moment">←</button>
<button type="button" id="next" aria-label="next moment">→</button>
<input type="search" id="search" placeholder="search: all words must be there" aria-label="search" autocomplete="off">
<span id="matches" class="quiet" role="status"></span>
<label><input type="checkbox" id="shorten" checked>shorten pauses</label>
</div>"""

_CHART = """\
<div class="frame">
<canvas id="chart" tabindex="0" role="application" aria-label="timeline: left and right choose a moment, up and down a
 lane, plus and minus zoom, 0 shows all" aria-describedby="panel"></canvas>
<div id="tip" hidden></div>
</div>"""

_BELOW = """\
<div class="below">
<section id="panel" aria-live="polite" aria-label="what is chosen"></section>
<section class="list" aria-label="moments in view">
<p id="counted" class="quiet"></p>
<table><thead><tr><th scope="col">time, s</th><th scope="col">lane</th><th scope="col">what</th>\
<th scope="col">cause</th></tr></thead><tbody id="rows"></tbody></table>
</section>
</div>"""

_KEYS = """\
<p class="keys quiet">Wheel or <kbd>+</kbd> <kbd>−</kbd> zoom, drag or <kbd>Shift</kbd> <kbd>←</kbd> <kbd>→</kbd> move,
<kbd>←</kbd> <kbd>→</kbd> choose a moment, <kbd>↑</kbd> <kbd>↓</kbd> another lane, <kbd>0</kbd> shows all.</p>"""


def html(charts: Sequence[Chart]) -> str:
    """An HTML document of `charts` on one axis. Equal charts give equal text."""
    script = "\n".join((_PAGE / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    lacks = [f'<p class="lacks">{_text(words)}</p>' for words in lacking(charts)]
    return "\n".join(
        [
            *head(f"{_text(title(charts))}: timeline", (_PAGE / "page.css").read_text("utf-8"), scripts=True),
            "<header>",
            f"<h1>{_text(title(charts))}</h1>",
            *(f"<p>{_text(line)}</p>" for line in subtitle(charts)),
            *lacks,
            "</header>",
            "<noscript>",
            svg(charts, document=False),
            *_table(charts),
            "</noscript>",
            '<div id="live" hidden>',
            _CONTROLS,
            _legend(),
            _CHART,
            f"<header>{_KEYS}</header>",
            _BELOW,
            "</div>",
            f'<script type="application/json" id="tape">{packed(charts)}</script>',
            f'<script>\n"use strict";\n(() => {{\n{_SHOWN}\n{script}}})();\n</script>',
            "</body>",
            "</html>",
            "",
        ]
    )


def _legend() -> str:
    items = (
        f'<li><svg viewBox="-7 -7 14 14" aria-hidden="true">{shape(tone, 0, 0)}</svg>{_text(meaning)}</li>'
        for tone, meaning in MEANINGS.items()
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _table(charts: Sequence[Chart]) -> Iterator[str]:
    begin, _ = ends_of(charts)
    found: list[tuple[float, int, int, str, Mark]] = sorted(
        (
            (mark.t, number, mark.line, lane.title, mark)
            for number, chart in enumerate(charts)
            for lane in chart.lanes
            for mark in lane.marks
        ),
        key=lambda each: each[:4],
    )
    yield "<table><thead><tr><th>time, s</th><th>lane</th><th>what</th><th>cause</th></tr></thead><tbody>"
    for t, _, _, lane, mark in found[:_ROWS]:
        tone = "" if mark.tone in (Tone.PLAIN, Tone.DUE, Tone.DROPPED) else f' class="{mark.tone}"'
        cells = (
            f"<td>{t - begin:.6f}</td><td>{lane}</td><td{tone}>{_text(mark.label)}</td><td>{_text(cause_of(mark))}</td>"
        )
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table>"
    if len(found) > _ROWS:
        yield f"<p>The first {_ROWS} of {len(found)} moments. All of them are in this file, for its script.</p>"


def _text(words: str) -> str:
    return escape(one_line(words), quote=False)

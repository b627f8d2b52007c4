"""Tapes as a still picture, as wide as a page. Pauses are shortened, and say how long they are; what could not be told
apart is drawn as one, and the picture says so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import attrs

from scxlife.diagrams.timeline.chart import GRAVEST, MEANINGS, Chart, Lane, Mark, Tone, cause_of, ends_of
from scxlife.diagrams.timeline.pauses import Pause, moments, pauses, place, scaled
from scxlife.diagrams.timeline.plain import one_line
from scxlife.diagrams.timeline.rows import Row, rows_of
from scxlife.diagrams.timeline.shapes import shape
from scxlife.diagrams.timeline.summary import lacking, subtitle, title

_WIDTH, _LEFT, _RIGHT = 960, 128, 948
_ROW, _MARKS, _NEAR = 17, 22, 8.0
_LETTER = 6.3
_PAUSE = 0.055
#: Moments that are listed below the picture, from its beginning and its end.
_LISTED = 40

_STYLE = """\
svg.tl { --page: #fff; --ink: #1a1a1a; --quiet: #4a525c; --rule: #d5dbe2; --band: #f0f2f5; --span: #cfdff5;
  --pale: #f4f7fb; --edge: #6f8cb3; --plain: #4a525c; --moved: #1f6f3a; --due: #8a5a00; --verdict: #6b2fa0;
  --failed: #b3261e; --dropped: #4a525c; }
@media (prefers-color-scheme: dark) { svg.tl { --page: #14171a; --ink: #e6e6e6; --quiet: #a5afba; --rule: #2f3740;
  --band: #1d2227; --span: #24405f; --pale: #1b232c; --edge: #5c80ab; --plain: #a5afba; --moved: #6fcf8f;
  --due: #e8b04a; --verdict: #c79bf2; --failed: #ff8a80; --dropped: #a5afba; } }
svg.tl text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg.tl text.quiet { fill: var(--quiet); }
svg.tl text.small { font-size: 10.5px; }
svg.tl text.title { font-size: 16px; font-weight: 600; }
svg.tl text.lane { font-weight: 600; }
svg.tl text.end { text-anchor: end; }
svg.tl text.middle { text-anchor: middle; }
svg.tl .page { fill: var(--page); }
svg.tl .band { fill: var(--band); }
svg.tl .rule { stroke: var(--rule); fill: none; }
svg.tl .span { fill: var(--span); stroke: var(--edge); }
svg.tl .pale { fill: var(--pale); stroke: var(--edge); }
svg.tl .open { stroke-dasharray: 3 3; }
svg.tl .tone-plain, svg.tl .tone-dropped { fill: var(--page); stroke: var(--plain); stroke-width: 1.4; }
svg.tl .tone-moved { fill: var(--moved); } svg.tl .tone-due { fill: var(--due); }
svg.tl .tone-verdict { fill: var(--verdict); }
svg.tl .tone-failed { stroke: var(--failed); stroke-width: 2.4; fill: none; }"""


def svg(charts: Sequence[Chart], *, document: bool = True) -> str:
    """An SVG of `charts` on one axis; without `document` to stand in an HTML page. Equal charts give equal text."""
    picture = _Picture(charts)
    body = "\n".join(picture.draw())
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' if document else ""
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tl" width="{_WIDTH}" height="{picture.y:.0f}" '
        f'viewBox="0 0 {_WIDTH} {picture.y:.0f}" role="img">'
    )
    style = f"<style>\n{_STYLE}\n</style>"
    page = f'<rect class="page" width="{_WIDTH}" height="{picture.y:.0f}"/>'
    return f"{head}{opening}\n<title>{_text(title(charts))}</title>\n{style}\n{page}\n{body}\n</svg>\n"


@attrs.define
class _Told:
    """How much was drawn, and as how many."""

    marks: int = 0
    shapes: int = 0
    spans: int = 0
    bars: int = 0


class _Picture:
    def __init__(self, charts: Sequence[Chart]) -> None:
        self._charts = charts
        self._begin, end = ends_of(charts)
        self._end = max(end, self._begin + 1e-6)
        self._pauses: list[Pause] = pauses(moments(charts))
        self._corners = scaled(self._begin, self._end, self._pauses, _PAUSE)
        self._told = _Told()
        self.y = 0.0

    def draw(self) -> Iterator[str]:
        self.y = 26
        yield _words(12, self.y, title(self._charts), "title", 110)
        for line in subtitle(self._charts):
            self.y += 17
            yield _words(12, self.y, line, "quiet", 150)
        for line in lacking(self._charts):
            self.y += 17
            yield _words(12, self.y, f"! {line}", "", 150)
        self.y += 30
        top = self.y
        lanes = [line for chart in self._charts for line in self._chart(chart)]
        yield from self._axis(top)
        yield from lanes
        yield from self._legend()
        yield from self._list()
        self.y += 14

    # -- the axis ----------------------------------------------------------------------------------------------

    def _x(self, t: float) -> float:
        return _LEFT + place(t, self._corners) * (_RIGHT - _LEFT)

    def _axis(self, top: float) -> Iterator[str]:
        for begin, end in self._pauses:
            x0, x1 = self._x(begin), self._x(end)
            box = f'x="{x0:.1f}" y="{top - 14:.1f}" width="{x1 - x0:.1f}" height="{self.y - top + 8:.1f}"'
            yield f'<rect class="band" {box}/>'
            yield _words((x0 + x1) / 2, top - 3, f"+{_spoken(end - begin)}", "small quiet middle")
        taken = -math.inf
        for t, words in self._ticks():
            x = self._x(t)
            yield f'<path class="rule" d="M{x:.1f} {top - 12:.1f}V{self.y - 6:.1f}"/>'
            width = len(words) * 5.6 + 8
            blocked = any(self._x(a) < x + width and self._x(b) > x for a, b in self._pauses)
            if x > taken and not blocked:
                yield _words(x + 3, top - 3, words, "small quiet")
                taken = x + width

    def _ticks(self) -> Iterator[tuple[float, str]]:
        rest = self._end - self._begin - sum(b - a for a, b in self._pauses)
        width = (_RIGHT - _LEFT) * (1 - _PAUSE * len(self._pauses))
        least = 70 * max(rest, 1e-9) / width
        power = 10.0 ** math.floor(math.log10(least))
        step = next(n * power for n in (1, 2, 5, 10) if n * power >= least * (1 - 1e-9))
        digits = max(0, min(9, math.ceil(-math.log10(step) - 1e-9)))
        edges = [self._begin, *(edge for pause in self._pauses for edge in pause), self._end]
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            first = math.ceil((begin - self._begin) / step - 1e-9)
            last = math.floor((end - self._begin) / step + 1e-9)
            for n in range(first, last + 1):
                yield self._begin + n * step, f"{n * step:.{digits}f} s"

    # -- lanes -------------------------------------------------------------------------------------------------

    def _chart(self, chart: Chart) -> Iterator[str]:
        if len(self._charts) > 1:
            self.y += 16
            yield _words(12, self.y, chart.name, "lane", 130)
            self.y += 8
        for lane in chart.lanes:
            yield from self._lane(lane)

    def _lane(self, lane: Lane) -> Iterator[str]:
        rows = rows_of(lane, self._x)
        named = any(row.name for row in rows)
        yield _words(12, self.y + 12, lane.title, "lane")
        if named:
            self.y += _ROW + 1
        for row in rows:
            yield from self._row(row)
        if lane.marks:
            yield from self._marks(lane.marks)
        self.y += 4
        yield f'<path class="rule" d="M12 {self.y:.1f}H{_RIGHT}"/>'
        self.y += 4

    def _row(self, row: Row) -> Iterator[str]:
        if row.name:
            yield _words(_LEFT - 8, self.y + 12, row.name, "end", 17)
        for number, bar in enumerate(row.bars):
            self._told.spans += bar.count
            self._told.bars += 1
            kind = ("pale" if bar.span.quiet else "span") + (" open" if bar.span.open else "")
            shown = f'<rect class="{kind}" x="{bar.left:.1f}" y="{self.y + 1:.1f}" width="{bar.right - bar.left:.1f}" '
            tip = f"{bar.span.label}, {self._when(bar.span.begin)} to {self._when(bar.span.end)}"
            tip = tip if bar.count == 1 else f"{bar.count}, the first is {tip}"
            yield f'{shown}height="{_ROW - 3}"><title>{_text(tip)}</title></rect>'
            if row.name or bar.count > 1:
                continue
            after = row.bars[number + 1].left if number + 1 < len(row.bars) else _RIGHT
            inside = bar.right - bar.left - 8 >= min(len(bar.span.label), 8) * _LETTER
            begin, end = (bar.left + 4, bar.right - 4) if inside else (bar.right + 3, after - 4)
            letters = int((end - begin) / _LETTER)
            if letters >= min(len(bar.span.label), 6):
                yield _words(begin, self.y + 12.5, bar.span.label, "", letters)
        self.y += _ROW

    def _marks(self, marks: Sequence[Mark]) -> Iterator[str]:
        clusters: list[tuple[float, list[Mark]]] = []
        for mark in marks:
            x = self._x(mark.t)
            if clusters and x - clusters[-1][0] < _NEAR:
                clusters[-1][1].append(mark)
            else:
                clusters.append((x, [mark]))
        y = self.y + _MARKS / 2
        for number, (x, found) in enumerate(clusters):
            self._told.marks += len(found)
            self._told.shapes += 1
            gravest = min(found, key=lambda mark: GRAVEST.index(mark.tone))
            tip = "\n".join(f"{self._when(mark.t)}  {one_line(mark.label, 120)}" for mark in found[:12])
            tip += f"\nand {len(found) - 12} more" if len(found) > 12 else ""
            tall = 4 if len(found) == 1 else min(8.0, 4 + math.log2(len(found)))
            yield f"<g><title>{escape(tip, quote=False)}</title>{shape(gravest.tone, x, y, tall)}</g>"
            after = clusters[number + 1][0] - 6 if number + 1 < len(clusters) else _RIGHT
            words = one_line(gravest.label) if len(found) == 1 else f"{len(found)}: {one_line(gravest.label)}"
            letters = int((after - x - 8) / _LETTER)
            if len(found) > 1 and letters < 9:
                words = str(len(found))
            if letters >= min(len(words), 6):
                yield _words(x + 7, y + 4, words, "", letters)
        self.y += _MARKS

    # -- what stands below -------------------------------------------------------------------------------------

    def _legend(self) -> Iterator[str]:
        self.y += 14
        x = 18.0
        for tone, meaning in MEANINGS.items():
            yield shape(tone, x, self.y)
            yield _words(x + 9, self.y + 4, meaning, "quiet")
            x += 32 + len(meaning) * 6.1
        for line in self._aggregated():
            self.y += 17
            yield _words(12, self.y + 4, line, "quiet")
        self.y += 12

    def _aggregated(self) -> Iterator[str]:
        told = self._told
        if told.marks > told.shapes:
            yield f"{told.marks} moments are drawn as {told.shapes}: those too close are one, with their number."
        if told.spans > told.bars:
            yield f"{told.spans} spans are drawn as {told.bars}: those that are too narrow are one."
        if self._pauses:
            yield f"The axis shortens {len(self._pauses)} pauses, in which nothing happens; + says how long they are."

    def _list(self) -> Iterator[str]:
        """The way, as lines: what led to another state, settled the end, or failed."""
        several = len(self._charts) > 1
        found = sorted(
            (
                (mark.t, number, mark.line, mark)
                for number, chart in enumerate(self._charts)
                for lane in chart.lanes
                for mark in lane.marks
                if mark.led or mark.tone == Tone.FAILED
            ),
            key=lambda each: each[:3],
        )
        shown: list[tuple[float, int, int, Mark] | None] = [*found]
        if len(found) > _LISTED:
            shown = [*found[: _LISTED // 2], None, *found[-_LISTED // 2 :]]
        for each in shown:
            self.y += 17
            if each is None:
                yield _words(74, self.y, f"⋯ {len(found) - _LISTED} more are left out here ⋯", "quiet")
                continue
            t, number, _, mark = each
            yield _words(66, self.y, f"{t - self._begin:.3f}", "end quiet")
            yield _words(76, self.y, f"{self._charts[number].name}: {mark.led}" if several else mark.led, "", 34)
            facts = dict(mark.facts)
            said = [facts.get("event", "") or mark.label, mark.label if "data.line" in facts else cause_of(mark)]
            said += [f"[{facts['verdict']}]"] if "verdict" in facts else []
            yield _words(300, self.y, " · ".join(filter(None, said)), "", 104)

    def _when(self, t: float) -> str:
        return f"{t - self._begin:.6f} s"


def _spoken(seconds: float) -> str:
    for size, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms")):
        if seconds >= size * 0.9995:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _words(x: float, y: float, words: str, kind: str = "", most: int = 200) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{_text(words, most)}</text>'


def _text(words: str, most: int = 400) -> str:
    return escape(one_line(words, most), quote=False)

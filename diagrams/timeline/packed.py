"""A chart as compact JSON for a script in a page: each text once, each list of facts once, numbers in columns."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scxlife.diagrams.timeline.chart import MEANINGS, Chart, Facts, Lane, Tone, cause_of, ends_of
from scxlife.diagrams.timeline.pauses import moments, pauses, scaled
from scxlife.diagrams.timeline.plain import visible

#: How much of the axis a shortened pause takes.
_PAUSE = 0.06
_OPEN, _QUIET = 1, 2


class _Texts:
    """Each text and each list of facts by a number, in the order of their first use."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self.facts: dict[tuple[int, ...], int] = {}

    def text(self, words: str) -> int:
        return self.texts.setdefault(words, len(self.texts))

    def all(self, facts: Facts) -> int:
        packed = tuple(self.text(words) for fact in facts for words in fact)
        return self.facts.setdefault(packed, len(self.facts))


def packed(charts: Sequence[Chart]) -> str:
    """JSON that may stand within a script element: it has no `<`, and nothing that ends a line of a script."""
    begin, end = ends_of(charts)
    texts = _Texts()
    lanes = [_lane(lane, number, begin, texts) for number, chart in enumerate(charts) for lane in chart.lanes]
    cuts = pauses(moments(charts))
    whole = {
        "tapes": [{"name": visible(chart.name)} for chart in charts],
        "tones": list(Tone),
        "meanings": [MEANINGS[tone] for tone in Tone],
        "corners": [[_after(t, begin), round(x, 9)] for t, x in scaled(begin, max(end, begin + 1e-6), cuts, _PAUSE)],
        "lanes": lanes,
        "texts": [visible(words) for words in texts.texts],
        "facts": list(texts.facts),
    }
    return json.dumps(whole, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")


def _lane(lane: Lane, number: int, begin: float, texts: _Texts) -> dict[str, object]:
    spans, marks = lane.spans, lane.marks
    return {
        "title": lane.title,
        "doc": lane.doc,
        "tape": number,
        "spans": [
            [_after(span.begin, begin) for span in spans],
            [_after(span.end, begin) for span in spans],
            [texts.text(span.label) for span in spans],
            [span.line for span in spans],
            [_OPEN * span.open + _QUIET * span.quiet for span in spans],
            [texts.all(span.facts) for span in spans],
        ],
        "marks": [
            [_after(mark.t, begin) for mark in marks],
            [texts.text(mark.label) for mark in marks],
            [mark.line for mark in marks],
            [_TONES[mark.tone] for mark in marks],
            [texts.all(mark.facts) for mark in marks],
            [texts.text(cause_of(mark)) for mark in marks],
        ],
    }


_TONES = {tone: number for number, tone in enumerate(Tone)}


def _after(t: float, begin: float) -> float:
    return round(t - begin, 9)

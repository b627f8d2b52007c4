"""The rows of a lane in a still picture, each with bars that don't overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from scxlife.diagrams.timeline.chart import Lane, Span
from scxlife.diagrams.timeline.feeds import STATE

#: States, or deadlines, beyond so many share the last row.
MOST = 18


@attrs.frozen
class Bar:
    """From `left` to `right`, in pixels. `count` spans stand there, more than one where they
    could not be told apart."""

    left: float
    right: float
    span: Span
    count: int


@attrs.frozen
class Row:
    """`name` is what all of its spans are called, where that is one thing."""

    name: str
    bars: Sequence[Bar]


def rows_of(lane: Lane, x: Callable[[float], float]) -> list[Row]:
    """Of states each has a row, in the order in which they were entered: the way of a run goes down like stairs.
    Other spans have a row for each that lasts at the same time."""
    if lane.title == STATE:
        return _by_name(lane.spans, x)
    rows: list[list[Span]] = []
    for span in lane.spans:
        free = next((row for row in rows if row[-1].end <= span.begin), None)
        if free is None and len(rows) < MOST:
            rows.append([span])
        else:
            (free if free is not None else rows[-1]).append(span)
    return [Row("", _bars(row, x)) for row in rows]


def _by_name(spans: Sequence[Span], x: Callable[[float], float]) -> list[Row]:
    named: dict[str, list[Span]] = {}
    for span in spans:
        named.setdefault(span.label, []).append(span)
    if len(named) <= MOST:
        return [Row(name, _bars(found, x)) for name, found in named.items()]
    first = dict(list(named.items())[: MOST - 1])
    others = [span for span in spans if span.label not in first]
    rest = Row(f"{len(named) - len(first)} other states", _bars(others, x))
    return [*(Row(name, _bars(found, x)) for name, found in first.items()), rest]


def _bars(spans: Sequence[Span], x: Callable[[float], float]) -> list[Bar]:
    """At least a pixel wide; those that would touch within a pixel are one."""
    bars: list[Bar] = []
    for span in spans:
        left, right = x(span.begin), x(span.end)
        right = max(right, left + 1)
        last = bars[-1] if bars else None
        if last is not None and left < last.right + 1 and (right - left < 3 or last.right - last.left < 3):
            bars[-1] = Bar(last.left, max(right, last.right), last.span, last.count + 1)
        else:
            bars.append(Bar(left, right, span, 1))
    return bars

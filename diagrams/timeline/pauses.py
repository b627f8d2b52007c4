"""Where nothing happens for long: an axis may shorten that, and what is left becomes legible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from scxlife.diagrams.timeline.chart import Chart

#: A stretch is a pause when it has more than this share of what is not shortened yet.
_SHARE = 0.2
_MOST = 6

Pause = tuple[float, float]


def moments(charts: Sequence[Chart]) -> list[float]:
    """All times in which something happens, each once."""
    found: set[float] = set()
    for chart in charts:
        found |= {chart.begin, chart.end}
        for lane in chart.lanes:
            found.update(mark.t for mark in lane.marks)
            for span in lane.spans:
                found |= {span.begin, span.end}
    return sorted(found)


def pauses(times: Iterable[float]) -> list[Pause]:
    """The longest stretches between two of the sorted `times` that are worth shortening, in their order."""
    ordered = list(times)
    if len(ordered) < 3:
        return []
    left = ordered[-1] - ordered[0]
    gaps = sorted(pairwise(ordered), key=lambda gap: (gap[0] - gap[1], gap[0]))
    found: list[Pause] = []
    for begin, end in gaps[:_MOST]:
        if end - begin <= _SHARE * left or len(found) == len(gaps) - 1:
            break
        found.append((begin, end))
        left -= end - begin
    return sorted(found)


def scaled(begin: float, end: float, cuts: Sequence[Pause], share: float) -> list[tuple[float, float]]:
    """Corners (time, place) of an axis from 0 to 1 on which each pause has `share` of the whole, and the rest of the
    time is in proportion."""
    rest = max(end - begin - sum(b - a for a, b in cuts), 1e-12)
    unit = (1 - share * len(cuts)) / rest
    corners = [(begin, 0.0)]
    for a, b in cuts:
        at = corners[-1][1] + (a - corners[-1][0]) * unit
        corners += [(a, at), (b, at + share)]
    return [*corners, (end, 1.0)]


def place(t: float, corners: Sequence[tuple[float, float]]) -> float:
    """Where a time stands on such an axis."""
    for (t0, x0), (t1, x1) in pairwise(corners):
        if t <= t1:
            return x0 + (x1 - x0) * (t - t0) / (t1 - t0) if t1 > t0 else x0
    return corners[-1][1]

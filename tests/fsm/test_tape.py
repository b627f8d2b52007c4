"""Who reads along in the same process is given records; lines are made for who reads lines, and only then."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from scxlife.fsm import Event, Runtime, Tape, loads

LAMP = loads("""\
format: 1
machine: lamp
version: 1
initial: dark
events: {press: {source: caller}}
states: {dark: {no-deadline: it rests}, lit: {no-deadline: it rests}}
rows:
  - {in: dark, on: press, to: lit}
  - {in: lit, on: press, to: dark}
""")


class Unwritable:
    """What only a line needs: a text."""

    def __str__(self) -> str:
        raise AssertionError("a line was made of it")


def run(tape: Tape, data: Mapping[str, object]) -> None:
    runtime = Runtime(LAMP, actions={}, guards={}, clock=time.monotonic, observer=tape)
    runtime.start()
    runtime.handle(Event("press", data))


def test_records_and_lines_are_the_same_in_the_same_order() -> None:
    records: list[Mapping[str, Any]] = []
    lines: list[str] = []
    run(Tape(LAMP, time.monotonic, lines.append, records=[records.append]), {"by": "hand"})
    assert [record["kind"] for record in records] == ["tape", "start", "event", "step"]
    assert [json.loads(line) for line in lines] == json.loads(
        json.dumps([dict(record) for record in records], default=list)
    )


def test_no_line_is_made_for_records_alone() -> None:
    records: list[Mapping[str, Any]] = []
    run(Tape(LAMP, time.monotonic, records=[records.append]), {"by": Unwritable()})
    assert len(records) == 4

"""docs/tape.md: its tape is one that the runtime writes, its tables name every field, its sessions print what stands
there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.docs.pages import Session, play, sessions, write_files

from scxlife.fsm.events import Event
from scxlife.fsm.loader import load
from scxlife.fsm.runtime import Runtime
from scxlife.fsm.tape import VERSION, Tape
from scxlife.fsm.tape_reader import LONGEST_LINE

PAGE = Path(__file__).parents[2] / "docs" / "tape.md"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    assert write_files(PAGE, tmp_path) == ["kettle.yaml", "kettle.tape", "replayed.py"]
    return tmp_path


def records(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "kettle.tape").read_text().splitlines()]


@pytest.mark.parametrize("session", sessions(PAGE), ids=lambda session: f"line {session.line}")
def test_a_session_prints_what_stands_on_the_page(session: Session, files: Path) -> None:
    if session.commands[0].startswith("jq ") and shutil.which("jq") is None:
        pytest.skip("jq is not installed: apt-get install jq")
    assert play(session, files) == session.output


def test_the_page_has_its_sessions() -> None:
    programs = [session.commands[0].split()[0] for session in sessions(PAGE)]
    assert programs == ["jq"] * 7 + ["scxlife", "sed", "head", "python"]


def test_the_tape_is_the_one_that_this_run_writes(files: Path) -> None:
    now, filled = 0.5, False
    lines: list[str] = []

    def beep(event: Event) -> None:
        raise OSError(5, "Input/output error")

    definition = load(files / "kettle.yaml")
    runtime = Runtime(
        definition,
        actions={"heat": lambda event: None, "rest": lambda event: None, "beep": beep},
        guards={"filled": lambda event: filled},
        clock=lambda: now,
        observer=Tape(definition, lambda: now, lines.append),
    )
    runtime.start()
    now = 1.0
    runtime.handle(Event("press", {"finger": "left"}, "button down"))
    now, filled = 2.5, True
    runtime.handle(Event("press", {"finger": "left"}, "button down"))
    now = 3.25
    runtime.handle(Event("press", {"finger": "right"}, "button down"))
    now = 6.5
    runtime.post(Event("boils", {"celsius": 100}, "thermometer readable"))
    runtime.expire(now)
    runtime.deliver()
    now = 9.0
    runtime.handle(Event("unplug", cause="plug out"))
    assert (files / "kettle.tape").read_text().splitlines() == lines


def of_a_woken_run(files: Path) -> list[dict[str, Any]]:
    """The records of a kettle that goes on from a snapshot and whose guard fails: what the page's own run has not."""
    definition = load(files / "kettle.yaml")
    lines: list[str] = []

    def fails(event: Event) -> bool:
        raise OSError(5, "no float")

    def kettle(*readers: Callable[[str], object]) -> Runtime:
        quiet = dict.fromkeys(definition.actions, lambda event: None)
        tape = Tape(definition, lambda: 0.0, *readers)
        return Runtime(definition, actions=quiet, guards={"filled": fails}, clock=lambda: 0.0, observer=tape)

    first, woken = kettle(), kettle(lines.append)
    first.start()
    woken.restore(first.snapshot())
    woken.handle(Event("press"))
    return [json.loads(line) for line in lines]


JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "whole number": int,
    "number": float,
    "text": str,
    "mapping": dict,
    "list": list,
    "text or null": (str, type(None)),
}


def test_the_tables_name_every_field_of_every_record_with_its_type_and_no_other(files: Path) -> None:
    tables: dict[str, dict[str, str]] = {}
    kind = "every"
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"\*\*`(\w+)`\*\*", line):
            kind = heading[1]
        elif row := re.match(r"\| `(\w+)` \| ([^|]+) \| .+ \|$", line):
            tables.setdefault(kind, {})[row[1]] = row[2]
    every = tables.pop("every")
    seen: dict[str, set[str]] = {}
    for record in (*records(files), *of_a_woken_run(files)):
        fields = {**every, **tables[record["kind"]]}
        for field, value in record.items():
            assert isinstance(value, JSON_TYPES[fields[field]]), (record["kind"], field)
        seen.setdefault(record["kind"], set()).update(record)
    assert seen == {kind: {*every, *fields} for kind, fields in tables.items()}


def test_the_page_names_the_version_and_the_bound_of_a_line() -> None:
    text = PAGE.read_text()
    assert f"## The format, version {VERSION}\n" in text
    assert f"at most {LONGEST_LINE >> 20} MiB" in text

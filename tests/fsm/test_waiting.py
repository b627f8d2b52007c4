"""L16: what waits for a state that takes it waits without a word: the tape has each event once, not at each change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.replay import Replay, replay
from scxlife.fsm.runtime import Runtime
from scxlife.fsm.step import rules_of
from scxlife.fsm.tape import Tape
from scxlife.fsm.tape_reader import TapeReader
from scxlife.lifecycle.options import operations

DESK = loads(
    """\
format: 1
machine: desk
version: 1
initial: idle
sources: {bell: bell}
outcomes: {shut: {}}
actions: {serve: answer it}
events:
  ask: {source: caller}
  next: {source: caller}
  stop: {source: caller}
  ring: {source: bell}
  fault: {source: action}
states:
  idle: {no-deadline: nobody asks}
  busy: {sources: bell, no-deadline: it works}
  still_busy: {sources: bell, no-deadline: it works}
  deaf: {no-deadline: the bell is off}
  shut: {final: shut}
rows:
  - {in: idle, on: next, to: busy}
  - {in: busy, on: next, to: still_busy}
  - {in: still_busy, on: next, to: busy}
  - {in: [busy, still_busy], on: ring, to: deaf}
  - {in: deaf, on: next, to: idle}
  - {in: idle, on: ask, do: serve}
  - {in: "*", on: [stop, fault], to: shut}
defer:
  - {in: [busy, still_busy, deaf], on: ask, because: one after the other}
"""
)
MANY, CHANGES = 16, 100


class Desk:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.tape = Tape(DESK, lambda: self.now, self.lines.append)
        actions = {"serve": lambda event: None}
        self.runtime = Runtime(DESK, actions=actions, guards={}, clock=lambda: self.now, observer=self.tape)
        self.runtime.start()

    def post(self, name: str, **data: Any) -> None:
        self.runtime.handle(Event(name, data))

    def steps(self, name: str) -> list[Mapping[str, Any]]:
        records = map(json.loads, self.lines)
        return [record for record in records if record["kind"] == "step" and record["event"] == name]

    def replayed(self) -> Replay:
        return replay(DESK, TapeReader(self.lines))


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.post("next")
    return made


def test_L16_who_waits_is_told_of_once_however_often_the_state_changes(desk: Desk) -> None:
    for number in range(MANY):
        desk.post("ask", number=number)
    for _ in range(CHANGES):
        desk.post("next")
    assert [step["data"]["number"] for step in desk.steps("ask")] == [*range(MANY)]
    assert [waiting.event.data["number"] for waiting in desk.runtime.snapshot().deferred] == [*range(MANY)]
    assert desk.replayed().difference is None


@pytest.mark.parametrize("waiting", [1, 4, 16])
def test_L16_records_grow_with_those_who_wait_not_with_the_changes(waiting: int, desk: Desk) -> None:
    before = len(desk.lines)
    for _ in range(waiting):
        desk.post("ask")
    for _ in range(CHANGES):
        desk.post("next")
    assert len(desk.lines) - before == 2 * waiting + 2 * CHANGES


def test_L16_it_comes_back_in_order_where_it_is_taken(desk: Desk) -> None:
    for number in range(MANY):
        desk.post("ask", number=number)
    for name in ("next", "ring", "next", "stop"):
        desk.post(name)
    taken = [step["data"]["number"] for step in desk.steps("ask") if step["cell"] == "go"]
    assert taken == [*range(MANY)]
    told = desk.replayed()
    assert (told.difference, told.outcome) == (None, "shut")


@pytest.mark.parametrize("times", [1, 3])
def test_L16_a_guard_is_asked_at_each_change_for_it_may_hold(times: int) -> None:
    definition = loads(
        """\
format: 1
machine: door
version: 1
initial: shut
guards: {free: somebody has time}
events: {ask: {source: caller}, turn: {source: caller}}
states:
  shut: {no-deadline: x}
  ajar: {no-deadline: x}
  open: {no-deadline: x}
rows:
  - {in: shut, on: turn, to: ajar}
  - {in: ajar, on: turn, to: shut}
  - {in: ajar, on: ask, if: free, to: open}
  - {in: open, on: turn, to: shut}
defer:
  - {in: shut, on: ask, because: later}
  - {in: ajar, on: ask, because: nobody has time}
ignore:
  - {in: open, on: ask, because: it is open}
"""
    )
    free, lines = [False], []
    tape = Tape(definition, lambda: 0.0, lines.append)
    machine = Runtime(definition, actions={}, guards={"free": lambda e: free[0]}, clock=lambda: 0.0, observer=tape)
    machine.start()
    machine.handle(Event("ask"))
    for _ in range(times):
        machine.handle(Event("turn"))
        machine.handle(Event("turn"))
    free[0] = True
    machine.handle(Event("turn"))
    assert machine.state == "open"
    asked = [record for record in map(json.loads, lines) if record["kind"] == "step" and record["event"] == "ask"]
    cells = Counter(record["cell"] for record in asked)
    assert cells == {"defer": 1 + times, "go": 1}
    assert replay(definition, TapeReader(lines)).difference is None


def older(lines: list[str]) -> list[str]:
    """The same run as version 1 has it: what waits is deferred once more behind each change."""
    records = [json.loads(line) for line in lines]
    waiting: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    for record in records:
        if record["kind"] == "tape":
            record["version"] = 1
        told.append(record)
        if record.get("cell") == "defer":
            waiting.append(record)
        if record.get("cell") == "go" and record["to"] != "shut":
            told += [{**step, "state": record["to"], "to": record["to"], "t": record["t"]} for step in waiting]
    return [json.dumps({**record, "seq": number}) for number, record in enumerate(told)]


def test_L16_a_tape_of_version_1_is_the_same_as_ever(desk: Desk) -> None:
    for number in range(3):
        desk.post("ask", number=number)
    for _ in range(4):
        desk.post("next")
    old = older(desk.lines)
    assert len(old) == len(desk.lines) + 3 * 4
    assert replay(DESK, TapeReader(old)).difference is None


@pytest.mark.parametrize("version", [1, 2])
def test_L16_each_version_is_held_to_its_own_rule(version: int, desk: Desk) -> None:
    desk.post("ask")
    desk.post("next")
    desk.post("next")
    lines = desk.lines if version == 1 else older(desk.lines)
    mixed = [lines[0].replace(f'"version": {3 - version}', f'"version": {version}', 1), *lines[1:]]
    assert replay(DESK, TapeReader(mixed)).difference is not None


def test_L16_requests_wait_without_a_word_in_the_shipped_operations() -> None:
    """Every request of `scxlife ctl` that waits does so unconditionally, wherever the machine goes while it is busy."""
    staying = rules_of(operations()).staying
    busy = [state for state, events in staying.items() if "restart" in events]
    assert len(busy) > 3
    for state, event in product(busy, ("attach", "replace", "restart")):
        assert event in staying[state], (state, event)

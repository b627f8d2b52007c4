"""Properties of a machine, tried against everything that can happen to it; what is found is a run that replays."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest
from hypothesis import given, note, settings
from tests.fsm.definitions import texts

from scxlife.fsm import Definition, Misuse, load, loads
from scxlife.fsm.definition import BY_ACTION, IMPOSSIBLE
from scxlife.fsm.properties import Move, Property, Violation, explore
from scxlife.fsm.replay import replay
from scxlife.fsm.tape_reader import TapeReader

ROOT = Path(__file__).parents[2]
MACHINES = ROOT / "tests" / "machines"
FILES = [*sorted(MACHINES.glob("*.yaml")), *sorted((ROOT / "lifecycle").glob("*.yaml"))]


def never(state: str) -> Property:
    def holds(_: Hashable, move: Move) -> None:
        assert move.to != state, f"{state} is reached"

    return holds


def check_tape(definition: Definition, violation: Violation) -> None:
    """Its tape is one of this definition, and tells the very moves."""
    tape = violation.tape(definition)
    replayed = replay(definition, TapeReader(tape))
    assert replayed.difference is None
    steps = [record for record in map(json.loads, tape) if record["kind"] == "step"]
    moves = [move for move in violation.moves if move.event]
    assert [(step["state"], step["event"], step["cell"], step["to"]) for step in steps] == [
        (move.state, move.event, move.kind, move.to) for move in moves
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_state_is_reached_by_a_run_whose_tape_replays(file: Path) -> None:
    definition = load(file)
    states = [state for state in definition.states if state != definition.initial]
    explored = explore(definition, {state: never(state) for state in states})
    assert explored.complete
    assert [
        violation.property for violation in explored.violations if violation.moves[-1].to != violation.property
    ] == []
    assert {violation.property for violation in explored.violations} == {*states}
    for violation in explored.violations:
        check_tape(definition, violation)


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(texts())
def test_what_is_found_of_any_definition_replays(text: str) -> None:
    note(text)
    definition = loads(text)
    explored = explore(definition, {state: never(state) for state in definition.states}, most=300)
    for violation in explored.violations:
        check_tape(definition, violation)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_the_loader_believes_impossible_is_not_come_to(file: Path) -> None:
    definition = load(file)

    def possible(_: Hashable, move: Move) -> None:
        told = definition.events[move.event].source if move.event else None
        assert move.kind != IMPOSSIBLE or told != BY_ACTION, f"{move.state} × {move.event}"

    assert explore(definition, {"possible": possible}).violations == ()


# -- a property that one wrong row breaks ----------------------------------------------------------------------------


def one_fin(sent: bool | None, move: Move) -> bool:
    """A connection sends one FIN at most."""
    did = [each.action for each in move.results if each.result == "done"]
    assert not (sent and "snd_fin" in did), "a second FIN"
    return move.to != "closed" and (bool(sent) or "snd_fin" in did)


def begun(active: bool | None, move: Move) -> bool:
    """A main process is started in an activation alone: after `begin`, and never once the service goes down."""
    did = [each.action for each in move.results if each.result == "done"]
    active = bool(active) or "begin" in did
    assert active or "start_main" not in did, "a main process without an activation"
    return active and not move.to.startswith(("stop_sig", "final_", "dead", "failed"))


BROKEN: list[tuple[str, Callable[..., Hashable], str, str, int]] = [
    (
        "tcp",
        one_fin,
        "established,  on: close,          to: fin_wait_1,",
        "established, on: close, to: established,",
        6,
    ),
    ("systemd_service", begun, "on: none_left,      to: stop_post}", "on: none_left, to: start}", 5),
]


@pytest.mark.parametrize(("name", "holds", "right", "wrong", "longest"), BROKEN, ids=[row[0] for row in BROKEN])
def test_one_wrong_row_breaks_a_property(name: str, holds: Property, right: str, wrong: str, longest: int) -> None:
    text = (MACHINES / f"{name}.yaml").read_text()
    assert text.count(right) == 1
    assert explore(loads(text), {"holds": holds}).violations == ()
    definition = loads(text.replace(right, wrong))
    (violation,) = explore(definition, {"holds": holds}).violations
    assert len(violation.moves) <= longest
    check_tape(definition, violation)


LAMP = """\
format: 1
machine: lamp
version: 1
initial: dark
settings: {soon: {value: 1s}, later: {value: 2s}}
events:
  fault: {source: action}
  press: {source: caller}
  lit: {source: action}
  dims: {timer: soon}
  burns_out: {timer: later}
actions:
  light: {doc: let current flow, posts: lit}
states:
  dark: {no-deadline: light is not needed}
  lighting: {entry: light, no-deadline: it says what came of it}
  bright: {deadlines: [dims, burns_out]}
  broken: {no-deadline: somebody has a new one some day}
rows:
  - {in: dark, on: press, to: lighting}
  - {in: lighting, on: lit, to: bright}
  - {in: lighting, on: fault, to: broken}
  - {in: bright, on: dims, to: dark}
  - {in: bright, on: burns_out, to: broken}
  - {in: broken, on: press, to: dark}
ignore:
  - {in: "*", on: "*", because: nothing to do}
"""


def test_deadlines_come_in_the_order_in_which_they_are_due() -> None:
    definition = loads(LAMP)

    def lasts(_: Hashable, move: Move) -> None:
        assert move.event != "burns_out"

    assert explore(definition, {"lasts": lasts}).violations == ()
    hasty = definition.with_settings(later=0.5)
    (violation,) = explore(hasty, {"lasts": lasts}).violations
    assert str(violation).startswith("lasts: ")
    assert [move.event for move in violation.moves] == ["press", "lit", "burns_out"]
    check_tape(hasty, violation)


def test_an_action_that_fails_is_tried_and_told() -> None:
    (violation,) = explore(loads(LAMP), {"whole": never("broken")}).violations
    assert str(violation) == "whole: broken is reached: dark press (light fails) → lighting fault → broken"


def test_a_memory_that_can_not_be_hashed_is_refused() -> None:
    with pytest.raises(Misuse, match="property 'lists' returns is hashable"):
        explore(loads(LAMP), {"lists": lambda memory, move: [move]})  # type: ignore[dict-item,return-value]


def test_what_is_too_much_to_try_is_not_called_complete() -> None:
    explored = explore(loads(LAMP), {}, most=2)
    assert (explored.complete, explored.situations) == (False, 2)

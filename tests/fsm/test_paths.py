"""Paths through a table: each can be run, and together they take every row that can be taken."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given, note, settings
from tests.fsm.definitions import texts

from scxlife.fsm import Definition, load, loads
from scxlife.fsm.definition import Cell
from scxlife.fsm.paths import Row, Step, answers_for, paths, play, rows

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "tests" / "machines").glob("*.yaml")), *sorted((ROOT / "lifecycle").glob("*.yaml"))]


def walked(definition: Definition) -> set[tuple[str, str]]:
    """Play every path; the cells whose rows were taken, as the observer was told."""
    seen: set[tuple[str, str]] = set()

    def observe(record: object) -> None:
        assert isinstance(record, dict)
        if record["kind"] == "step" and record["cell"] in ("go", "defer"):
            seen.add((record["state"], record["event"]))

    actions = {name: lambda _: None for name in definition.actions}
    for path in paths(definition).found:
        for step, state in play(definition, path, actions, observer=observe):
            assert state == step.state, str(path)
    return seen


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_row_of_a_machine_is_taken_by_a_path_that_can_be_run(file: Path) -> None:
    definition = load(file)
    found = paths(definition)
    assert found.missed == ()
    assert {row for path in found.found for (row,) in path.covers} == {*rows(definition)}
    assert walked(definition) == {(row.state, row.event) for row in rows(definition)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_pair_of_rows_is_taken_by_a_path_that_can_be_run(file: Path) -> None:
    definition = load(file)
    actions = {name: lambda _: None for name in definition.actions}
    found = paths(definition, pairs=True).found
    for path in found:
        taken = {(one.rows[0], other.rows[0]) for one, other in pairwise(path.steps)}
        assert taken.issuperset(path.covers) and path.covers
        for step, state in play(definition, path, actions):
            assert state == step.state, str(path)


@settings(derandomize=True, database=None, deadline=None, max_examples=100)
@given(texts())
def test_paths_of_any_definition_can_be_run(text: str) -> None:
    note(text)
    definition = loads(text)
    found = paths(definition)
    taken = {row for path in found.found for step in path.steps for row in step.rows}
    assert taken | {row for (row,) in found.missed} == {*rows(definition)}
    assert taken.isdisjoint(row for (row,) in found.missed)
    walked(definition)


def check_answers(definition: Definition) -> None:
    """For each branch, answers by which it is taken; none only where trying all of them finds none."""
    for cell in definition.cells.values():
        names = sorted({name for branch in cell for name, _ in branch.guards})
        possible = [dict(zip(names, answers, strict=True)) for answers in product((False, True), repeat=len(names))]
        allowed = [
            answers
            for answers in possible
            if not any(answers.get(a) is x and answers.get(b) is y for (a, x), (b, y) in definition.exclusions)
        ]

        def taken(answers: Mapping[str, bool], cell: Cell = cell) -> int:
            fits = (all(answers[name] is wanted for name, wanted in branch.guards) for branch in cell)
            return next(number for number, holds in enumerate(fits) if holds)

        reached = {taken(answers) for answers in allowed}
        for number in range(len(cell)):
            found = answers_for(definition, cell, number)
            assert (found is not None) == (number in reached)
            assert found is None or (found in allowed and taken(found) == number)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_answers_lead_to_the_branch_they_were_asked_for(file: Path) -> None:
    check_answers(load(file))


@settings(derandomize=True, database=None, deadline=None, max_examples=100)
@given(texts())
def test_answers_lead_to_the_branch_they_were_asked_for_in_any_definition(text: str) -> None:
    note(text)
    check_answers(loads(text))


def test_answers_keep_every_branch_before_theirs_from_being_taken() -> None:
    rows = """rows:
  - {in: shut, on: knock, if: friend, to: open}
  - {in: shut, on: knock, unless: known, to: asking}
  - {in: shut, on: knock, unless: friend, if: late, to: shut}
  - {in: asking, on: [turn, tired], to: shut}
  - {in: open, on: turn, to: shut}
ignore:
  - {in: "*", on: "*", because: nothing to do}
"""
    guards = "guards: {friend: one of ours, known: somebody we know, late: it is night}\n"
    definition = loads(
        TABLE[: TABLE.index("guards:")] + guards + TABLE[TABLE.index("states:") : TABLE.index("rows:")] + rows
    )
    assert answers_for(definition, definition.cells["shut", "knock"], 2) == {
        "friend": False,
        "known": True,
        "late": True,
    }
    check_answers(definition)


TABLE = """
format: 1
machine: latch
version: 1
initial: shut
settings:
  patience: {value: 5s}
events:
  knock: {source: caller}
  turn: {source: caller}
  tired: {timer: patience}
guards:
  friend: one of ours
  foe: {doc: none of ours, opposite: friend}
states:
  shut: {no-deadline: somebody knocks some day}
  asking: {deadlines: tired}
  open: {no-deadline: somebody turns it some day}
rows:
  - {in: shut, on: knock, to: asking}
  - {in: asking, on: turn, if: friend, to: open}
  - {in: asking, on: turn, if: foe, to: shut}
  - {in: asking, on: tired, to: shut}
  - {in: open, on: turn, to: shut}
ignore:
  - {in: shut, on: turn, because: it is locked}
  - {in: open, on: knock, because: it is open}
defer:
  - {in: asking, on: knock, because: one at a time}
"""


def test_a_path_says_which_answers_its_guards_give_and_what_follows() -> None:
    found = [str(path) for path in paths(loads(TABLE)).found]
    assert "shut knock → asking turn [friend] → open turn → shut" in found
    assert "shut knock → asking turn [not friend, foe] → shut" in found
    # What was deferred comes back where it is taken: one step, two rows.
    steps = [step for path in paths(loads(TABLE), pairs=True).found for step in path.steps]
    assert Step("tired", {}, (Row("asking", "tired", 0), Row("shut", "knock", 0)), "asking", deadline=True) in steps


def test_a_row_that_no_guard_can_choose_is_missed_and_named() -> None:
    definition = loads(TABLE)
    cell = definition.cells["asking", "turn"]
    assert answers_for(definition, cell, 0) == {"friend": True, "foe": False}
    assert answers_for(definition, cell, 1) == {"friend": False, "foe": True}
    # Neither of two opposites: the loader has made that branch impossible.
    assert answers_for(definition, cell, 2) is None


def test_a_deadline_is_a_step_that_needs_no_waiting() -> None:
    definition = loads(TABLE)
    (path,) = [path for path in paths(definition).found if path.steps[-1].event == "tired" and len(path.steps) == 2]
    assert path.steps[-1] == Step("tired", {}, (Row("asking", "tired", 0),), "shut", deadline=True)
    assert [state for _, state in play(definition, path, {})] == ["asking", "shut"]

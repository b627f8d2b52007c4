"""A definition that can't be trusted is refused, at the line and column of its mistake."""

from __future__ import annotations

import pytest

from scxlife.fsm.loader import loads
from scxlife.fsm.problems import DefinitionError

DOOR = """\
format: 1
machine: door
version: 1
initial: shut
events:
  push: {source: caller}
  pull: {source: caller}
  slam: {timer: patience}
settings:
  patience: {value: 5s}
outcomes:
  broken: {}
guards:
  unlocked: the key was turned
actions:
  squeak: it needs oil
events_: {}
states:
  shut: {no-deadline: a door may stay shut}
  open: {entry: squeak, deadlines: slam}
  broken: {final: broken}
rows:
  - {in: shut, on: push, if: unlocked, to: open}
  - {in: open, on: pull, to: shut}
  - {in: open, on: slam, to: broken}
ignore:
  - {in: shut, on: push, because: it is locked}
  - {in: shut, on: pull, because: it opens the other way}
  - {in: open, on: push, because: it is open}
  - {in: "*", on: fault, because: a squeak may fail}
""".replace("events_: {}\n", "").replace("  slam: {timer", "  fault: {source: action}\n  slam: {timer")


def test_the_sound_definition_loads_and_is_total() -> None:
    definition = loads(DOOR, "door.yaml")
    assert set(definition.cells) == {(s, e) for s in definition.states for e in definition.events}
    assert all(cell and not cell[-1].guards for cell in definition.cells.values())


def place(text: str, needle: str, inside: str = "") -> tuple[int, int]:
    """Line and column, from 1, of `inside` within the line that holds `needle`."""
    for number, line in enumerate(text.splitlines(), 1):
        if needle in line:
            return number, line.index(inside or needle) + 1
    raise AssertionError(needle)


@pytest.mark.parametrize(
    ("old", "new", "code", "says", "at"),
    [
        ("to: open}", "to: opne}", "unknown-state", "did you mean 'open'", "to: opne"),
        ("on: pull, to", "on: pul, to", "unknown-event", "did you mean 'pull'", "on: pul,"),
        ("if: unlocked", "if: unloked", "unknown-guard", "did you mean 'unlocked'", "if: unloked"),
        ("entry: squeak", "entry: sqeak", "unknown-action", "did you mean 'squeak'", "entry: sqeak"),
        ("timer: patience", "timer: patients", "unknown-setting", "did you mean", "timer: patients"),
        ("no-deadline: a", "no-dedline: a", "unknown-key", "did you mean 'no-deadline'", "no-dedline"),
        ("version: 1", "version: one", "wrong-type", "a whole number", "version: one"),
        ("initial: shut\n", "", "missing-key", "'initial'", "format: 1"),
        ("version: 1\n", "version: 1\nversion: 2\n", "duplicate-key", "line 3", "version: 2"),
        ("  - {in: open, on: push, because: it is open}\n", "", "missing-cell", "open × push", "open: {entry"),
        ("  - {in: shut, on: push, because: it is locked}\n", "", "missing-cell", "every row has a guard", "shut: {no"),
        ("because: it is open}", "because: it is open}\n  - {in: broken, on: push, because: over}", "row-out-of-final",
         "final", "in: broken"),
        ("to: shut}", "to: shut}\n  - {in: open, on: pull, to: broken}", "overlapping-rows", "settled already",
         "{in: open, on: pull, to: broken}"),
        ("{no-deadline: a door may stay shut}", "{doc: nothing}", "no-deadline", "names no deadline", "shut: {doc"),
        ("  broken: {final", "  attic: {no-deadline: never}\n  broken: {final", "unreachable", "attic", "attic: {"),
        ("  unlocked: the key was turned", "  unlocked: the key was turned\n  windy: never", "unused-guard", "windy",
         "windy: never"),
        ("deadlines: slam", "no-deadline: none", "unarmed-timer", "slam", "slam: {timer"),
        ("value: 5s", "value: 5 parsecs", "wrong-type", "50ms", "value: 5 parsecs"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_where_it_stands(old: str, new: str, code: str, says: str, at: str) -> None:
    text = DOOR.replace(old, new, 1)
    assert text != DOOR
    with pytest.raises(DefinitionError) as caught:
        loads(text, "door.yaml")
    found = [problem for problem in caught.value.problems if problem.code == code and says in problem.message]
    assert found, str(caught.value)
    assert found[0].place.line == place(text, at)[0]
    assert found[0].place.file == "door.yaml"


def test_the_column_is_that_of_the_key() -> None:
    text = DOOR.replace("to: open}", "to: opne}")
    with pytest.raises(DefinitionError) as caught:
        loads(text, "door.yaml")
    first = caught.value.problems[0]
    assert (first.place.line, first.place.column) == place(text, "to: opne", "to:")
    assert str(first).startswith(f"door.yaml:{first.place.line}:{first.place.column}: unknown-state ")


def test_several_mistakes_are_told_in_one_run() -> None:
    text = DOOR.replace("to: open}", "to: opne}").replace("on: pull, to", "on: pul, to")
    with pytest.raises(DefinitionError) as caught:
        loads(text)
    assert {problem.code for problem in caught.value.problems} >= {"unknown-state", "unknown-event"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not-utf8"),
        (b"a: [", "yaml-syntax"),
        (b"a: 1\n---\nb: 2\n", "yaml-syntax"),
        (b"machine: !!python/object/apply:os.system [true]\n", "yaml-tag"),
        (b"[" * 2000 + b"]" * 2000, "too-deep"),
        (b"just text", "wrong-type"),
    ],
)
def test_a_hostile_file_ends_in_an_error(text: bytes, code: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        loads(text)
    assert code in {problem.code for problem in caught.value.problems}


def test_an_alias_bomb_costs_no_more_than_its_refusal() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(DefinitionError) as caught:
        loads("\n".join(lines))
    assert "too-large" in {problem.code for problem in caught.value.problems}

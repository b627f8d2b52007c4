"""A definition that can't be trusted is refused when it is loaded, at the line and column of its mistake."""

from __future__ import annotations

from typing import Any

import pytest
from transitions import Machine

from scxlife.fsm.lint import check_text
from scxlife.fsm.loader import loads
from scxlife.fsm.problems import DefinitionError, Problem
from scxlife.fsm.runtime import Runtime

DOOR = """\
format: 1
machine: door
version: 1
initial: shut
events:
  push: {source: caller}
  pull: {source: caller}
  fault: {source: action}
  slam: {timer: patience}
settings:
  patience: {value: 5s}
outcomes:
  broken: {}
guards:
  unlocked: the key was turned
actions:
  squeak: it needs oil
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
"""


def refused(text: str, code: str) -> Problem:
    """The finding with this code, with which `text` is refused."""
    with pytest.raises(DefinitionError) as caught:
        loads(text, "door.yaml")
    return next(problem for problem in caught.value.problems if problem.code == code)


def changed(old: str, new: str) -> str:
    assert DOOR.count(old) == 1, old
    return DOOR.replace(old, new)


def test_the_sound_definition_loads_and_is_total() -> None:
    definition = loads(DOOR, "door.yaml")
    assert set(definition.cells) == {(s, e) for s in definition.states for e in definition.events}
    assert all(cell and not cell[-1].guards for cell in definition.cells.values())


@pytest.mark.parametrize(
    ("old", "new", "code", "says", "at"),
    [
        ("to: open}", "to: opne}", "unknown-state", "did you mean 'open'", "opne}"),
        ("on: pull, to", "on: pul, to", "unknown-event", "did you mean 'pull'", "pul, to"),
        ("if: unlocked", "if: unloked", "unknown-guard", "did you mean 'unlocked'", "unloked"),
        ("entry: squeak", "entry: squak", "unknown-action", "did you mean 'squeak'", "squak"),
        ("final: broken", "final: brokn", "unknown-outcome", "did you mean 'broken'", "brokn"),
        ("timer: patience", "timer: patienc", "unknown-setting", "did you mean 'patience'", "patienc}"),
        ("push: {source: caller}", "push: {source: button}", "unknown-source", "action, caller", "button"),
        ("no-deadline: a", "no-dedline: a", "unknown-key", "did you mean 'no-deadline'", "no-dedline"),
        ("version: 1", "version: one", "wrong-type", "a whole number", "one\n"),
        ("initial: shut\n", "", "missing-key", "'initial'", "format: 1"),
        ("version: 1\n", "version: 1\nversion: 2\n", "duplicate-key", "line 3", "version: 2"),
        ("  - {in: open, on: push, because: it is open}\n", "", "missing-cell", "'open' says nothing of push",
         "open: {"),
        ("  - {in: shut, on: push, because: it is locked}\n", "", "missing-cell", "not unlocked", "shut: {no"),
        ("because: it is open}", "because: it is open}\n  - {in: broken, on: push, because: over}", "row-out-of-final",
         "final", "broken, on: push"),
        ("to: shut}", "to: shut}\n  - {in: open, on: pull, to: broken}", "overlapping-rows", "settled already",
         "{in: open, on: pull, to: broken}"),
        ("{no-deadline: a door may stay shut}", "{doc: nothing}", "no-deadline", "names no deadline", "shut: {doc"),
        ("  broken: {final", "  attic: {no-deadline: never}\n  broken: {final", "unreachable", "attic", "attic: {"),
        ("deadlines: slam", "no-deadline: none", "unarmed-timer", "slam", "slam: {timer"),
        ("value: 5s", "value: 5 parsecs", "wrong-type", "50ms", "5 parsecs"),
        ("format: 1", "format: 2", "unknown-format", "reads format 1", "2\n"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_where_it_stands(old: str, new: str, code: str, says: str, at: str) -> None:
    text = changed(old, new)
    found = refused(text, code)
    before = text[: text.index(at)]
    assert says in found.message
    assert found.place.file == "door.yaml"
    assert (found.place.line, found.place.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert str(found).startswith(f"door.yaml:{found.place.line}:{found.place.column}: {code} ")


def test_several_mistakes_are_told_in_one_run() -> None:
    text = changed("to: open}", "to: opne}").replace("on: pull, to", "on: pul, to")
    with pytest.raises(DefinitionError) as caught:
        loads(text)
    assert [problem.code for problem in caught.value.problems] == ["unknown-state", "unknown-event"]


@pytest.mark.parametrize(
    ("section", "name", "code"),
    [
        ("guards:\n", "windy", "unused-guard"),
        ("actions:\n", "polish", "unused-action"),
        ("outcomes:\n", "sold", "unused-outcome"),
    ],
)
def test_what_is_unused_is_a_warning_and_stops_nothing(section: str, name: str, code: str) -> None:
    text = changed(section, f"{section}  {name}: {'{}' if section.startswith('out') else 'why not'}\n")
    assert [problem.code for problem in check_text(text).problems] == [code]
    assert loads(text).cells == loads(DOOR).cells


def test_a_second_document_is_refused() -> None:
    assert refused("a: 1\n---\nb: 2\n", "several-documents").place.line == 2


# -- what other libraries find when it is fired, if at all --------------------------------------------------------
#
# Eight mistakes that are refused here before anything runs. Beside each stands what `transitions`, which this engine
# builds on, does with it: it builds the machine without a word.


class Model:
    """A door's state for `transitions`."""

    state: str


def peer(*transitions: dict[str, object], states: tuple[str, ...] = ("shut", "open", "broken")) -> Any:
    return Machine(Model(), states=list(states), transitions=list(transitions), initial="shut", auto_transitions=False)


def test_an_unknown_target_is_refused() -> None:
    assert refused(changed("to: open}", "to: ajar}"), "unknown-state").message.startswith("unknown state 'ajar'")
    machine = peer({"trigger": "push", "source": "shut", "dest": "ajar"})
    with pytest.raises(ValueError, match="ajar"):
        machine.model.push()  # not before it is pushed


def test_an_unreachable_state_is_refused() -> None:
    assert (
        "attic"
        in refused(changed("  broken: {final", "  attic: {no-deadline: x}\n  broken: {final"), "unreachable").message
    )
    assert "attic" in peer(states=("shut", "attic")).states


def test_a_dead_end_is_refused() -> None:
    text = changed("  - {in: open, on: pull, to: shut}\n  - {in: open, on: slam, to: broken}\n", "")
    text = text.replace("deadlines: slam", "no-deadline: x").replace(
        "on: push, because: it is o", "on: '*', because: it is o"
    )
    assert "'open' is never left" in refused(text, "dead-end").message
    machine = peer({"trigger": "push", "source": "shut", "dest": "open"})
    machine.model.push()
    assert machine.get_triggers("open") == []


def test_two_rows_for_one_cell_are_refused() -> None:
    text = changed("to: shut}", "to: shut}\n  - {in: open, on: pull, to: broken}")
    assert "says something else" in refused(text, "overlapping-rows").message
    machine = peer(
        {"trigger": "push", "source": "shut", "dest": "open"}, {"trigger": "push", "source": "shut", "dest": "broken"}
    )
    machine.model.push()
    assert machine.model.state == "open"  # the second one is never taken


def test_a_row_out_of_a_final_state_is_refused() -> None:
    text = changed("to: shut}", "to: shut}\n  - {in: broken, on: pull, to: shut}")
    assert "nothing follows it" in refused(text, "row-out-of-final").message
    machine: Any = Machine(
        Model(), states=["shut", {"name": "broken", "final": True}], initial="broken", auto_transitions=False
    )
    machine.add_transition("pull", "broken", "shut")
    machine.model.pull()
    assert machine.model.state == "shut"  # and the end was none


def test_a_missing_callback_is_refused_before_the_machine_starts() -> None:
    with pytest.raises(KeyError, match="no action is given for squeak"):
        Runtime(loads(DOOR), actions={}, guards={"unlocked": lambda _: True}, clock=lambda: 0.0)
    with pytest.raises(KeyError, match="no guard is given for unlocked"):
        Runtime(loads(DOOR), actions={"squeak": lambda _: None}, guards={}, clock=lambda: 0.0)
    machine = peer({"trigger": "push", "source": "shut", "dest": "open", "after": "squeak"})
    with pytest.raises(AttributeError, match="squeak"):
        machine.model.push()
    assert machine.model.state == "open"  # half of the transition has happened


def test_a_key_that_stands_twice_is_refused() -> None:
    text = changed("  open: {entry: squeak", "  shut: {no-deadline: x}\n  open: {entry: squeak")
    assert "line 19" in refused(text, "duplicate-key").message
    assert len(peer(states=("shut", "open", "shut")).states) == 2  # the last one counts


def test_a_misspelt_event_is_refused() -> None:
    assert "did you mean 'pull'" in refused(changed("on: pull, to", "on: pul, to"), "unknown-event").message
    machine = peer({"trigger": "pul", "source": "open", "dest": "shut"})
    assert machine.model.may_pul() is False  # an event like any other

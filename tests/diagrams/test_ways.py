"""What a label says of when an arrow is taken."""

from __future__ import annotations

from itertools import product

import pytest

from scxlife.diagrams.ways import ways_through
from scxlife.fsm.decision import decide
from scxlife.fsm.definition import GO, IGNORE, Branch, Cell, Decision, Definition, Event, State

EVENT = Event("e", 0, source="caller")


def branch(condition: str, target: str) -> Branch:
    """`a !b` as guards; the target `-` is a cell that ignores."""
    guards = tuple((word.lstrip("!"), not word.startswith("!")) for word in condition.split())
    ignored = target == "-"
    decision = Decision(
        "here", "e", IGNORE if ignored else GO, "here" if ignored else target, ignored, (), None, condition
    )
    return Branch(guards, decision)


def cell(text: str) -> Cell:
    """`a !b: X; : Y` as a cell."""
    rows = [row.split(":") for row in text.split(";")]
    return tuple(branch(condition.strip(), target.strip()) for condition, target in rows)


CELLS = {
    ": X": ["e → X"],
    "a: X; : Y": ["e [a] → X", "e [not a] → Y"],
    "!a: X; : Y": ["e [not a] → X", "e [a] → Y"],
    "a b: X; : Y": ["e [a, b] → X", "e [else] → Y"],
    "a b: X; a: Y; : Z": ["e [a, b] → X", "e [a, not b] → Y", "e [not a] → Z"],
    "a b: X; c: Y; : Z": ["e [a, b] → X", "e [c, else] → Y", "e [not c, else] → Z"],
    "a: X; b: Y; : Z": ["e [a] → X", "e [b, not a] → Y", "e [not a, not b] → Z"],
    # The same state whatever the guard says: the guard is no condition of the arrow.
    "a: X; : X": ["e → X"],
    "a: X; b: X; : Y": ["e [a] → X", "e [b] → X", "e [not a, not b] → Y"],
    "b: Y; a !b: X; a: X; : Z": ["e [b] → Y", "e [a, not b] → X", "e [not b, not a] → Z"],
    "b: Y; !b a: X; a: X; : Z": ["e [b] → Y", "e [not b, a] → X", "e [not b, not a] → Z"],
    "c: Y; a b: X; : Y": ["e [c] → Y", "e [a, b, not c] → X", "e [else] → Y"],
    # A branch that is never reached is not drawn.
    "a: X; a b: Y; : Z": ["e [a] → X", "e [not a] → Z"],
    "a: X; : -": ["e [a] → X", "e [not a] → here"],
}


@pytest.mark.parametrize(("text", "labels"), CELLS.items())
def test_a_label_says_under_which_guards_its_arrow_is_taken(text: str, labels: list[str]) -> None:
    assert [f"{way.label} → {way.target}" for way in ways_through(EVENT, cell(text))] == labels


@pytest.mark.parametrize("text", CELLS)
def test_the_labels_tell_the_same_as_the_engine_decides(text: str) -> None:
    """For every value of the guards: the engine's choice is among the ways whose guards hold, and every other such
    way says `else`."""
    table = cell(text)
    names = ("here", "X", "Y", "Z")
    definition = Definition(
        "m", 1, "", "here", {n: State(n) for n in names}, {"e": EVENT}, {("here", "e"): table}, {}, {}, {}, {}, {}
    )
    for values in product((True, False), repeat=3):
        guards = dict(zip("abc", values, strict=True))
        chosen = decide(definition, "here", "e", guards)
        holding = [
            way for way in ways_through(EVENT, table) if all(guards[name] is wanted for name, wanted in way.guards)
        ]
        assert chosen in [branch.decision for way in holding for branch in way.branches]
        assert all(way.otherwise or way.target == chosen.target for way in holding)


def test_a_way_that_stands_for_several_branches_keeps_them_all() -> None:
    (way,) = ways_through(EVENT, cell("a: X; b: X; : X"))
    assert [branch.decision.reason for branch in way.branches] == ["a", "b", ""]

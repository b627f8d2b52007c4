"""Guards that are declared to be opposites, or to exclude each other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scxlife.diagrams.graph import graph_of
from scxlife.fsm.decision import decide
from scxlife.fsm.definition import GO, IMPOSSIBLE, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.frozen import freeze, thaw
from scxlife.fsm.lint import check_text
from scxlife.fsm.loader import loads
from scxlife.fsm.runtime import MachineError, Runtime

HEAD = """\
format: 1
machine: bottle
version: 1
initial: standing
events: {lift: {source: caller}}
states:
  standing: {no-deadline: it stands}
  poured: {no-deadline: it stands}
  returned: {no-deadline: it stands}
"""
BACK = "  - {in: [poured, returned], on: lift, to: standing}\n"
OPPOSITE = "guards: {filled: something is in it, empty: {doc: nothing is in it, opposite: filled}}\n"
APART = "guards: {red: {excludes: [green, blue]}, green: it is, blue: {excludes: green}}\n"
FILLED = "rows:\n  - {in: standing, on: lift, if: filled, to: poured}\n"
EMPTY = "  - {in: standing, on: lift, if: empty, to: returned}\n"


def found(text: str) -> list[tuple[str, str]]:
    return [(problem.code, problem.message) for problem in check_text(text).problems]


def bottle(text: str, **answers: Callable[[Event], bool]) -> Runtime:
    runtime = Runtime(loads(text), actions={}, guards=answers, clock=lambda: 0.0)
    runtime.start()
    return runtime


def test_a_cell_with_a_row_for_each_of_two_opposites_is_complete() -> None:
    assert found(HEAD + OPPOSITE + FILLED + EMPTY + BACK) == []


def test_without_the_declaration_the_cell_is_not_complete() -> None:
    undeclared = "guards: {filled: something is in it, empty: nothing is in it}\n"
    assert [code for code, _ in found(HEAD + undeclared + FILLED + EMPTY + BACK)] == ["missing-cell"]


def test_a_cell_without_one_of_the_opposites_is_missing_when_that_one_holds() -> None:
    ((code, message),) = [
        problem
        for problem in found(HEAD + OPPOSITE + FILLED + BACK + EMPTY.replace("standing,", "poured,"))
        if problem[0] == "missing-cell"
    ]
    assert (code, message.partition(";")[0]) == ("missing-cell", "standing × lift: no row when not filled")


@pytest.mark.parametrize(
    "row",
    [
        "  - {in: standing, on: lift, to: standing}\n",
        "  - {in: standing, on: lift, unless: filled, to: standing}\n",
        "  - {in: standing, on: lift, unless: empty, to: standing}\n",
    ],
)
def test_a_row_behind_both_opposites_is_never_taken(row: str) -> None:
    assert [code for code, _ in found(HEAD + OPPOSITE + FILLED + EMPTY + row + BACK)] == ["shadowed-row"]


@pytest.mark.parametrize(
    ("guards", "says"),
    [
        ("if: [filled, empty]", "guards 'empty' and 'filled' are never both true: the row is never taken"),
        ("unless: [filled, empty]", "guards 'empty' and 'filled' are never both false: the row is never taken"),
    ],
)
def test_a_row_that_wants_the_same_of_opposites_is_refused(guards: str, says: str) -> None:
    row = f"  - {{in: standing, on: lift, {guards}, to: standing}}\n"
    assert found(HEAD + OPPOSITE + FILLED + EMPTY + row + BACK) == [("contradictory-guards", says)]


def test_guards_that_exclude_each_other_may_all_be_false() -> None:
    rows = "rows:\n" + "".join(
        f"  - {{in: standing, on: lift, if: {g}, to: poured}}\n" for g in ("red", "green", "blue")
    )
    ((code, message),) = found(HEAD + APART + rows + BACK + "  - {in: standing, on: lift, if: [red], to: returned}\n")[
        :1
    ]
    assert code == "missing-cell"
    assert "no row when not blue and not green and not red" in message


def test_a_row_for_one_of_two_that_exclude_each_other_needs_no_unless() -> None:
    rows = (
        "rows:\n"
        "  - {in: standing, on: lift, if: red, to: poured}\n"
        "  - {in: standing, on: lift, if: green, unless: red, to: returned}\n"
        "  - {in: standing, on: lift, if: blue, to: returned}\n"
        "  - {in: standing, on: lift}\n"
    )
    assert found(HEAD + APART + rows + BACK) == []
    asked = rows.replace("if: blue", "if: [blue, red]")
    assert [code for code, _ in found(HEAD + APART + asked + BACK)] == ["contradictory-guards"]


@pytest.mark.parametrize("key", ["opposite", "excludes"])
def test_a_guard_that_is_named_apart_from_itself_is_refused(key: str) -> None:
    guards = f"guards: {{filled: it is, empty: {{{key}: empty}}}}\n"
    (code, _), *_ = found(HEAD + guards + FILLED + EMPTY + BACK)
    assert code == "contradictory-guards"


def test_three_opposites_of_one_another_leave_no_answer() -> None:
    guards = "guards: {filled: {opposite: empty}, empty: {opposite: half}, half: {opposite: filled}}\n"
    half = "  - {in: standing, on: lift, if: half}\n"
    (code, message), *_ = found(HEAD + guards + FILLED + EMPTY + half + BACK)
    assert (code, message) == (
        "contradictory-guards",
        "no answers of empty, filled, half are left by what their declarations exclude",
    )


def test_a_guard_that_only_declarations_name_is_unused() -> None:
    unused = "guards: {filled: it is, empty: {opposite: filled, excludes: half}, half: it is}\n"
    assert [code for code, _ in found(HEAD + unused + FILLED + EMPTY + BACK)] == ["unused-guard"]


def test_an_opposite_that_is_not_declared_is_told() -> None:
    guards = "guards: {filled: it is, empty: {opposite: fulled}}\n"
    assert found(HEAD + guards + FILLED + EMPTY + BACK) == [
        ("unknown-guard", "unknown guard 'fulled'; did you mean 'filled'?")
    ]


def test_each_of_the_opposites_leads_its_way() -> None:
    for filled, state in ((True, "poured"), (False, "returned")):
        runtime = bottle(
            HEAD + OPPOSITE + FILLED + EMPTY + BACK,
            filled=lambda event, filled=filled: filled,  # type: ignore[misc]
            empty=lambda event, filled=filled: not filled,  # type: ignore[misc]
        )
        runtime.handle(Event("lift"))
        assert runtime.state == state


def test_answers_against_the_declaration_are_an_error_and_change_nothing() -> None:
    runtime = bottle(HEAD + OPPOSITE + FILLED + EMPTY + BACK, filled=lambda event: False, empty=lambda event: False)
    with pytest.raises(MachineError, match="its guards answered what is excluded: not empty and not filled"):
        runtime.handle(Event("lift"))
    assert runtime.state == "standing"


def posted() -> Definition:
    """The same bottle, lifted by an action: what actions post is explored."""
    text = HEAD + OPPOSITE + FILLED + EMPTY + BACK
    text = text.replace(
        "events: {lift: {source: caller}}",
        "events: {lift: {source: action}, fault: {source: action}, go: {source: caller}}\n"
        "actions: {hand: {posts: lift}}",
    )
    return loads(text + "  - {in: '*', on: go, do: hand}\nignore: [{in: '*', on: fault, because: x}]\n")


def test_the_branch_for_excluded_answers_is_not_held_to_be_reached() -> None:
    cell = posted().cells["standing", "lift"]
    assert [branch.decision.kind for branch in cell] == [GO, GO, IMPOSSIBLE]


def test_a_frozen_definition_keeps_what_its_guards_exclude() -> None:
    definition = posted()
    assert definition.exclusions == ((("empty", True), ("filled", True)), (("empty", False), ("filled", False)))
    assert thaw(freeze(definition)) == definition


def test_a_drawing_does_not_repeat_what_follows() -> None:
    graph = graph_of(loads(HEAD + OPPOSITE + FILLED + EMPTY + BACK))
    labels = {(arrow.source, arrow.target): [way.label for way in arrow.ways] for arrow in graph.arrows}
    assert labels["standing", "poured"] == ["lift [filled]"]
    assert labels["standing", "returned"] == ["lift [empty]"]


GUARDS = ("a", "b", "c")
Answers = tuple[tuple[str, bool], ...]
answers = st.dictionaries(st.sampled_from(GUARDS), st.booleans(), max_size=3).map(lambda row: tuple(row.items()))
pairs = st.tuples(st.sampled_from(GUARDS), st.sampled_from(GUARDS)).filter(lambda pair: pair[0] < pair[1])


def row_of(asked: Answers, number: int) -> str:
    held = ", ".join(name for name, holds in asked if holds)
    not_held = ", ".join(name for name, holds in asked if not holds)
    return f"  - {{in: standing, on: lift, if: [{held}], unless: [{not_held}], do: act{number}}}\n"


@given(rows=st.lists(answers, min_size=1, max_size=5, unique=True), opposite=st.none() | pairs, apart=st.none() | pairs)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_what_is_found_is_what_trying_every_answer_finds(
    rows: list[Answers], opposite: tuple[str, str] | None, apart: tuple[str, str] | None
) -> None:
    """Rows and declarations at random, against all eight answers of three guards, tried one by one."""
    said: dict[str, list[str]] = {name: ["doc: x"] for name in GUARDS}
    if opposite is not None:
        said[opposite[1]].append(f"opposite: {opposite[0]}")
    if apart is not None:
        said[apart[0]].append(f"excludes: {apart[1]}")
    text = HEAD.replace("events: {", "events: {fault: {source: action}, ")
    text += f"actions: {{{', '.join(f'act{number}: x' for number in range(len(rows)))}}}\n"
    text += "guards:\n" + "".join(f"  {name}: {{{', '.join(parts)}}}\n" for name, parts in said.items())
    text += "rows:\n" + "".join(row_of(asked, number) for number, asked in enumerate(rows))
    # Both other states are reached, and guards that no row names are a warning.
    text += "  - {in: standing, on: fault, to: poured}\n  - {in: poured, on: fault, to: returned}\n" + BACK
    text += "ignore: [{in: returned, on: fault, because: x}]\n"

    # A row without guards is asked behind those with some.
    order = sorted(range(len(rows)), key=lambda number: not rows[number])
    every = [dict(zip(GUARDS, values, strict=True)) for values in product((True, False), repeat=3)]
    allowed = [
        answer
        for answer in every
        if not (opposite and answer[opposite[0]] is answer[opposite[1]])
        and not (apart and answer[apart[0]] and answer[apart[1]])
    ]
    first = {
        tuple(answer.values()): next(
            (number for number in order if all(answer[name] is holds for name, holds in rows[number])), None
        )
        for answer in every
    }
    taken = {first[tuple(answer.values())] for answer in allowed}
    sound = None not in taken and taken == set(range(len(rows)))
    report = check_text(text)
    assert (report.definition is not None) is sound, report.problems
    if report.definition is not None:
        for answer in every:
            decision = decide(report.definition, "standing", "lift", answer)
            number = first[tuple(answer.values())]
            if answer in allowed or number is not None:
                assert decision.actions == (f"act{number}",)
            else:
                assert decision.kind == IMPOSSIBLE

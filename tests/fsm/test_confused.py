"""Forty files as confused authors write them: the first message names the cause, on its line, and what to write.

The first line of a file is what its author thought, the second the message. `docs/mistakes.md` is made from them.
"""

from __future__ import annotations

import pytest
from tests.docs.generated import DOCS, names
from tests.docs.mistakes import REGIONS, Mistake, mistakes

from scxlife.fsm.codes import ERROR
from scxlife.fsm.lint import Report, check, check_text

MISTAKES = mistakes()
# The document of all forty files without a mistake, below two lines of comment.
KETTLE = (MISTAKES[-1].path.read_text()).replace("to: restin}", "to: resting}")


def name_of(mistake: Mistake) -> str:
    return mistake.path.stem


def with_row(row: str) -> Report:
    """The kettle with another first row."""
    text = KETTLE.replace("if: filled, unless: hot", row)
    assert text != KETTLE
    return check_text(text)


def test_there_are_forty_and_the_page_has_each() -> None:
    assert [mistake.number for mistake in MISTAKES] == list(range(1, 41))
    assert [number for numbers in REGIONS.values() for number in numbers] == list(range(1, 41))
    assert names("mistakes.md") == list(REGIONS)
    page = (DOCS / "mistakes.md").read_text()
    assert all(mistake.thought in page for mistake in MISTAKES)


def test_without_its_mistake_the_file_is_sound() -> None:
    assert check_text(KETTLE).problems == ()


@pytest.mark.parametrize("mistake", MISTAKES, ids=name_of)
def test_the_first_message_names_the_cause_and_the_fix(mistake: Mistake) -> None:
    first = check(mistake.path).problems[0]
    assert f"{first.place.line}:{first.place.column}: {first.code} {first.message}" == mistake.message
    assert first.severity == ERROR


@pytest.mark.parametrize("mistake", MISTAKES, ids=name_of)
def test_the_first_message_is_on_a_line_that_the_sound_file_does_not_have(mistake: Mistake) -> None:
    """Of a line that is right in itself the message says that there is one like it."""
    line = mistake.path.read_text().splitlines()[check(mistake.path).problems[0].place.line - 1]
    assert line not in KETTLE.splitlines() or mistake.path.stem == "04-duplicate-section"


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ("if: not hot", "to ask that hot does not hold, write `unless: hot`"),
        ('if: "!hot"', "to ask that hot does not hold, write `unless: hot`"),
        ("unless: not hot", "to ask that hot holds, write `if: hot`"),
        ("if: [filled, not hot]", "to ask that hot does not hold, write `unless: hot`"),
        ("if: filled and hot", "several that must hold are a list: `if: [filled, hot]`"),
        ('if: "filled && hot"', "several that must hold are a list: `if: [filled, hot]`"),
        ("if: filled or hot", "for `or` write a row for each"),
        ("if: filled and not hot", "what must hold stands under `if`, what must not under `unless`, both as lists"),
        ("unless: filled and hot", "several of which none may hold are a list: `unless: [filled, hot]`"),
    ],
)
def test_an_expression_of_guards_is_told_how_it_is_written_here(row: str, hint: str) -> None:
    (problem,) = [problem for problem in with_row(row).problems if problem.severity == ERROR]
    assert problem.code == "unknown-guard"
    assert problem.message.endswith(f"nothing is evaluated here; {hint}")


def test_of_a_long_expression_the_beginning_is_told() -> None:
    row = "if: " + "filled and " * 1000 + "hot"
    (problem,) = [problem for problem in with_row(row).problems if problem.severity == ERROR]
    assert len(problem.message) < 200


def test_a_guard_that_is_only_misspelt_is_told_the_name() -> None:
    (problem,) = [problem for problem in with_row("if: fulled, unless: hot").problems if problem.severity == ERROR]
    assert problem.message == "unknown guard 'fulled'; did you mean 'filled'?"


@pytest.mark.parametrize(
    ("key", "value", "here"),
    [("source", "heating", "in"), ("trigger", "boils", "on"), ("dest", "resting", "to"), ("action", "click", "do")],
)
def test_a_foreign_key_is_taken_for_ours(key: str, value: str, here: str) -> None:
    old = "{in: heating, on: boils, to: resting, do: click}"
    (problem,) = check_text(KETTLE.replace(old, old.replace(f"{here}: {value}", f"{key}: {value}"))).problems
    assert (problem.code, problem.message) == ("unknown-key", f"unknown key {key!r}: here it is `{here}`")


OTHERS = {
    "an XML file": (
        '<?xml version="1.0"?>\n<scxml/>\n',
        "1:1: wrong-type a mapping is wanted here, not text; a definition",
    ),
    "a unit file": ("[Unit]\nDescription=x\n", "2:1: yaml-syntax what stands above is complete by itself: a file"),
    "a list": ("- {source: a, dest: b}\n", "1:1: wrong-type a mapping is wanted here, not a list; a definition begins"),
    "a number in quotes": (
        KETTLE.replace("format: 1", 'format: "1"'),
        "3:9: wrong-type a whole number is wanted here, not text in quotes",
    ),
    "a version with a fraction": (
        KETTLE.replace("version: 1", "version: 1.0"),
        "5:10: wrong-type a whole number is wanted here, not one with a fraction",
    ),
    "the keys of a row in line with its dash": (
        KETTLE.replace("  - {in: heating, on: press, to: resting}\n", "- in: heating\non: press\nto: resting\n"),
        "35:1: yaml-syntax this line begins in column 1; column 3 or 5 fits what is above",
    ),
    "a row's key at the top": (
        KETTLE.replace("rows:\n", "on: press\nrows:\n"),
        "32:1: unknown-key unknown key 'on': it belongs to a row, and here it is one of the file itself",
    ),
    "a key between two columns": (
        KETTLE.replace("{in: heating, on: press, to: resting}", "in: heating\n   on: press\n    to: resting"),
        "36:4: yaml-syntax this line begins in column 4; column 3 or 5 fits what is above",
    ),
    "a quote that a later one ends": (
        KETTLE.replace("it has boiled lately", '"it has boiled').replace("no current", '"no current"'),
        '11:8: yaml-syntax a text that begins with " here ends only in line 14: close the quote',
    ),
    "several keys missing": ("format: 1\ndoc: x\n", "1:1: missing-key keys 'machine', 'version', 'initial'"),
}


@pytest.mark.parametrize("text", OTHERS)
def test_other_files_are_told_what_a_definition_is(text: str) -> None:
    written, message = OTHERS[text]
    first = check_text(written).problems[0]
    assert f"{first.place.line}:{first.place.column}: {first.code} {first.message}".startswith(message)

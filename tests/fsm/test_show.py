"""A finding on a terminal: the line as it is, the caret under what is meant, and nothing that a terminal obeys."""

from __future__ import annotations

import re

import pytest

from scxlife.fsm.lint import check_text
from scxlife.fsm.problems import Place, Problem
from scxlife.fsm.show import WIDTH, show

MARGIN = len("    1 | ")


def shown(text: str, column: int, width: int = 1, line: int = 1, *, message: str = "words") -> list[str]:
    problem = Problem(Place("m.yaml", line, column, width), "unknown-key", message)
    return list(show([problem], {"m.yaml": text.encode("utf-8", "surrogatepass")}))


def test_a_finding_is_its_place_its_code_its_words_and_its_line() -> None:
    assert shown("initial: dark", 10, 4) == [
        "m.yaml:1:10: unknown-key words",
        "    1 | initial: dark",
        "      |          ^~~~",
    ]


def test_a_warning_says_that_it_is_one() -> None:
    problem = Problem(Place("m.yaml", 1, 1), "unused-guard", "words")
    assert next(iter(show([problem], {}))) == "m.yaml:1:1: unused-guard words [warning]"


@pytest.mark.parametrize(
    ("before", "cells"),
    [
        ("plain ", 6),
        ("\u732b ", 3),
        ("\uff4b ", 3),
        ("\U0001f600 ", 3),
        ("e\u0301 ", 2),
        ("\u0e01\u0e31 ", 2),
        ("\u0915\u0941 ", 2),
        ("\u1112\u1161\u11ab ", 3),
        ("a\u20dd ", 2),
        ("\t ", 2),
        ("\x1b ", 2),
        ("\u200d ", 2),
        ("\U0003fffd ", 2),
    ],
    ids=["ascii", "CJK", "full width", "emoji", "combining accent", "Thai vowel", "Devanagari vowel", "Hangul letters",
         "enclosing circle", "tab", "escape", "joiner", "unassigned"],
)  # fmt: skip
def test_the_caret_stands_under_what_is_meant_however_wide_the_line(before: str, cells: int) -> None:
    """`cells` is what a terminal takes for `before`, where it prints a dot for what can't be seen."""
    *_, carets = shown(f"{before}x", len(before) + 1)
    assert carets == "      | " + " " * cells + "^"


def test_the_caret_is_as_wide_as_what_is_meant() -> None:
    assert shown("a: \u732b\u732b", 4, 2)[-1] == "      |    ^~~~"


@pytest.mark.parametrize("column", [1, 50, 51, 500, 950, 1000])
def test_a_long_line_is_cut_around_its_caret(column: int) -> None:
    line = "".join(chr(ord("a") + number % 26) for number in range(1000))
    _, quoted, carets = shown(line, column, 3)
    assert len(quoted) <= MARGIN + WIDTH + 2
    at = carets.index("^")
    assert quoted[at : at + len(carets[at:])] == line[column - 1 :][:3]
    assert quoted.endswith("\u2026") == (column <= 950)
    assert quoted[MARGIN:].startswith("\u2026") == (column > 51)


def test_a_line_that_just_fits_is_not_cut() -> None:
    line = "x" * (WIDTH - 1) + "y"
    assert shown(line, WIDTH)[1] == "    1 | " + line
    assert shown(line + "z", WIDTH)[1].startswith("    1 | \u2026")


def test_what_is_meant_may_be_longer_than_what_is_shown() -> None:
    _, quoted, carets = shown("x" * 10_000, 1, 10_000)
    assert len(carets) <= len(quoted)


def test_a_line_that_is_blank_or_not_there_is_not_quoted() -> None:
    assert len(shown("a\n   \n", 1, line=2)) == 1
    assert len(shown("a", 1, line=7)) == 1
    assert list(show([Problem(Place("gone.yaml", 1, 1), "unreadable", "no")], {})) == ["gone.yaml:1:1: unreadable no"]


HOSTILE = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x08\x08",
    "\rover",
    "\u202etxt.exe",
    "\u2066",
    "\x00",
    "\x7f",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_file_is_obeyed_by_the_terminal(text: str) -> None:
    for line in shown(f"key: {text}", 1, message=f"unknown key {text}") + shown("x", 1, message=f"{text}\nsecond"):
        assert line.isprintable(), line
    problem = Problem(Place(f"{text}.yaml", 1, 1), "unknown-key", "words")
    assert all(line.isprintable() for line in show([problem], {f"{text}.yaml": b"x"}))


@pytest.mark.parametrize("text", ["\\e[31m", "\\u202e", "\\x07", "\\n"])
def test_nothing_that_a_file_escapes_is_obeyed_either(text: str) -> None:
    report = check_text(f'format: 1\n"{text}": 1\ninitial: "{text}"\nstates: {{"{text}": {{final: "{text}"}}}}\n')
    assert report.problems
    assert all(line.isprintable() for line in show(report.problems, report.texts))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_the_quoted_line_is_the_one_that_yaml_counts(end: str) -> None:
    report = check_text(end.join(["# one", "# two", "format: 1", "colour: red", "# five"]))
    assert "    4 | colour: red" in list(show(report.problems, report.texts))


# -- colour --------------------------------------------------------------------------------------------------------


def test_colour_changes_nothing_but_colour() -> None:
    report = check_text("format: 1\nmachine: lamp\ncolour: red\n")
    plain = list(show(report.problems, report.texts))
    coloured = list(show(report.problems, report.texts, colour=True))
    assert [re.sub("\x1b\\[[0-9;]*m", "", line) for line in coloured] == plain
    assert coloured != plain


def test_each_coloured_line_ends_as_it_began() -> None:
    report = check_text("format: 1\nmachine: lamp\ncolour: red\n")
    for line in show(report.problems, report.texts, colour=True):
        painted = re.findall("\x1b\\[([0-9;]*)m", line)
        assert painted[-1] == "0"
        assert painted[::2].count("0") == 0 and set(painted[1::2]) == {"0"}


def test_errors_and_warnings_have_colours_of_their_own() -> None:
    def codes(code: str) -> str:
        return next(iter(show([Problem(Place("m", 1, 1), code, "words")], {}, colour=True)))

    assert "\x1b[1;31munknown-key\x1b[0m" in codes("unknown-key")
    assert "\x1b[1;33munused-guard\x1b[0m" in codes("unused-guard")

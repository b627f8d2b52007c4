"""docs/error-codes.md: a section for each code, and every example on the page prints what stands below it."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest
from tests.docs.pages import Block, Session, blocks, play, sessions, write_files

from scxlife.fsm.codes import ERRORS, WARNINGS
from scxlife.fsm.lint import check
from scxlife.lifecycle.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "error-codes.md"
USAGE = 2
# A diff belongs to this file unless it has a title.
FILE = "machine.yaml"


@attrs.frozen
class Section:
    """What the page shows of one code: files before and after, what is printed for them, or sessions in a shell."""

    code: str
    blocks: tuple[Block, ...]
    sessions: tuple[Session, ...]

    @property
    def output(self) -> str:
        """What the page says is printed, empty when it shows a session."""
        return "".join(block.text for block in self.blocks if block.language == "text")

    def write(self, directory: Path, wanted: str) -> None:
        """The section's files with the lines of its diffs that are marked `-` (bad) or `+` (good)."""
        for block in self.blocks:
            if block.language == "diff":
                lines = block.text.splitlines(keepends=True)
                assert all(line[0] in " -+" for line in lines), f"{PAGE.name}:{block.line}: a line without its mark"
                text = "".join(line[1:] for line in lines if line[0] in (" ", wanted))
                (directory / (block.title or FILE)).write_text(text)
            elif block.title is not None:
                (directory / block.title).write_text(block.text)


def _sections() -> list[Section]:
    headings = [
        (number, match[1])
        for number, line in enumerate(PAGE.read_text().splitlines(), 1)
        if (match := re.fullmatch(r"### (\S+)", line))
    ]
    every, played = blocks(PAGE), sessions(PAGE)
    ends = [number for number, _ in headings[1:]] + [len(PAGE.read_text().splitlines()) + 1]
    return [
        Section(
            code,
            tuple(block for block in every if start < block.line < end),
            tuple(session for session in played if start < session.line < end),
        )
        for (start, code), end in zip(headings, ends, strict=True)
    ]


SECTIONS = _sections()
IN_A_DIFF = [section for section in SECTIONS if section.output]
IN_A_SHELL = [section for section in SECTIONS if not section.output]


def code_of(section: Section) -> str:
    return section.code


def test_every_code_has_its_section_in_the_order_of_the_table() -> None:
    assert [section.code for section in SECTIONS] == [*ERRORS, *WARNINGS]


def test_only_what_no_diff_can_show_is_shown_in_a_shell() -> None:
    assert {section.code for section in IN_A_SHELL} == {"unreadable", "not-utf8", "too-large"}
    assert all(section.sessions for section in IN_A_SHELL)


@pytest.mark.parametrize("section", IN_A_DIFF, ids=code_of)
def test_the_bad_version_prints_what_the_page_says(
    section: Section, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section.write(tmp_path, "-")
    monkeypatch.chdir(tmp_path)
    code = main(["check", FILE])
    assert capsys.readouterr() == (section.output, "")
    assert code == (USAGE if section.code in ERRORS else 0)


@pytest.mark.parametrize("section", IN_A_DIFF, ids=code_of)
def test_the_bad_version_shows_its_code_and_no_other(section: Section, tmp_path: Path) -> None:
    section.write(tmp_path, "-")
    assert {problem.code for problem in check(tmp_path / FILE).problems} == {section.code}


@pytest.mark.parametrize("section", IN_A_DIFF, ids=code_of)
def test_the_good_version_is_clean(section: Section, tmp_path: Path) -> None:
    section.write(tmp_path, "+")
    report = check(tmp_path / FILE)
    assert report.problems == ()
    assert report.definition is not None


@pytest.mark.parametrize("section", IN_A_SHELL, ids=code_of)
def test_a_session_prints_what_the_page_says(section: Section, tmp_path: Path) -> None:
    for session in section.sessions:
        said = play(session, tmp_path)
        assert said == session.output, f"{PAGE.name}:{session.line}"
        assert f" {section.code} " in said


def test_how_to_read_an_error_is_as_it_prints(tmp_path: Path) -> None:
    first = next(block.line for section in SECTIONS for block in section.blocks)
    for block in blocks(PAGE):
        if block.title is not None and block.line < first:
            (tmp_path / block.title).write_text(block.text)
    opening = [session for session in sessions(PAGE) if session.line < first]
    assert len(opening) == 2
    for session in opening:
        assert play(session, tmp_path) == session.output, f"{PAGE.name}:{session.line}"


def test_the_worked_example_makes_five_different_mistakes(tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    found = [problem.code for problem in check(tmp_path / "kettle.yaml").problems]
    assert len(found) == len(set(found)) == 5

"""docs/diagrams.md: its sessions print what stands there, and it names every format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import Session, play, sessions, write_files

from scxlife.lifecycle.commands.diagram import FORMATS, SUFFIXES
from scxlife.lifecycle.options import shipped

PAGE = Path(__file__).parents[2] / "docs" / "diagrams.md"


@pytest.mark.parametrize("session", sessions(PAGE), ids=lambda session: f"line {session.line}")
def test_a_session_prints_what_stands_on_the_page(session: Session, tmp_path: Path) -> None:
    assert write_files(PAGE, tmp_path) == ["bell.yaml"]
    assert play(session, tmp_path) == session.output


def test_the_page_has_its_sessions() -> None:
    commands = [session.commands[0].split()[:2] for session in sessions(PAGE)]
    assert commands == [["scxlife", "run"], *[["scxlife", "diagram"]] * 3]


def test_every_picture_on_the_page_and_in_the_readme_is_there() -> None:
    for page, least in ((PAGE, 6), (PAGE.parents[1] / "README.md", 1)):
        pictures = re.findall(r"\]\(([^)]+\.svg)\)|src=\"([^\"]+\.svg)\"", page.read_text())
        assert len(pictures) >= least
        for linked, embedded in pictures:
            assert (page.parent / (linked or embedded)).is_file()


def test_the_page_names_every_view_of_the_lifecycle() -> None:
    for view in shipped().views:
        command = "--only spine" if view == "spine" else f"--group {view}"
        assert f"`scxlife diagram {command} -o " in PAGE.read_text()


def test_the_table_names_every_format_with_a_suffix_that_means_it() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    named = [name for formats, _ in rows for name in re.findall(r"`(\w+)`", formats)]
    assert sorted(named) == sorted(FORMATS)
    told = {suffix: formats.strip("` ") for formats, cell in rows for suffix in re.findall(r"`(\.\w+)`", cell)}
    assert told == {suffix: SUFFIXES[suffix] for suffix in told}
    assert set(told.values()) | {"svg", "png"} == set(FORMATS)

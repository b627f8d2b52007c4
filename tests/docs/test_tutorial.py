"""docs/tutorial.md: what it says to type is typed, in its order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.emulated import BOOT, emulated, ending, moves
from tests.docs.pages import Session, play, sessions

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
# How many records a tape has depends on how often somebody looked.
_COUNTED = re.compile(r"\d+ (records|steps)")


@pytest.mark.guest
def test_what_the_page_says_to_type_prints_what_it_says(tmp_path: Path) -> None:
    timelines = 0
    for session in sessions(PAGE):
        printed = play(Session(tuple(map(emulated, session.commands)), session.output, session.line), tmp_path)
        if session.commands[0].startswith(BOOT) and moves(session.output):
            timelines += 1
            assert moves(printed) == moves(session.output), printed
            assert ending(printed) == ending(session.output)
        else:
            assert _COUNTED.sub(r"some \1", printed) == _COUNTED.sub(r"some \1", session.output), f"line {session.line}"
    assert timelines == 1


def test_a_scheduler_that_is_not_there_boots_nothing(tmp_path: Path) -> None:
    session = sessions(PAGE)[-1]
    assert session.commands[0].startswith(BOOT)
    assert play(session, tmp_path) == session.output

"""docs/timeline.md: its sessions print what stands there, and it names every format."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.docs.pages import Session, play, sessions, write_files

from scxlife.diagrams.timeline.feeds import LANES
from scxlife.lifecycle.commands.timeline import FORMATS, SUFFIXES

PAGE = Path(__file__).parents[2] / "docs" / "timeline.md"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed: apt-get install jq")
@pytest.mark.parametrize("session", sessions(PAGE), ids=lambda session: f"line {session.line}")
def test_a_session_prints_what_stands_on_the_page(session: Session, tmp_path: Path) -> None:
    assert write_files(PAGE, tmp_path) == ["lamp.tape", "found.yaml"]
    assert play(session, tmp_path) == session.output


def test_the_page_has_its_sessions_and_names_every_format_suffix_and_lane() -> None:
    text = PAGE.read_text()
    assert len(sessions(PAGE)) == 2
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| .+ \|$", text, re.MULTILINE)
    assert {suffix: form for form, cell in rows for suffix in re.findall(r"`(\.\w+)`", cell)} == SUFFIXES
    assert {form for form, _ in rows} == set(FORMATS)
    bold = {name for names in re.findall(r"\*\*([a-z, ]+)\*\*", text) for name in names.split(", ")}
    assert set(LANES) - bold == {"above"}

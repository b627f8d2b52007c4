"""docs/explore.md: its sessions print what stands there, and what it says of the command is so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.docs.pages import play, sessions

from scxlife.lifecycle.model.properties import PROPERTIES

PAGE = Path(__file__).parents[2] / "docs" / "explore.md"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed: apt-get install jq")
def test_the_sessions_print_what_stands_on_the_page(tmp_path: Path) -> None:
    found = sessions(PAGE)
    assert len(found) == 4
    for session in found:
        assert play(session, tmp_path) == session.output, f"line {session.line}"


def test_the_page_names_every_property() -> None:
    page = PAGE.read_text()
    assert all(f"\n{name:<9} holds   {says}\n" in page for name, says in PROPERTIES.items())

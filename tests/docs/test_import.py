"""docs/import.md: what is imported there prints what stands there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import Session, play, sessions, write_files

PAGE = Path(__file__).parents[2] / "docs" / "import.md"


@pytest.mark.parametrize("session", sessions(PAGE), ids=lambda session: f"line {session.line}")
def test_a_session_prints_what_stands_on_the_page(session: Session, tmp_path: Path) -> None:
    assert write_files(PAGE, tmp_path) == ["turnstile.yaml", "shop.py", "fetch.json", "oven.scxml"]
    assert play(session, tmp_path) == session.output


def test_the_page_shows_all_four_kinds() -> None:
    sources = [session.commands[0].split()[2] for session in sessions(PAGE)]
    assert sources == ["turnstile.yaml", "shop:Order", "fetch.json", "oven.scxml"]

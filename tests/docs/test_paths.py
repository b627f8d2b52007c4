"""docs/paths.md: its commands print what stands there, and its test passes, once for each path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import Session, play, sessions, write_files

PAGE = Path(__file__).parents[2] / "docs" / "paths.md"


@pytest.mark.parametrize("session", sessions(PAGE), ids=lambda session: session.commands[0])
def test_a_session_prints_what_stands_on_the_page(session: Session, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    assert play(session, tmp_path) == session.output


def test_the_test_of_the_page_passes_and_fails_for_a_row_that_is_wrong(tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)

    def result() -> str:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_latch.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        return done.stdout.splitlines()[-1]

    assert result().startswith("3 passed")
    latch = tmp_path / "latch.yaml"
    latch.write_text(latch.read_text().replace("on: tired, to: shut", "on: tired, to: open"))
    assert "failed" in result()

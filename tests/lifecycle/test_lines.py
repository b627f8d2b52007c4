"""Lines for whoever reads along."""

from __future__ import annotations

from pathlib import Path

from scxlife.lifecycle.lines import Lines


def test_a_line_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "said"
    with path.open("w") as out:
        Lines(out)("one")
        assert path.read_text() == "one\n"

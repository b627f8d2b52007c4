"""The checked-in drawings are those of the machines as they are now."""

from __future__ import annotations

from tests.diagrams.drawings import COMMAND, FOLDER, ROOT, fresh


def test_the_drawings_are_as_they_would_be_made_now() -> None:
    expected = fresh()
    found = {file.name: file.read_text() for file in FOLDER.iterdir()}
    stale = [name for name in sorted(expected.keys() | found) if expected.get(name) != found.get(name)]
    assert not stale, f"{FOLDER.relative_to(ROOT)}: {', '.join(stale)} out of date; renew with: {COMMAND}"


def test_make_knows_the_command_that_the_failure_names() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\ndrawings: ")[1].splitlines()[1]
    assert recipe == "\t$(BIN)/python -m tests.diagrams.drawings"

"""docs/failures.md: each outcome and each of its reasons is shown, as it is printed for its scenario."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import Session, blocks, play, sessions, write_files

from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"
IN_A_GUEST = "scxlife vm run"
SIMULATED = [session for session in sessions(PAGE) if not session.commands[0].startswith(IN_A_GUEST)]


def verdicts() -> dict[str, str]:
    """What each scenario of the page ends with, by its file."""
    found = {}
    for block in blocks(PAGE):
        if block.language == "yaml" and block.title is not None:
            ended = run(parse(block.text)).records[-1]
            assert ended["kind"] == "end", block.title
            found[block.title] = ended["outcome"]
    return found


@pytest.mark.parametrize("session", SIMULATED, ids=lambda session: session.commands[0].split()[2])
def test_a_failure_is_printed_as_it_stands_on_the_page(session: Session, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    assert play(session, tmp_path) == session.output


def test_every_outcome_and_every_reason_is_shown() -> None:
    outcomes = shipped().outcomes
    wanted = {name for name in outcomes if not any(other.startswith(f"{name}/") for other in outcomes)}
    shown = verdicts()
    # There is no scenario on the page for a failure within a failure; it is told in the section on faults.
    assert wanted - {*shown.values()} == {"left-running/fault"}
    assert "`left-running/fault`" in PAGE.read_text()
    assert {session.commands[0].split()[2] for session in SIMULATED} == shown.keys()


def test_every_outcome_has_its_section() -> None:
    headings = re.findall(r"^## (\S+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted({name.partition("/")[0] for name in shipped().outcomes} | {"guest-failed"})


@pytest.mark.guest
def test_a_guest_that_does_not_end_is_printed_as_it_stands_on_the_page(tmp_path: Path) -> None:
    (session,) = (session for session in sessions(PAGE) if session not in SIMULATED)
    command, _, _ = session.commands[0].partition(" |")
    words = [sys.executable, "-m", "scxlife.lifecycle", *command.split()[1:]]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 15
    assert [line for line in done.stdout.splitlines() if line.startswith("outcome")] == session.output.splitlines()

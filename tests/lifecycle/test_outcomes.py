"""The exit codes are those of the page."""

from __future__ import annotations

import re
from pathlib import Path

from scxlife.lifecycle.outcomes import GUEST_FAILED, OUTCOMES, PAYLOAD_FAILED, Exited

OUTCOMES_PAGE = Path(__file__).parents[2] / "docs" / "outcomes.md"


def test_the_exit_codes_are_those_of_the_page() -> None:
    told = {
        name: int(code)
        for code, names in re.findall(r"^\| (\d+) \| ([a-z, -]+) \|", OUTCOMES_PAGE.read_text(), re.MULTILINE)
        for name in names.split(", ")
    }
    assert told == {"guest-failed": GUEST_FAILED} | {name: cls.exit_code for name, cls in OUTCOMES.items()}
    assert (Exited(exit={"code": 0}).status, Exited(exit={"code": 1}).status, Exited().status) == (0, 13, 13)


def test_a_payload_that_failed_is_told_by_the_code_of_the_page() -> None:
    assert re.search(rf"^\| {PAYLOAD_FAILED} \| \|.* payload", OUTCOMES_PAGE.read_text(), re.MULTILINE)

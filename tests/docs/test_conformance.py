"""docs/conformance.md is as it would be made now."""

from __future__ import annotations

from tests.conformance.__main__ import COMMAND, PAGE, page


def test_the_page_is_as_it_would_be_made_now() -> None:
    assert page() == PAGE.read_text(), f"docs/{PAGE.name} is out of date; renew it with: {COMMAND}"

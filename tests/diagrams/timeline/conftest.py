"""A browser for the tests of this folder, where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.diagrams.timeline.browser import FOUND, Page, browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if FOUND is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with browser() as opened:
        yield opened

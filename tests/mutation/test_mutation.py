"""What is said to be no defect still stands in the code; the figures are those of the textbook."""

from __future__ import annotations

from collections import Counter

import pytest

from .confidence import interval
from .settings import ROOT, Equivalent, settings

SAID = settings()


@pytest.mark.parametrize("known", SAID.equivalents, ids=lambda known: f"{known.file}: {known.before}")
def test_what_is_no_defect_still_stands_in_the_code(known: Equivalent) -> None:
    package = known.file.partition("/")[0]
    assert known.file in SAID.files(package)
    assert known.before != known.after
    assert known.before in " ".join(line.strip() for line in (ROOT / known.file).read_text().splitlines())


def test_no_change_is_explained_twice() -> None:
    explained = Counter((known.file, known.before, known.after) for known in SAID.equivalents)
    assert [change for change, count in explained.items() if count > 1] == []


def test_generated_files_are_left_out() -> None:
    assert "lifecycle/scheduler_names.py" not in SAID.files("lifecycle")
    assert "lifecycle/supervision.py" in SAID.files("lifecycle")


@pytest.mark.parametrize(("killed", "of", "low", "high"), [(81, 263, 0.2553, 0.3662), (320, 320, 0.9881, 1.0)])
def test_the_interval_is_that_of_wilson(killed: int, of: int, low: float, high: float) -> None:
    assert interval(killed, of) == pytest.approx((low, high), abs=1e-4)

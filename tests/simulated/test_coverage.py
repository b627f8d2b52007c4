"""Where no run goes nothing is shown: every way through the table is gone by a scenario, or listed with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.simulated.coverage import Coverage
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse

from .known_defects import KNOWN

HERE = Path(__file__).parent
REACHED = sorted((HERE / "reached").glob("*.yaml"))
UNREACHED: dict[str, str] = yaml.safe_load((HERE / "unreached.yaml").read_text())


def test_every_way_through_the_table_is_gone_or_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    """A new row needs a scenario: `python -m tests.simulated.collect 60` looks for one."""
    definition, coverage = shipped(), Coverage()
    for path in REACHED:
        done = run(parse(path.read_text()))
        coverage.add(done.definition, done.records)
        found = [what for what in violations(done) if not any(excuse(done, what) for excuse in KNOWN.values())]
        assert found == [], path
    never = set(coverage.missing(definition))
    with capsys.disabled():
        print(f"\n{len(REACHED)} scenarios: {coverage.summary(definition)}")
    assert never - set(UNREACHED) == set(), "never gone, and not listed in unreached.yaml"
    assert set(UNREACHED) - never == set(), "gone by now: strike it off unreached.yaml"


def test_what_is_not_reached_has_a_reason() -> None:
    assert [way for way, reason in UNREACHED.items() if len(str(reason)) < 20] == []

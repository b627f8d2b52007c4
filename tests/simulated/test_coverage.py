"""Where no run goes nothing is shown: every way through the table is gone by a scenario, or listed with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.simulated.coverage import Coverage, Way, ways
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario, parse
from scxlife.platform.sim.program import Attach, Program, Serve

from .collect import REACHED, UNREACHED, file_of, found_near

FILES = sorted(REACHED.glob("*.yaml"))
# Runs that are tried near a scenario which misses its way by now.
TRIES = 300


def of_file(path: Path) -> Scenario:
    return parse(path.read_text())


def words(way: Way) -> str:
    return " ".join(map(str, way))


def test_every_way_through_the_table_is_gone_or_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    """A new row needs a scenario: `python -m tests.simulated.collect 60` looks for one."""
    definition, coverage = shipped(), Coverage()
    for path in FILES:
        done = run(of_file(path))
        for life in done.lives():
            coverage.add(life.definition, life.records)
        assert violations(done) == [], path
    missed = [way for way in ways(definition) if not coverage.ways[way] and words(way) not in UNREACHED]
    never = [
        words(way)
        for way in missed
        if not (REACHED / file_of(way)).exists() or not found_near(way, of_file(REACHED / file_of(way)), TRIES)
    ]
    with capsys.disabled():
        print(f"\n{len(FILES)} scenarios: {coverage.summary(definition)}; {len(missed)} nearby")
    assert never == []


def test_what_is_listed_as_never_reached_is_in_the_table_and_is_not_reached() -> None:
    known = {words(way) for way in ways(shipped())}
    assert set(UNREACHED) - known == set()
    assert [way for way, reason in UNREACHED.items() if len(reason) < 20] == []
    assert [
        path.name for path in FILES if path.name in {file_of(way) for way in ways(shipped()) if words(way) in UNREACHED}
    ] == []


def test_the_table_has_what_one_run_has_gone_through() -> None:
    coverage = Coverage()
    done = run(Scenario(program=Program((Attach(), Serve())), patience=2.0))
    coverage.add(done.definition, done.records)
    lines = coverage.table(done.definition)
    rows = {line.split()[0]: line.split()[1:] for line in lines if line and not line.startswith(" ")}
    assert rows["idle"] == ["1", "1", "5"]
    assert rows["settling"][:2] == ["0", "0"]
    assert rows["early_ready"] == ["1", "0"]
    assert "done" not in rows
    assert "  idle × interrupt → done" in lines and "  idle × start → locating" not in lines
    assert "  guard early_ready is false" in lines and "  guard early_ready is true" not in lines


@pytest.mark.parametrize("answer", [True, False])
def test_every_guard_was_answered_both_ways(answer: bool) -> None:
    coverage = Coverage()
    for path in FILES:
        done = run(of_file(path))
        for life in done.lives():
            coverage.add(life.definition, life.records)
    assert [name for name in shipped().guards if not coverage.guards[name, answer]] == []

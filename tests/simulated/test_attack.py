"""Hypothesis against the production supervision on a simulated machine: what has to hold does, in every run drawn."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import OUTCOMES, NoScheduler
from scxlife.lifecycle.simulated.coverage import Coverage
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario, dump, parse
from scxlife.lifecycle.simulated.strategies import scenarios

REGRESSIONS = Path(__file__).parent.parent / "regressions"
# More by hand: SCXLIFE_EXAMPLES=100000
EXAMPLES = int(os.environ.get("SCXLIFE_EXAMPLES", "2000"))

# The same examples in every run of the same tests, so that CI says the same twice. Hypothesis draws constants of the
# modules that are loaded, too: after a change, and beside other tests, they are others.
settled = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)


def of_file(path: Path) -> Scenario:
    return parse(path.read_text())


def test_every_property_holds_in_every_run_that_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    coverage, outcomes = Coverage(), Counter[str]()

    @settings(settled, max_examples=EXAMPLES)
    @given(scenarios())
    def attack(scenario: Scenario) -> None:
        done = run(scenario)
        for life in done.lives():
            coverage.add(life.definition, life.records)
        outcomes[type(done.error).__name__ if done.outcome is None else done.outcome.name] += 1
        assert violations(done) == [], dump(scenario)

    attack()
    with capsys.disabled():
        print(f"\n{coverage.summary(shipped())}; {', '.join(f'{name} {n}' for name, n in outcomes.most_common())}")
    # That of a guest without a scheduler is the other machine's.
    assert set(outcomes) >= OUTCOMES.keys() - {NoScheduler.name}


@settings(settled, max_examples=40)
@given(scenarios())
def test_the_same_scenario_gives_the_same_tape_byte_for_byte(scenario: Scenario) -> None:
    assert run(scenario).lines == run(scenario).lines


@settings(settled, max_examples=200)
@given(scenarios())
def test_a_scenario_comes_back_from_its_file_as_it_was(scenario: Scenario) -> None:
    assert parse(dump(scenario)) == scenario


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    done = run(of_file(path))
    assert violations(done) == []
    assert (done.successor or done).outcome is not None

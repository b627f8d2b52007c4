"""Hypothesis against the lifecycle: batches of drawn scenarios, and the smallest that violates something."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence

import attrs
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings, target
from hypothesis import strategies as st

from .coverage import Coverage
from .properties import violations
from .run import Run, run
from .scenario import Scenario
from .strategies import scenarios


@attrs.frozen
class Failure:
    """The smallest scenario found for one kind of violation."""

    scenario: Scenario
    violations: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What two failures of the same sort have in common."""
        return kind_of(self.violations[0])

    @property
    def name(self) -> str:
        """For a file."""
        words = re.sub(r"[^a-z]+", "-", self.kind.lower()).strip("-")
        return f"{words[:48].rstrip('-')}-{hashlib.sha256(self.kind.encode()).hexdigest()[:6]}"


@attrs.define
class Score:
    """What a number of runs have come to. `seconds` are simulated ones."""

    examples: int = 0
    seconds: float = 0.0
    faults: int = 0
    outcomes: Counter[str] = attrs.Factory(Counter)
    coverage: Coverage = attrs.Factory(Coverage)
    failures: list[Failure] = attrs.Factory(list)

    def add(self, done: Run) -> None:
        self.examples += 1
        self.seconds += done.seconds
        self.faults += done.machine.injector.injected
        self.outcomes[type(done.error).__name__ if done.outcome is None else done.outcome.name] += 1
        self.coverage.add(done.definition, done.records)

    def merge(self, other: Score) -> None:
        self.examples += other.examples
        self.seconds += other.seconds
        self.faults += other.faults
        self.outcomes.update(other.outcomes)
        self.coverage.merge(other.coverage)
        known = {failure.kind for failure in self.failures}
        self.failures += [failure for failure in other.failures if failure.kind not in known]


class Violated(Exception):
    """Something did not hold. Hypothesis shrinks the scenario of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__("; ".join(failure.violations))
        self.failure = failure


def kind_of(violation: str) -> str:
    """A violation without its numbers."""
    return re.sub(r"\d+(\.\d+)?", "N", violation)


def batch(
    number: int,
    examples: int,
    kernels: Sequence[str],
    known: frozenset[str],
    told: Callable[[Score], object] = lambda score: None,
) -> Score:
    """Run `examples` drawn scenarios; the same `number` draws the same. Violations of a kind that is `known` do not
    count. `told` hears after each run; KeyboardInterrupt goes through."""
    score = Score()

    def attack(scenario: Scenario) -> None:
        done = run(scenario)
        score.add(done)
        told(score)
        # Hypothesis climbs towards runs that go far.
        target(float(len({record["state"] for record in done.records if record["kind"] == "step"})))
        new = tuple(what for what in violations(done) if kind_of(what) not in known)
        if new:
            raise Violated(Failure(scenario, new))

    drawn: st.SearchStrategy[Scenario] = scenarios(tuple(kernels))
    limited = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.target, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )
    try:
        seed(number)(limited(given(drawn)(attack)))()
    except Violated as violated:
        score.failures.append(violated.failure)
    return score

"""Hypothesis against the lifecycle: batches of drawn scenarios, and the smallest that violates something."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from unittest import SkipTest

import attrs
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings, target
from hypothesis.errors import Flaky

from scxlife.lifecycle import interrupts

from .coverage import Coverage
from .properties import violations
from .run import Run, run
from .scenario import Scenario
from .shared import Shared, shared
from .strategies import scenarios
from .twice import Twin

# Of what others have found, so many are run again at most.
_REPLAYED = 1000


@attrs.frozen
class Failure:
    """The smallest scenario found for one kind of violation; `shared` was in the database."""

    scenario: Scenario
    violations: tuple[str, ...]
    shared: bool = False

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
    """What a number of runs have come to. `seconds` are simulated ones; `trouble` says why the database can't be
    reached, if so."""

    examples: int = 0
    seconds: float = 0.0
    faults: int = 0
    outcomes: Counter[str] = attrs.Factory(Counter)
    coverage: Coverage = attrs.Factory(Coverage)
    failures: list[Failure] = attrs.Factory(list)
    trouble: str = ""

    def add(self, done: Run) -> None:
        self.examples += 1
        self.seconds += done.seconds
        self.faults += done.machine.injector.injected
        self.outcomes[type(done.error).__name__ if done.outcome is None else done.outcome.name] += 1
        for life in done.lives():
            self.coverage.add(life.definition, life.records)

    def merge(self, other: Score) -> None:
        self.examples += other.examples
        self.seconds += other.seconds
        self.faults += other.faults
        self.outcomes.update(other.outcomes)
        self.coverage.merge(other.coverage)
        self.trouble = other.trouble
        known = {failure.kind for failure in self.failures}
        self.failures += [failure for failure in other.failures if failure.kind not in known]


class Violated(Exception):
    """Something did not hold. Hypothesis shrinks the scenario of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__("; ".join(failure.violations))
        self.failure = failure


class _Ended(KeyboardInterrupt):
    """A signal has come. Hypothesis takes no KeyboardInterrupt for a finding, and lets it through."""


def _go_on() -> None:
    """Raises _Ended when a signal has come."""
    if interrupts.came():
        raise _Ended


def kind_of(violation: str) -> str:
    """A violation without its numbers."""
    return re.sub(r"\d+(\.\d+)?", "N", violation)


def batch(
    number: int,
    examples: int,
    kernels: Sequence[str],
    known: frozenset[str],
    told: Callable[[Score], object] = lambda score: None,
    *,
    database: str | None = None,
    twice: bool = False,
) -> Score:
    """Run `examples` drawn scenarios; the same `number` draws the same. Violations of a kind that is `known` do not
    count. `told` hears after each run. What others have put into the `database` is run before; `twice` has each run
    once more, in another process. A signal that was noted ends it before the next run; the score has what was done."""
    with ExitStack() as stack:
        twin = stack.enter_context(Twin()) if twice else None
        drawing = _Batch(number, tuple(kernels), set(known), told, twin)
        store = None if database is None else shared(database, tuple(kernels))
        with suppress(_Ended):
            if store is not None:
                drawing.replay(store)
            drawing.draw(examples, store)
        if store is not None:
            drawing.score.trouble = store.trouble
        return drawing.score


@attrs.define
class _Batch:
    """`drawn` is the latest that was found by drawing."""

    number: int
    kernels: tuple[str, ...]
    known: set[str]
    told: Callable[[Score], object]
    twin: Twin | None
    score: Score = attrs.Factory(Score)
    drawn: Failure | None = None

    def replay(self, store: Shared) -> None:
        """All that is in the database. What is known already fails too, or Hypothesis would delete it as mended."""
        limited = settings(max_examples=_REPLAYED, database=store, phases=(Phase.reuse,), report_multiple_bugs=True)
        try:
            self._given(self._again, limited)
        except SkipTest:
            """So Hypothesis says that there was nothing."""
        except (Violated, Flaky):
            """It is in the score."""

    def draw(self, examples: int, store: Shared | None) -> None:
        """Scenarios of which nobody has heard, until something new does not hold. It is stored as soon as found."""
        phases = (Phase.generate, Phase.target, Phase.shrink)
        limited = settings(max_examples=examples, database=store, phases=phases, report_multiple_bugs=False)
        try:
            self._given(self._drawn, limited)
        except Violated as violated:
            self.score.failures.append(violated.failure)
        except _Ended:
            # What was being shrunk is kept as it is.
            self.score.failures += [] if self.drawn is None else [self.drawn]
            raise
        except Flaky:
            # Another time it held.
            if self.drawn is None:
                raise
            self.score.failures.append(self.drawn)

    def _given(self, judge: Callable[[Scenario], None], limited: settings) -> None:
        def attack(scenario: Scenario) -> None:
            # Its text is a part of what the database has it under.
            _go_on()
            judge(scenario)

        limited = settings(
            limited, deadline=None, suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet, print_blob=False
        )
        # In this order: a seed takes the database away from the settings that it finds.
        limited(seed(self.number)(given(scenarios(self.kernels))(attack)))()

    def _again(self, scenario: Scenario) -> None:
        found = self._violations(run(scenario))
        new = tuple(what for what in found if kind_of(what) not in self.known)
        if new:
            self.score.failures.append(Failure(scenario, new, shared=True))
            self.known.update(map(kind_of, new))
        if found:
            raise Violated(Failure(scenario, tuple(found), shared=True))

    def _drawn(self, scenario: Scenario) -> None:
        done = run(scenario)
        self.score.add(done)
        self.told(self.score)
        # Hypothesis climbs towards runs that go far.
        target(float(len({record["state"] for record in done.records if record["kind"] == "step"})))
        new = tuple(what for what in self._violations(done) if kind_of(what) not in self.known)
        if new:
            self.drawn = Failure(scenario, new)
            raise Violated(self.drawn)

    def _violations(self, done: Run) -> list[str]:
        differs = None if self.twin is None else self.twin.difference(done)
        return violations(done) if differs is None else [*violations(done), str(differs)]

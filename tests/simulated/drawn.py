"""All that the runs of a seed tell, as one digest: the same on every interpreter with the same Hypothesis.

python -m tests.simulated.drawn SEED EXAMPLES
"""

from __future__ import annotations

import hashlib
import sys

import hypothesis
from hypothesis import HealthCheck, Phase, given, seed, settings

from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.lifecycle.simulated.strategies import scenarios
from scxlife.lifecycle.simulated.twice import account


def digest(number: int, examples: int) -> str:
    told = hashlib.sha256()

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios())
    def each(scenario: Scenario) -> None:
        for line in (repr(scenario), *account(run(scenario))):
            told.update(line.encode("utf-8", "surrogateescape") + b"\n")

    each()
    return told.hexdigest()[:16]


if __name__ == "__main__":
    print(f"Hypothesis {hypothesis.__version__}, seed {sys.argv[1]}: {digest(*map(int, sys.argv[1:]))}")

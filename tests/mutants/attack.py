"""The attack of tests/simulated on whatever package is in the path, until something does not hold.

    python -m tests.mutants.attack SEED EXAMPLES [PROPERTY]

Prints a JSON object: `examples`, how many were run, and `violation`, the first that nothing excuses, or null. With a
property only its violations count: what was wrong before the mutant must not be taken for its discovery. Nothing is
shrunk: whether there is one is all that is asked.
"""

from __future__ import annotations

import json
import signal
import sys

import attrs
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from tests.mutants.catalogue import LOADER

from scxlife.fsm.problems import DefinitionError
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.lifecycle.simulated.attack import kind_of
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.lifecycle.simulated.strategies import scenarios

# Seconds of real time for one example, which takes hundredths: a mutant may turn for ever in no virtual time at all.
ENDLESS = 60


class Violated(Exception):
    """Something did not hold."""


class Endless(BaseException):
    """An example does not end. No supervision may catch this."""


@attrs.define
class Attack:
    """`wanted` is the property that counts, None for all. `examples` stops to count at the first violation."""

    wanted: str | None = None
    examples: int = 0
    violation: str | None = None

    def make(self, number: int, examples: int) -> None:
        limited = settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
        )
        try:
            shipped()
            boot_ending()
            seed(number)(limited(given(scenarios())(self._example)))()
        except DefinitionError as error:
            self.violation = f"{LOADER}: {str(error).splitlines()[0]}"
        except Endless:
            self.violation = "an example does not end"
        except Violated:
            """It is noted."""

    def _example(self, scenario: Scenario) -> None:
        self.examples += self.violation is None
        signal.alarm(ENDLESS)
        done = run(scenario)
        found = [what for what in violations(done) if self.wanted in (None, what.partition(": ")[0])]
        signal.alarm(0)
        if found:
            self.violation = self.violation or kind_of(found[0])
            raise Violated


def _give_up(number: int, frame: object) -> None:
    raise Endless


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, _give_up)
    number, examples, *wanted = sys.argv[1:]
    made = Attack(*wanted)
    made.make(int(number), int(examples))
    print(json.dumps({"examples": made.examples, "violation": made.violation}))

"""How fast the simulation is: whole lifecycles a second, simulated seconds a second, and what Hypothesis takes of it.

    python tests/bench/simulation.py [SCENARIOS]

The same drawn scenarios are run with Hypothesis around them, without it, without the properties, and in two processes;
beside them one plain lifecycle (attach, serve, be asked to end), over and over.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import attrs
from hypothesis import HealthCheck, Phase, given, seed, settings

from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.lifecycle.simulated.strategies import scenarios
from scxlife.platform.sim.program import Attach, Program, Serve

PLAIN = Scenario(program=Program((Attach(), Serve())), patience=2.0)


@attrs.frozen
class Figure:
    name: str
    lives: int
    took: float
    simulated: float

    def line(self) -> str:
        return f"{self.name:44} {self.lives / self.took:8.0f} /s {self.simulated / self.took:10.0f} s/s"


def timed(name: str, work: Callable[[], Sequence[float]]) -> Figure:
    """`work` gives the simulated seconds of each life."""
    start = time.perf_counter()
    lives = work()
    return Figure(name, len(lives), time.perf_counter() - start, sum(lives))


def lived(scenario: Scenario) -> float:
    return run(scenario).seconds


def judged(scenario: Scenario) -> float:
    done = run(scenario)
    violations(done)
    return done.seconds


def drawn(count: int, use: Callable[[Scenario], object]) -> None:
    @seed(1)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios())
    def each(scenario: Scenario) -> None:
        use(scenario)

    each()


def with_hypothesis(count: int) -> list[float]:
    lives: list[float] = []
    drawn(count, lambda scenario: lives.append(judged(scenario)))
    return lives


def in_processes(jobs: int, chosen: Sequence[Scenario]) -> Figure:
    with ProcessPoolExecutor(jobs) as pool:
        # Their imports do not count.
        list(pool.map(judged, chosen[: 50 * jobs]))
        return timed(f"with the properties, {jobs} at a time", lambda: list(pool.map(judged, chosen, chunksize=25)))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    chosen: list[Scenario] = []
    drawn(count, chosen.append)
    lived(PLAIN)
    figures = [
        timed("one plain lifecycle, over and over", lambda: [lived(PLAIN) for _ in range(count)]),
        timed("drawn scenarios", lambda: [lived(scenario) for scenario in chosen]),
        timed("the same, with the properties", lambda: [judged(scenario) for scenario in chosen]),
        timed("the same, drawn by Hypothesis meanwhile", lambda: with_hypothesis(count)),
    ]
    figures += [in_processes(1, chosen), in_processes(2, chosen)]
    today = datetime.datetime.now(datetime.UTC).date()
    machine = f"{os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}"
    print(f"{machine}, {today}; {count} scenarios")
    print(f"{'':44} {'lifecycles':>11} {'simulated':>14}")
    for figure in figures:
        print(figure.line())
    alone, around = figures[2].took, figures[3].took
    print(f"Hypothesis's own share: {max(0.0, around - alone) / around:.0%}")


if __name__ == "__main__":
    main()

"""What one run of the engine's benchmark has measured, and what the engine is meant to keep."""

from __future__ import annotations

import attrs
from engine_processes import ALONE, DEPENDENCIES, EVERYTHING, Scale, Spent
from engine_rounds import Timing
from peers import AUTOMAT, DECIDE, DECIDED, DICT, RUNTIME, TAPED, TRANSITIONS
from tables import Aim


@attrs.frozen
class Effort:
    """How often what is measured; `sample` in seconds."""

    rounds: int
    sample: float
    loads: int
    imports: int
    scales: int


@attrs.frozen
class Figures:
    """All of one run. `timings` by machine and contestant, in ns per event; `lifecycle` in
    seconds; `absent` are the peers that are not installed."""

    where: dict[str, str]
    date: str
    effort: Effort
    timings: dict[str, dict[str, Timing]]
    absent: tuple[str, ...]
    lifecycle: float
    imports: dict[str, Spent]
    scales: tuple[Scale, ...]

    def aims(self) -> tuple[Aim, ...]:
        """Ratios of engines are those of their best rounds, the least disturbed ones; of the two machines the
        worse one counts. The cost of a cell is compared where the fixed cost of a load no longer shows."""
        best = [{name: timing.best for name, timing in timings.items()} for timings in self.timings.values()]
        libraries = self.imports[DEPENDENCIES].median
        alone, above = self.imports[ALONE].median - libraries, self.imports[EVERYTHING].median - libraries
        _, hundred, thousand = self.scales
        return (
            Aim("decide() beside a plain dict", 3, max(ns[DECIDE] / ns[DICT] for ns in best), "×"),
            Aim("transitions beside decide()", 15, min(ns[TRANSITIONS] / ns[DECIDE] for ns in best), "×", least=True),
            Aim("Runtime, of decide(), guard and action", 2.5, max(ns[RUNTIME] / ns[DECIDED] for ns in best), "×"),
            *(
                [Aim("Runtime, of Automat", 1, max(ns[RUNTIME] / ns[AUTOMAT] for ns in best), "×")]
                if AUTOMAT not in self.absent
                else []
            ),
            Aim("Runtime with a tape", 8, max(ns[TAPED] for ns in best) / 1e3, "µs"),
            Aim("load and lint the lifecycle", 50, self.lifecycle * 1e3, "ms"),
            Aim("import scxlife.fsm, above importing its libraries", 10, alone * 1e3, "ms"),
            Aim("the same and every public name in it", 10, above * 1e3, "ms"),
            Aim("load and lint 1,000 states × 200 events", 10, thousand.seconds, "s"),
            Aim("a cell of 1,000 states beside one of 100", 1.5, thousand.us_per_cell / hundred.us_per_cell, "×"),
        )

"""A scenario, as `scxlife fuzz` keeps it, in place of a tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.bounded_files import read_bounded
from scxlife.lifecycle import interrupts
from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.usage import UsageError

if TYPE_CHECKING:
    from scxlife.lifecycle.simulated.scenario import Scenario

SUFFIXES = (".yaml", ".yml")


def is_scenario(name: str) -> bool:
    """Whether the name is one of a scenario's file; every other one is a tape's."""
    return name.endswith(SUFFIXES)


def scenario_in(name: str) -> Scenario:
    """The scenario in a file. Raises OSError, UsageError."""
    from scxlife.lifecycle.simulated.scenario import LONGEST, ScenarioError, parse

    try:
        return parse(read_bounded(name, LONGEST))
    except ScenarioError as error:
        raise UsageError(plain(f"{name}: {error}"), "docs/simulation.md says what a scenario is") from None


def tapes(name: str) -> list[list[str]]:
    """The lines of what it tells when it is run again on its simulated machine. Where a supervisor was killed, those of
    the next one follow. Raises OSError, UsageError."""
    from scxlife.lifecycle.simulated.run import run

    scenario = scenario_in(name)
    with interrupts.leaving():
        return [life.lines for life in run(scenario).lives()]

"""A scenario, as `scxlife fuzz` keeps it, in place of a tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.given_file import open_given
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
    """The scenario in a file. Raises OSError, ScenarioError."""
    from scxlife.lifecycle.simulated.scenario import LONGEST, parse

    with open_given(name) as file:
        return parse(file.read(LONGEST + 1))


def tapes(name: str) -> list[list[str]]:
    """The lines of what it tells when it is run again on its simulated machine; behind a power cut there is a second
    one. Raises OSError, UsageError."""
    from scxlife.lifecycle.simulated.run import run
    from scxlife.lifecycle.simulated.scenario import ScenarioError

    try:
        scenario = scenario_in(name)
    except ScenarioError as error:
        raise UsageError(plain(f"{name}: {error}"), "docs/simulation.md says what a scenario is") from None
    with interrupts.leaving():
        done = run(scenario)
    return [done.lines] if done.successor is None else [done.lines, done.successor.lines]

"""The pure half of the engine: what a definition says to one event, without anything happening."""

from __future__ import annotations

from collections.abc import Mapping

from .definition import DEFER, Decision, Definition


def decide(definition: Definition, state: str, event: str, guards: Mapping[str, bool]) -> Decision:
    """The decision for `event` in `state` when the guards have these values.

    Only the guards on the way to the first branch that holds are looked up. Raises KeyError for a state, an event
    or a guard that is not there; a total table has no other failure.
    """
    for branch in definition.cells[state, event]:
        for name, wanted in branch.guards:
            if guards[name] is not wanted:
                break
        else:
            return branch.decision
    raise AssertionError(f"cell {state} × {event} has no branch without guards")


def stays_deferred(definition: Definition, state: str, event: str) -> bool:
    """Whether a deferred event stays so when `state` is entered: its cell would only defer it again, whatever holds.

    False for what is to be dropped there: a deadline, and an event whose source is closed.
    """
    cell = definition.cells.get((state, event))
    if cell is None or cell[0].guards or cell[0].decision.kind != DEFER:
        return False
    declared = definition.events[event]
    closed = declared.source in definition.sources and declared.source not in definition.states[state].sources
    return declared.timer is None and not closed

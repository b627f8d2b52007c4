"""The pure half of the engine: what a definition says to one event, without anything happening."""

from __future__ import annotations

from collections.abc import Mapping

from .definition import Decision, Definition


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

"""How long a run may take, reckoned from the deadlines of its definition."""

from __future__ import annotations

from scxlife.fsm.definition import Definition


def longest(definition: Definition, state: str, *passed: str) -> float:
    """Seconds from the entry of `state` to the end of a run, when every deadline on the way is waited for and the way
    leads through no state of `passed`."""
    declared = definition.states[state]
    if declared.final is not None or state in passed:
        return 0.0
    timers = [definition.events[name].timer for name in declared.deadlines]
    own = [value for name in timers if name and isinstance(value := definition.settings[name], (int, float))]
    return max(own, default=0.0) + max(
        longest(definition, then, *passed, state) for then in followers(definition, state)
    )


def followers(definition: Definition, state: str) -> set[str]:
    return {target for event in definition.events for target in targets(definition, state, event)} - {state}


def targets(definition: Definition, state: str, event: str) -> set[str]:
    """Where `event` may lead from `state`, whatever the guards say."""
    return {branch.decision.target for branch in definition.cells[state, event]}


def start_bound(definition: Definition) -> float:
    """Seconds until a run that never came to `running` is over."""
    return longest(definition, definition.initial, "running")


def stop_bound(definition: Definition) -> float:
    """Seconds until a run that is asked to end is over, whatever it was at."""
    resting = [name for name, state in definition.states.items() if state.final is None]
    asked = {then for state in resting for then in targets(definition, state, "interrupt")}
    return max(longest(definition, state) for state in asked)

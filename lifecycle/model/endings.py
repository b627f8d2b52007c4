"""Does every run end, and when? What the walk saw of the machine's states, and of the deadlines that each arms.

A run that goes round for ever arms deadlines for ever, for each single one of them is over at last. So it is enough
that the states which a run comes through between two rests never come round. Going round through a state to rest in
(`running`, for as long as the scheduler is wanted) is no fault: somebody has to start each round.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from scxlife.fsm.definition import Definition


def round_trip(after: Mapping[str, Set[str]], rests: Set[str]) -> tuple[str, ...]:
    """States that lead round without a rest, the first one last too; () when there is no such way."""
    done: set[str] = set(rests)
    for start in after:
        way: list[str] = []
        stack = [(start, 0)]
        while stack:
            state, depth = stack.pop()
            done.update(way[depth:])
            del way[depth:]
            if state in way:
                return (*way[way.index(state) :], state)
            if state not in done:
                way.append(state)
                stack += [(then, depth + 1) for then in after.get(state, ())]
        done.update(way)
    return ()


def bound(definition: Definition, after: Mapping[str, Set[str]], rests: Set[str]) -> float:
    """Seconds of deadlines at most from a beginning, or from the end of a rest, until a rest or the end. Only for what
    never comes round."""
    waits = {name: _wait(definition, name) for name in definition.states}
    longest: dict[str, float] = {}

    def ahead(state: str) -> float:
        if state in rests:
            return 0.0
        if state not in longest:
            longest[state] = waits[state] + max((ahead(then) for then in after.get(state, ())), default=0.0)
        return longest[state]

    return max(
        ahead(state) for state in (definition.initial, *(then for rest in rests for then in after.get(rest, ())))
    )


def _wait(definition: Definition, state: str) -> float:
    """A state's longest deadline."""
    durations = [
        definition.settings[definition.events[name].timer or ""] for name in definition.states[state].deadlines
    ]
    return max((float(duration) for duration in durations if duration is not None), default=0.0)

"""The axis of a drawing: a life in which nothing goes wrong, from its beginning to its end. All else stands beside."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import attrs

from scxlife.diagrams.graph import Arrow, Graph
from scxlife.diagrams.ways import Way
from scxlife.diagrams.wording import verdicts

#: The view whose states, in their order, are the axis.
SPINE = "spine"


@attrs.frozen
class Axis:
    """The states of the axis in their order, and how far along it every state stands."""

    states: tuple[str, ...]
    places: Mapping[str, float]
    # Both are asked for each state and each arrow.
    _states: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    _steps: frozenset[tuple[str, str]] = attrs.field(init=False, repr=False, eq=False)

    @_states.default
    def _all_states(self) -> frozenset[str]:
        return frozenset(self.states)

    @_steps.default
    def _all_steps(self) -> frozenset[tuple[str, str]]:
        return frozenset(pairwise(self.states))

    def __contains__(self, state: str) -> bool:
        """Whether a state is of the axis itself."""
        return state in self._states

    def steps(self) -> frozenset[tuple[str, str]]:
        """From each state of the axis to the next."""
        return self._steps

    def belongs(self, arrow: Arrow, way: Way) -> bool:
        """Whether a way is part of a life in which nothing goes wrong: a step along the axis that is no fault, or
        one past the next state that notes no verdict."""
        if way.is_fault or arrow.source not in self or arrow.target not in self:
            return False
        ahead = self.places[arrow.target] - self.places[arrow.source]
        return ahead == 1 or (ahead > 1 and not verdicts(way))


def axis_of(graph: Graph, views: Mapping[str, tuple[str, ...]]) -> Axis:
    """The axis that the view `spine` declares; of a machine without one, the longest way onward.

    A state beside it stands behind the state of the axis that was declared before it, a final one amid those that
    lead to it.
    """
    states = views.get(SPINE) or graph.spine()
    places = {name: float(index) for index, name in enumerate(states)}
    last = 0.0
    others = []
    for node in graph.nodes:
        if node.name in places:
            last = places[node.name]
            continue
        others.append(node)
        if node.state.final is None:
            places[node.name] = last + 0.5
    sources: dict[str, list[str]] = {}
    for arrow in graph.arrows:
        sources.setdefault(arrow.target, []).append(arrow.source)
    for node in others:
        if node.state.final is not None:
            before = [places[source] for source in sources.get(node.name, ())]
            places[node.name] = sum(before) / len(before) if before else last
    return Axis(states, places)

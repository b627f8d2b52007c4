"""A definition as a graph: what every drawing of it starts from.

The graph holds what a reader wants to see, in the order of the definition, and nothing of any picture format. The
same definition always gives the same graph.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from scxlife.diagrams.ways import Way, ways_through
from scxlife.fsm.definition import DEFER, GO, Definition, State


@attrs.frozen
class Arrow:
    """All ways from one state to another, or from a state back into itself through its exit and entry."""

    source: str
    target: str
    ways: tuple[Way, ...]


@attrs.frozen
class Deadline:
    """A deadline that a state arms. `seconds` is None where its setting is: then it never comes."""

    event: str
    setting: str
    seconds: float | None


@attrs.frozen
class Node:
    """A state, its deadlines, what it handles without leaving, and what it keeps for later."""

    state: State
    deadlines: tuple[Deadline, ...]
    stays: tuple[Way, ...]
    defers: tuple[Way, ...]

    @property
    def name(self) -> str:
        return self.state.name


@attrs.frozen
class Graph:
    """`nodes` in the order of the definition, `arrows` by their source and then their target in that order."""

    name: str
    version: int
    doc: str
    initial: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]

    def layers(self) -> dict[str, int]:
        """How far each state is from where the machine begins: the number of arrows on the longest way to it that
        only goes onward, in the order in which the states are declared behind the initial one."""
        layers = {node.name: 0 for node in self.nodes}
        for arrow in self._onward():
            layers[arrow.target] = max(layers[arrow.target], layers[arrow.source] + 1)
        return layers

    def spine(self) -> tuple[str, ...]:
        """The longest of these ways; of several, the one through the states that were declared first."""
        layers = self.layers()
        onward = self._onward()
        into: dict[str, list[str]] = {}
        for arrow in onward:
            into.setdefault(arrow.target, []).append(arrow.source)
        spine = [max(layers, key=lambda name: layers[name])]
        while layers[spine[-1]]:
            spine.append(max(into[spine[-1]], key=lambda name: layers[name]))
        return tuple(reversed(spine))

    def _onward(self) -> list[Arrow]:
        """The arrows that go onward, by their source: all arrows into a state stand before those out of it."""
        order = {node.name: index for index, node in enumerate(self.nodes, 1)} | {self.initial: 0}
        onward = [arrow for arrow in self.arrows if order[arrow.source] < order[arrow.target]]
        return sorted(onward, key=lambda arrow: order[arrow.source])


def graph_of(definition: Definition) -> Graph:
    """The graph of `definition`. Cells that ignore, reject or can't happen leave no trace in it."""
    ways = {name: _ways_out_of(definition, name) for name in definition.states}
    order = {name: index for index, name in enumerate(definition.states)}
    return Graph(
        name=definition.name,
        version=definition.version,
        doc=definition.doc,
        initial=definition.initial,
        nodes=tuple(_node(definition, state, ways[name]) for name, state in definition.states.items()),
        arrows=tuple(arrow for name in definition.states for arrow in _arrows(order, name, ways[name])),
    )


def _ways_out_of(definition: Definition, state: str) -> list[Way]:
    events = definition.events.values()
    return [
        way
        for event in events
        for way in ways_through(event, definition.cells[state, event.name], definition.exclusions)
    ]


def _node(definition: Definition, state: State, ways: list[Way]) -> Node:
    return Node(
        state,
        tuple(_deadline(definition, name) for name in state.deadlines),
        tuple(way for way in ways if way.kind == GO and way.internal),
        tuple(way for way in ways if way.kind == DEFER),
    )


def _deadline(definition: Definition, name: str) -> Deadline:
    setting = definition.events[name].timer or ""
    value = definition.settings[setting]
    return Deadline(name, setting, None if value is None else float(value))


def _arrows(order: Mapping[str, int], source: str, ways: list[Way]) -> list[Arrow]:
    going: dict[str, list[Way]] = {}
    for way in ways:
        if way.kind == GO and not way.internal:
            going.setdefault(way.target, []).append(way)
    return [Arrow(source, target, tuple(going[target])) for target in sorted(going, key=order.__getitem__)]

"""What many states have in common, to be said once: drawn for each it would be a wall of arrows."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from scxlife.diagrams.graph import Arrow, Graph, Node
from scxlife.diagrams.ways import Way

#: So many states must take the same long way to the same state, or handle the same event alike.
LEAST = 3
#: An arrow across no more layers than this is no burden to the eye.
SHORT = 2


@attrs.frozen
class Shared:
    """Ways that the same states take to the same target, instead of an arrow from each. Each way has the branches
    of all these states."""

    sources: tuple[str, ...]
    target: str
    ways: tuple[Way, ...]


@attrs.frozen
class Common:
    """Events that the same states handle by the same actions without being left, instead of a line in each box."""

    states: tuple[str, ...]
    ways: tuple[Way, ...]


@attrs.frozen
class Condensed:
    """A graph without the arrows and the lines that `shared` and `common` say once."""

    graph: Graph
    shared: tuple[Shared, ...]
    common: tuple[Common, ...]


def condense(graph: Graph) -> Condensed:
    """`graph`, with what at least `LEAST` states have in common taken out.

    A long arrow that is left with no way of its own goes with its shared ones.
    """
    arrows, shared = _shared(graph)
    nodes, common = _common(graph)
    return Condensed(attrs.evolve(graph, nodes=nodes, arrows=arrows), shared, common)


def _shared(graph: Graph) -> tuple[tuple[Arrow, ...], tuple[Shared, ...]]:
    layers = graph.layers()
    long = [arrow for arrow in graph.arrows if abs(layers[arrow.target] - layers[arrow.source]) > SHORT]
    takers: dict[tuple[str, str], list[tuple[str, Way]]] = {}
    for arrow in long:
        for way in arrow.ways:
            takers.setdefault((arrow.target, way.label), []).append((arrow.source, way))
    many = {key: taken for key, taken in takers.items() if len(taken) >= LEAST}
    groups: dict[tuple[str, tuple[str, ...]], list[Way]] = {}
    for (target, _), taken in many.items():
        branches = tuple(branch for _, way in taken for branch in way.branches)
        sources = tuple(source for source, _ in taken)
        groups.setdefault((target, sources), []).append(attrs.evolve(taken[0][1], branches=branches))
    arrows = []
    for arrow in graph.arrows:
        own = tuple(way for way in arrow.ways if arrow not in long or (arrow.target, way.label) not in many)
        if own:
            arrows.append(attrs.evolve(arrow, ways=own))
    shared = (Shared(sources, target, tuple(ways)) for (target, sources), ways in groups.items())
    return tuple(arrows), tuple(shared)


def _common(graph: Graph) -> tuple[tuple[Node, ...], tuple[Common, ...]]:
    alike: dict[Hashable, list[tuple[str, Way]]] = {}
    for node in graph.nodes:
        for way in node.stays:
            alike.setdefault((way.label, way.actions), []).append((node.name, way))
    many = {key: lines for key, lines in alike.items() if len(lines) >= LEAST}
    groups: dict[Hashable, Common] = {}
    for lines in many.values():
        states, way = tuple(name for name, _ in lines), lines[0][1]
        known = groups.get((states, way.actions), Common(states, ()))
        groups[states, way.actions] = attrs.evolve(known, ways=(*known.ways, way))
    nodes = (
        attrs.evolve(node, stays=tuple(way for way in node.stays if (way.label, way.actions) not in many))
        for node in graph.nodes
    )
    return tuple(nodes), tuple(groups.values())

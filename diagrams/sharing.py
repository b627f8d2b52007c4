"""What many states have in common, to be said once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import attrs

from scxlife.diagrams.graph import Arrow, Graph, Node
from scxlife.diagrams.nesting import Box
from scxlife.diagrams.ways import Way

#: So many states must handle the same event alike.
LEAST = 3


@attrs.frozen
class Common:
    """Events that the same states handle by the same actions without being left, instead of a line in each box."""

    states: tuple[str, ...]
    ways: tuple[Way, ...]


def common_of(graph: Graph) -> tuple[tuple[Node, ...], tuple[Common, ...]]:
    """The nodes of `graph` without what at least `LEAST` of them handle alike, and that. What is handled without any
    action and on no condition is left out: it changes nothing."""
    telling = {node.name: [way for way in node.stays if way.actions or way.conditions] for node in graph.nodes}
    alike: dict[Hashable, list[tuple[str, Way]]] = {}
    for name, ways in telling.items():
        for way in ways:
            alike.setdefault((way.label, way.actions), []).append((name, way))
    many = {key: lines for key, lines in alike.items() if len(lines) >= LEAST}
    groups: dict[Hashable, Common] = {}
    for lines in many.values():
        states, way = tuple(name for name, _ in lines), lines[0][1]
        known = groups.get((states, way.actions), Common(states, ()))
        groups[states, way.actions] = attrs.evolve(known, ways=(*known.ways, way))
    nodes = []
    for node in graph.nodes:
        own = tuple(way for way in telling[node.name] if (way.label, way.actions) not in many)
        nodes.append(attrs.evolve(node, stays=own))
    return tuple(nodes), tuple(groups.values())


def joined(
    box: Box, arrows: Iterable[Arrow], living: Iterable[str]
) -> tuple[dict[str, tuple[Arrow, ...]], tuple[Arrow, ...]]:
    """What all `living` states of a box have in common of the ways out of it, by the box's name, for `box` and for
    those in it; and the arrows that are left. Such an arrow's source is the last of the states.

    Ways to one target are only taken together where that leaves no more arrows, and less to be said on each.
    """
    found: dict[str, tuple[Arrow, ...]] = {}
    left = tuple(arrows)
    inside = {*box.all_states()}
    states = [name for name in living if name in inside]
    if len(states) > 1:
        leaving: dict[str, dict[str, Arrow]] = {}
        for arrow in left:
            if arrow.target not in inside:
                own = leaving.setdefault(arrow.target, {})
                own |= {arrow.source: arrow} if arrow.source in inside else {}
        taken: dict[str, dict[str, Way]] = {}
        for target, own in leaving.items():
            shared = _in_all(own, states)
            rests = [{way.label for way in arrow.ways} - shared.keys() for arrow in own.values()]
            if shared and not all(rests) and len(set().union(*rests)) < len(shared):
                found[box.name] = (*found.get(box.name, ()), Arrow(states[-1], target, tuple(shared.values())))
                taken[target] = shared
        left = tuple(_without(left, leaving, taken))
    for inner in box.boxes:
        more, left = joined(inner, left, states)
        found |= more
    return found, left


def _in_all(arrows: Mapping[str, Arrow], states: Iterable[str]) -> dict[str, Way]:
    """The ways that an arrow from each of `states` has, each with the branches of all."""
    lists = [arrows[name].ways if name in arrows else () for name in states]
    labels = set.intersection(*({way.label for way in ways} for ways in lists))
    shared: dict[str, Way] = {}
    for way in (way for ways in lists for way in ways if way.label in labels):
        known = shared.get(way.label)
        shared[way.label] = way if known is None else attrs.evolve(known, branches=(*known.branches, *way.branches))
    return shared


def _without(
    arrows: Iterable[Arrow], leaving: Mapping[str, Mapping[str, Arrow]], taken: Mapping[str, Mapping[str, Way]]
) -> Iterable[Arrow]:
    for arrow in arrows:
        shared = taken.get(arrow.target)
        if shared is None or arrow.source not in leaving[arrow.target]:
            yield arrow
        elif own := tuple(way for way in arrow.ways if way.label not in shared):
            yield attrs.evolve(arrow, ways=own)

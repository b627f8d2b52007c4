"""A part of a machine: the states of some groups or views, the ways of one kind, and what is next to them."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from scxlife.diagrams.axis import Axis, axis_of
from scxlife.diagrams.graph import Arrow, Graph, Node, graph_of
from scxlife.fsm.definition import Definition, State

ALL, ALONG, FAILURES = "all", "spine", "failures"
KINDS = (ALONG, FAILURES, ALL)


@attrs.frozen
class Part:
    """`graph` has the states that are shown and the arrows between them; `leaving` go to a state that is not shown,
    `coming` come from one."""

    graph: Graph
    leaving: tuple[Arrow, ...] = ()
    coming: tuple[Arrow, ...] = ()


def of_kind(graph: Graph, axis: Axis, only: str) -> Graph:
    """`graph` with the ways along the axis only, or with all others, and the states that these touch."""
    if only == ALL:
        return graph
    arrows = []
    for arrow in graph.arrows:
        ways = tuple(way for way in arrow.ways if axis.belongs(arrow, way) is (only == ALONG))
        if ways:
            arrows.append(attrs.evolve(arrow, ways=ways))
    touched = {end for arrow in arrows for end in (arrow.source, arrow.target)}
    if only == ALONG:
        touched.update(axis.states)
    nodes = tuple(node for node in graph.nodes if node.name in touched)
    return attrs.evolve(graph, nodes=nodes, arrows=tuple(arrows))


def part_of(graph: Graph, states: Collection[str]) -> Part:
    """`states` of `graph`."""
    nodes = tuple(node for node in graph.nodes if node.name in states)
    within = tuple(arrow for arrow in graph.arrows if arrow.source in states and arrow.target in states)
    leaving = tuple(arrow for arrow in graph.arrows if arrow.source in states and arrow.target not in states)
    coming = tuple(arrow for arrow in graph.arrows if arrow.source not in states and arrow.target in states)
    return Part(attrs.evolve(graph, nodes=nodes, arrows=within), leaving, coming)


def states_in(definition: Definition, groups: Collection[str]) -> set[str]:
    """The states of some groups and views."""
    return {state for group in groups for state in {**definition.views, **definition.groups}[group]}


def title_of(groups: Collection[str], only: str) -> str:
    """What is shown of a machine; nothing where it is all."""
    kind = "" if only == ALL else f"{only} only"
    return ", ".join(filter(None, [" and ".join(group.replace("_", " ") for group in groups), kind]))


def narrowed(definition: Definition, groups: Collection[str], only: str) -> Graph:
    """The graph of a part of `definition` with what is next to it: states that are not shown are empty."""
    whole = graph_of(definition)
    graph = of_kind(whole, axis_of(whole, definition.views), only)
    if not groups:
        return graph
    part = part_of(graph, states_in(definition, groups))
    of_part = {(arrow.source, arrow.target) for arrow in (*part.graph.arrows, *part.leaving, *part.coming)}
    arrows = tuple(arrow for arrow in graph.arrows if (arrow.source, arrow.target) in of_part)
    ends = {end for arrow in arrows for end in (arrow.source, arrow.target)}
    empty = (Node(State(node.name), (), (), ()) for node in graph.nodes if node.name in ends)
    nodes = {node.name: node for node in (*empty, *part.graph.nodes)}
    return attrs.evolve(graph, nodes=tuple(nodes.values()), arrows=arrows)

"""What a picture shows, and what it says in words instead: drawn all at once, a machine is a wall of arrows.

What all states of a group have in common leaves from the group's frame. A way that is too long to draw is a
line in the box that it leaves from. What leads out of a part of a machine goes to a box without content, and what comes
into it is a line in the box that it leads to, or a list above the first ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from scxlife.diagrams.axis import Axis, axis_of
from scxlife.diagrams.graph import Arrow, Graph, Node, graph_of
from scxlife.diagrams.nesting import Box, nest
from scxlife.diagrams.selection import ALL, Part, of_kind, part_of, states_in, title_of
from scxlife.diagrams.sharing import Common, common_of, joined
from scxlife.diagrams.ways import Way
from scxlife.fsm.definition import Definition, State

#: An arrow across no more of the axis than this is no burden to the eye. A life in which nothing goes wrong, and what
#: ends beside the axis, may be drawn with longer ones.
SHORT, LONGER = 1.25, 2.5
#: A part that leads to more states than this outside of it says so in its boxes.
BEYOND = 5


@attrs.frozen
class Source:
    """States that are not shown and take the same ways to one that is."""

    states: tuple[str, ...]
    ways: tuple[Way, ...]


@attrs.frozen
class Scene:
    """`nodes` stand in `box` and the boxes within it. `title` names what is shown where that is not the whole.

    `arrows` go from one state to another, `joint` ones from the box of that name; `away` are those that are lines in
    the box of that state; `coming` are lists by the state that they lead into. `beyond` are the states
    that are only led to.
    """

    graph: Graph
    states: Mapping[str, State]
    axis: Axis
    title: str
    nodes: tuple[Node, ...]
    common: tuple[Common, ...]
    box: Box
    arrows: tuple[Arrow, ...]
    joint: Mapping[str, tuple[Arrow, ...]]
    away: Mapping[str, tuple[Arrow, ...]] = attrs.Factory(dict)
    coming: Mapping[str, tuple[Source, ...]] = attrs.Factory(dict)
    beyond: tuple[str, ...] = ()
    #: The names of all boxes, each with its number.
    boxes: Mapping[str, int] = attrs.field(init=False)
    #: The states above which there is room for a list of what leads to them: no arrow comes from further up.
    listed: Collection[str] = attrs.field(init=False)

    @boxes.default
    def _numbered(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.box.all_names())}

    @listed.default
    def _with_room(self) -> dict[str, None]:
        place = self.axis.places
        below = {arrow.target for arrow in self.arrows if place[arrow.source] < place[arrow.target]}
        return {target: None for target in self.coming if target not in below}

    @property
    def lined(self) -> bool:
        """Whether several states of the axis are shown, which then stand in one line."""
        shown = (node for node in self.nodes if node.name in self.axis)
        return next(shown, None) is not None and next(shown, None) is not None

    @property
    def part(self) -> bool:
        """Whether only some groups or views of the machine are shown."""
        return bool(self.box.name)

    def outer_actions(self, arrow: Arrow) -> tuple[int, int]:
        """How many actions of each way along `arrow` its states bring: exits of the one, entries of the other."""
        return len(self.states[arrow.source].exit), len(self.states[arrow.target].entry)


def scene_of(definition: Definition, groups: Collection[str] = (), only: str = ALL) -> Scene:
    """The scene of `definition`, or of the states of some of its groups and views."""
    whole = graph_of(definition)
    axis = axis_of(whole, definition.views)
    graph = of_kind(whole, axis, only)
    if not groups:
        return _whole(definition, graph, axis, only)
    return _part(definition, part_of(graph, states_in(definition, groups)), axis, title_of(groups, only))


def _whole(definition: Definition, graph: Graph, axis: Axis, only: str) -> Scene:
    nodes, common = common_of(graph)
    box = _boxes(definition, axis, "", nodes)
    drawn, said = _parted(definition, axis, graph.arrows)
    joint, arrows = _joined(box, drawn, nodes, whole=True)
    return Scene(
        graph=graph,
        states=definition.states,
        axis=axis,
        title=title_of((), only),
        nodes=nodes,
        common=common,
        box=box,
        arrows=arrows,
        joint=joint,
        away=_by_source(said),
    )


def _by_source(arrows: Iterable[Arrow]) -> dict[str, tuple[Arrow, ...]]:
    found: dict[str, tuple[Arrow, ...]] = {}
    for arrow in arrows:
        found[arrow.source] = (*found.get(arrow.source, ()), arrow)
    return found


def _parted(definition: Definition, axis: Axis, arrows: Iterable[Arrow]) -> tuple[list[Arrow], list[Arrow]]:
    """The arrows that are drawn, and those that are said in words."""
    drawn: list[Arrow] = []
    said: list[Arrow] = []
    for arrow in arrows:
        (drawn if near(definition, axis, arrow) else said).append(arrow)
    return drawn, said


def near(definition: Definition, axis: Axis, arrow: Arrow) -> bool:
    """Whether an arrow is short enough to be drawn in a drawing of the whole."""
    along = all(axis.belongs(arrow, way) for way in arrow.ways)
    ends = definition.states[arrow.target].final is not None and arrow.target not in axis
    return abs(axis.places[arrow.target] - axis.places[arrow.source]) <= (LONGER if along or ends else SHORT)


def _part(definition: Definition, part: Part, axis: Axis, title: str) -> Scene:
    nodes, common = common_of(part.graph)
    box = _boxes(definition, axis, title, nodes)
    drawn, said = _parted(definition, axis, part.graph.arrows)
    crowded = len({arrow.target for arrow in part.leaving}) > BEYOND
    (said if crowded else drawn).extend(part.leaving)
    joint, arrows = _joined(box, drawn, nodes)
    inside = {*box.all_states()}
    every = [*(arrow for own in joint.values() for arrow in own), *arrows]
    return Scene(
        graph=part.graph,
        states=definition.states,
        axis=axis,
        title=title,
        nodes=nodes,
        common=common,
        box=box,
        arrows=arrows,
        joint=joint,
        away=_by_source(said),
        coming=_coming(part.coming),
        beyond=tuple(dict.fromkeys(arrow.target for arrow in every if arrow.target not in inside)),
    )


def _boxes(definition: Definition, axis: Axis, name: str, nodes: Iterable[Node]) -> Box:
    """All `nodes` in a box of this name, with the groups that have several of them within, next to one another: the
    frame of others would go around half of the drawing, and say less than it hides."""
    names = {node.name: None for node in nodes}
    shown = {group: [each for each in members if each in names] for group, members in definition.groups.items()}
    inner = {}
    for group, members in shown.items():
        places = [axis.places[state] for state in members]
        if 1 < len(members) < len(names) and max(places) - min(places) <= SHORT:
            inner[group] = members
    return attrs.evolve(nest(names, inner), name=name)


def _joined(
    box: Box, arrows: Iterable[Arrow], nodes: Iterable[Node], *, whole: bool = False
) -> tuple[dict[str, tuple[Arrow, ...]], tuple[Arrow, ...]]:
    living = [node.name for node in nodes if node.state.final is None]
    if not whole:
        return joined(box, arrows, living)
    found: dict[str, tuple[Arrow, ...]] = {}
    left = tuple(arrows)
    for inner in box.boxes:
        more, left = joined(inner, left, living)
        found |= more
    return found, left


def _coming(arrows: Iterable[Arrow]) -> dict[str, tuple[Source, ...]]:
    coming: dict[str, dict[tuple[str, ...], Source]] = {}
    for arrow in arrows:
        alike = coming.setdefault(arrow.target, {})
        key = tuple(way.label for way in arrow.ways)
        known = alike.get(key, Source((), arrow.ways))
        alike[key] = attrs.evolve(known, states=(*known.states, arrow.source))
    return {target: tuple(alike.values()) for target, alike in coming.items()}

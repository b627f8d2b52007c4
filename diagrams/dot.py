"""A definition as DOT text, for Graphviz' `dot`.

How to read it: a black dot points at the initial state. The states of the axis have round corners and stand in one
line, with thick arrows from each to the next; a state beside it has square corners; a double border is a final one. A
solid arrow is an event, a dashed one a deadline, a dotted one a fault; an arrow that takes several lists them in lines.
A way that is too long to draw is a line in the box of its state. What a part of a machine leads to or comes from
outside of it stands in dashed boxes. In an SVG, the pointer on a state shows its doc, on an arrow what happens.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise

from scxlife.diagrams.dot_labels import (
    BIG,
    FONT,
    SMALL,
    arrow_label,
    box_label,
    outside_label,
    plain_label,
    sources_label,
    story,
    style,
)
from scxlife.diagrams.dot_text import filled, html, identity, one_line, stacked, tooltip
from scxlife.diagrams.graph import Arrow, Node
from scxlife.diagrams.nesting import Box
from scxlife.diagrams.palette import BESIDE, FINAL, FRAME, INK, PAPER, RULE, SPINE
from scxlife.diagrams.scene import Scene, scene_of
from scxlife.diagrams.selection import ALL
from scxlife.diagrams.wording import commas, handling
from scxlife.fsm.definition import Definition

_CAPTION_WIDTH = 96
_INITIAL = '":initial"'
_LEGEND = (
    "round: spine · square: beside it · double: final · solid: event · dashed, italic: deadline · dotted, red: fault"
)


def dot(definition: Definition, groups: Collection[str] = (), only: str = ALL) -> str:
    """DOT text that draws `definition`, or a part of it. Equal definitions give equal text."""
    scene = scene_of(definition, groups, only)
    ids = {name: identity(name, index) for index, name in enumerate(scene.states)}
    return "\n".join([*_head(scene), *_boxes(scene, ids), "", *_arrows(scene, ids), "}", ""])


def _head(scene: Scene) -> Iterator[str]:
    apart = 0.35 if scene.part else 0.25
    yield "digraph machine {"
    yield f'  graph [label=<{_caption(scene)}>, labelloc=t, labeljust=l, bgcolor="{PAPER}", pad=0.15, compound=true,'
    yield f'         newrank=true, nodesep={apart}, ranksep=0.35, fontname="{FONT}", fontsize={SMALL},'
    yield f'         fontcolor="{INK}"]'
    yield f'  node [shape=box, style=filled, color="{RULE}", fillcolor="{BESIDE}", margin="0.08,0.04", height=0.3,'
    yield f'        fontname="{FONT}", fontsize={SMALL}, fontcolor="{INK}"]'
    yield f'  edge [color="{INK}", arrowsize=0.7, fontname="{FONT}", fontsize={SMALL}, fontcolor="{INK}"]'
    yield ""


def _caption(scene: Scene) -> str:
    graph = scene.graph
    title = f": {html(scene.title)}" if scene.title else ""
    lines = [f'<FONT POINT-SIZE="{BIG}"><B>{html(graph.name)}</B> {graph.version}{title}</FONT>']
    if not scene.title:
        lines += map(html, textwrap.wrap(one_line(graph.doc), _CAPTION_WIDTH))
    for each in scene.common:
        lines.append(filled([*handling(each.ways), "in", *commas(each.states)], _CAPTION_WIDTH))
    return stacked([*lines, f'<FONT COLOR="{RULE}">{_LEGEND}</FONT>'])


# -- boxes -----------------------------------------------------------------------------------------------------


def _boxes(scene: Scene, ids: Mapping[str, str]) -> Iterator[str]:
    nodes = {node.name: node for node in scene.nodes}
    if scene.graph.initial in nodes:
        yield f'  {_INITIAL} [shape=circle, fillcolor="{INK}", label="", width=0.15, height=0.15, tooltip="initial"]'
    if scene.part:
        yield from _frame(scene, scene.box, "  ", nodes, ids, 'label=""; style=rounded; margin=14')
    else:
        yield from _within(scene, scene.box, "  ", nodes, ids)
    for name in scene.beyond:
        more = _in_line(scene) if name in scene.axis else ""
        yield f"  {ids[name]} [style=dashed, label=<{outside_label(name)}>{more}]"
    for index, target in enumerate(scene.listed):
        yield f'  ":coming {index}" [style=dashed, label=<{sources_label(scene.coming[target])}>]'


def _frame(
    scene: Scene, box: Box, margin: str, nodes: Mapping[str, Node], ids: Mapping[str, str], look: str
) -> Iterator[str]:
    yield f'{margin}subgraph "{_cluster(scene, box.name)}" {{'
    yield f'{margin}  color="{FRAME}"; {look}'
    yield from _within(scene, box, f"{margin}  ", nodes, ids)
    yield f"{margin}}}"


def _within(scene: Scene, box: Box, margin: str, nodes: Mapping[str, Node], ids: Mapping[str, str]) -> Iterator[str]:
    # In this order Graphviz finds a drawing with the fewest crossings.
    for name in sorted(box.states, key=lambda state: scene.axis.places[state]):
        yield f"{margin}{ids[name]} {_box(scene, nodes[name])}"
    for inner in box.boxes:
        look = f"label=<{html(inner.name)}>; labeljust=l; style=dashed; margin=8"
        yield from _frame(scene, inner, margin, nodes, ids, look)
    for index in range(len(scene.joint.get(box.name, ()))):
        # Not drawn: where an arrow leaves the frame, below all that is in it.
        yield f"{margin}{_door(scene, box.name, index)} [shape=point, style=invis, width=0.01]"
        for name in box.all_states():
            if nodes[name].state.final is None:
                yield f"{margin}{ids[name]} -> {_door(scene, box.name, index)} [style=invis, weight=0]"


def _cluster(scene: Scene, name: str) -> str:
    return f"cluster {scene.boxes[name]}"


def _door(scene: Scene, name: str, index: int) -> str:
    return f'":door {scene.boxes[name]}.{index}"'


def _box(scene: Scene, node: Node) -> str:
    coming = () if node.name in scene.listed else scene.coming.get(node.name, ())
    words = [f"label=<{box_label(node, scene.away.get(node.name, ()), coming, detailed=scene.part)}>"]
    away = [story(arrow.ways) for arrow in scene.away.get(node.name, ())]
    words.append(f"tooltip={tooltip(' | '.join([node.state.doc or node.name, *away]))}")
    if node.name in scene.axis:
        words.append(f'style="rounded,filled", penwidth=1.6, fillcolor="{SPINE}"{_in_line(scene)}')
    if node.state.final is not None:
        words.append("peripheries=2" + (f', fillcolor="{FINAL}"' if node.name in scene.axis else ""))
    return f"[{', '.join(words)}]"


def _in_line(scene: Scene) -> str:
    """What keeps the states of the axis in one line, where there are several."""
    return ", group=axis" if scene.lined else ""


# -- arrows ----------------------------------------------------------------------------------------------------


def _arrows(scene: Scene, ids: Mapping[str, str]) -> Iterator[str]:
    if any(node.name == scene.graph.initial for node in scene.nodes):
        yield f"  {_INITIAL} -> {ids[scene.graph.initial]} [weight=20]"
    for index, target in enumerate(scene.listed):
        yield f'  ":coming {index}" -> {ids[target]}'
    for arrow in scene.arrows:
        yield f"  {ids[arrow.source]} -> {ids[arrow.target]} {_line(scene, arrow)}"
    # Not drawn: the axis stays one line where some of its steps are not shown.
    shown = {node.name for node in scene.nodes}
    drawn = {(arrow.source, arrow.target) for arrow in scene.arrows}
    for source, target in pairwise(state for state in scene.axis.states if state in shown):
        if (source, target) not in drawn:
            yield f"  {ids[source]} -> {ids[target]} [style=invis, weight=100]"
    for name, arrows in scene.joint.items():
        for index, arrow in enumerate(arrows):
            tail = f'ltail="{_cluster(scene, name)}"'
            yield f"  {_door(scene, name, index)} -> {ids[arrow.target]} {_line(scene, arrow, [tail])}"


def _is_back(scene: Scene, arrow: Arrow) -> bool:
    places = scene.axis.places
    return scene.states[arrow.target].final is None and places[arrow.target] < places[arrow.source]


def _line(scene: Scene, arrow: Arrow, more: Iterable[str] = ()) -> str:
    label = arrow_label(arrow.ways, *scene.outer_actions(arrow)) if scene.part else plain_label(arrow.ways)
    words = [f"label=<{label}>", *style(arrow.ways), f"tooltip={tooltip(story(arrow.ways))}"]
    if not more and (arrow.source, arrow.target) in scene.axis.steps():
        words.append("weight=100, penwidth=2.2")
    elif _is_back(scene, arrow):
        # On its way back an arrow must not push its states apart.
        words.append("constraint=false")
    return f"[{', '.join([*words, *more])}]"

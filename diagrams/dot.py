"""A definition as DOT text, for Graphviz' `dot`.

How to read it: a black dot points at the initial state. A rounded box is a state, a double border a final one. A solid
arrow is an event, a dashed one a deadline, a dotted one a fault; an arrow that takes several lists them in lines.
Long arrows that many states would have in common are one arrow out of a list of these states, and a line in the box
of each. In an SVG, the pointer on a state shows its doc, on an arrow the actions, the verdict and the note.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise

from scxlife.diagrams.dot_text import cell, filled, html, identity, one_line, stacked, table, tooltip
from scxlife.diagrams.graph import Graph, Node, graph_of
from scxlife.diagrams.sharing import Common, Shared, condense
from scxlife.diagrams.ways import Way
from scxlife.diagrams.wording import commas, deadline_line, ending, handling, naming
from scxlife.fsm.definition import Definition

_FONT = "Helvetica,Arial,sans-serif"
_INK, _RULE, _FAULT = "#1a1a1a", "#5b6b7f", "#8c3a2b"
_STATE, _FINAL = "#f3f7fc", "#e9e4d4"
_BIG, _SMALL = 13, 10
# Characters in a line of a box, of an arrow's label and of the caption.
_BOX_WIDTH, _LABEL_WIDTH, _CAPTION_WIDTH = 42, 28, 100
_INITIAL = '":initial"'
_LEGEND = "solid: event · dashed, italic: deadline · dotted, red: fault · double border: final"


def dot(definition: Definition) -> str:
    """DOT text that draws `definition`. Equal definitions give equal text."""
    whole = graph_of(definition)
    layers, straight = whole.layers(), set(pairwise(whole.spine()))
    condensed = condense(whole)
    graph = condensed.graph
    ids = {node.name: identity(node.name, index) for index, node in enumerate(graph.nodes)}
    lines = [
        "digraph machine {",
        f"  graph [label=<{_caption(graph, condensed.common)}>, labelloc=t, labeljust=l, bgcolor=white, pad=0.2,",
        f'         fontname="{_FONT}", fontsize={_SMALL}, fontcolor="{_INK}", nodesep=0.2, ranksep=0.3]',
        f'  node [shape=box, style="rounded,filled", color="{_RULE}", fillcolor="{_STATE}", margin="0.1,0.06",',
        f'        fontname="{_FONT}", fontsize={_SMALL}, fontcolor="{_INK}"]',
        f'  edge [color="{_INK}", arrowsize=0.7, fontname="{_FONT}", fontsize={_SMALL}, fontcolor="{_INK}"]',
        "",
        f'  {_INITIAL} [shape=circle, fillcolor="{_INK}", label="", width=0.15, tooltip="initial"]',
    ]
    for node in graph.nodes:
        lines.append(f"  {ids[node.name]} {_box(node, condensed.shared)}")
    lines += ["", f"  {_INITIAL} -> {ids[graph.initial]} [weight=20]"]
    for arrow in graph.arrows:
        weight = ["weight=10"] if (arrow.source, arrow.target) in straight else []
        lines.append(f"  {ids[arrow.source]} -> {ids[arrow.target]} {_line(arrow.ways, weight)}")
    for index, shared in enumerate(condensed.shared):
        lines += ["", *_stub(f'":shared {index}"', shared, ids, layers)]
    return "\n".join([*lines, "}", ""])


def _caption(graph: Graph, common: Iterable[Common]) -> str:
    lines = [f'<FONT POINT-SIZE="{_BIG}"><B>{html(graph.name)}</B> {graph.version}</FONT>']
    lines += map(html, textwrap.wrap(one_line(graph.doc), _CAPTION_WIDTH))
    for each in common:
        lines.append(filled([*handling(each.ways), "in", *commas(each.states)], _CAPTION_WIDTH))
    return stacked([*lines, f'<FONT COLOR="{_RULE}">{_LEGEND}</FONT>'])


# -- states ----------------------------------------------------------------------------------------------------


def _box(node: Node, shared: Iterable[Shared]) -> str:
    name = f'<FONT POINT-SIZE="{_BIG}"><B>{html(node.name)}</B></FONT>'
    lines = list(_lines_of(node, shared))
    label = table([cell(name, "CENTER"), *(["<HR/>", cell(stacked(lines))] if lines else [])])
    final = f', peripheries=2, fillcolor="{_FINAL}"' if node.state.final is not None else ""
    return f"[label=<{label}>, tooltip={tooltip(node.state.doc or node.name)}{final}]"


def _lines_of(node: Node, shared: Iterable[Shared]) -> Iterator[str]:
    if node.state.final is not None:
        yield html(ending(node.state))
    for deadline in node.deadlines:
        yield html(deadline_line(deadline))
    if node.state.entry:
        yield filled(["entry /", *commas(node.state.entry)], _BOX_WIDTH)
    if node.state.exit:
        yield filled(["exit /", *commas(node.state.exit)], _BOX_WIDTH)
    for actions in dict.fromkeys(way.actions for way in node.stays):
        yield filled(handling([way for way in node.stays if way.actions == actions]), _BOX_WIDTH)
    if node.defers:
        yield filled(["defers", *naming(node.defers)], _BOX_WIDTH)
    for target, ways in _away(node.name, shared).items():
        yield filled([*naming(ways), f"→ {target}"], _BOX_WIDTH)


def _away(state: str, shared: Iterable[Shared]) -> dict[str, list[Way]]:
    """The shared ways out of `state`, by their target."""
    away: dict[str, list[Way]] = {}
    for one in shared:
        if state in one.sources:
            away.setdefault(one.target, []).extend(one.ways)
    return away


# -- arrows ----------------------------------------------------------------------------------------------------


def _line(taken: Iterable[Way], more: Iterable[str] = ()) -> str:
    ways = sorted(taken, key=lambda way: (way.is_fault, way.is_deadline))
    label = table([cell(stacked(map(_way, ways)))])
    return f"[{', '.join([f'label=<{label}>', *_style(ways), f'tooltip={tooltip(_story(ways))}', *more])}]"


def _way(way: Way) -> str:
    text = filled(naming([way]), _LABEL_WIDTH)
    if way.is_fault:
        return f'<FONT COLOR="{_FAULT}">{text}</FONT>'
    return f"<I>{text}</I>" if way.is_deadline else text


def _style(ways: Iterable[Way]) -> list[str]:
    """Dotted for nothing but faults, dashed for nothing but deadlines (and faults), else solid."""
    sound = [way for way in ways if not way.is_fault]
    if not sound:
        return ["style=dotted", f'color="{_FAULT}"']
    return ["style=dashed"] if all(way.is_deadline for way in sound) else []


def _story(ways: Iterable[Way]) -> str:
    """What happens on an arrow, for who points at it: `event: action, action; verdict; note`."""
    decisions = [branch.decision for way in ways for branch in way.branches]
    several = len({decision.state for decision in decisions}) > 1
    told: list[str] = []
    for decision in decisions:
        event = f"{decision.state} {decision.event}" if several else decision.event
        verdict = f"verdict {decision.verdict}" if decision.verdict else ""
        effects = "; ".join(filter(None, [", ".join(decision.actions), verdict, decision.reason]))
        told.append(f"{event}: {effects}" if effects else event)
    return " | ".join(dict.fromkeys(told))


def _stub(stub: str, shared: Shared, ids: dict[str, str], layers: dict[str, int]) -> Iterator[str]:
    text = stacked([filled(commas(shared.sources), _BOX_WIDTH)])
    yield f'  {stub} [style=dashed, label=<{text}>, tooltip="in each of these states"]'
    last = shared.sources[-1]
    if layers[last] < layers[shared.target]:
        # Not drawn: keeps the list below the last of its states. On the way back it may stand above its target.
        yield f"  {ids[last]} -> {stub} [style=invis, weight=0]"
    yield f"  {stub} -> {ids[shared.target]} {_line(shared.ways)}"

"""A run as DOT text: the machine in grey, and in black the way that the run took, with numbers and times.

How to read it: thick arrows were taken, in the order of their numbers, at so many seconds since the run began; a state
that was entered has a thick border and says how long the run was in it. What was not taken is thin, grey and without
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scxlife.diagrams.axis import axis_of
from scxlife.diagrams.dot_labels import BIG, FONT, SMALL
from scxlife.diagrams.dot_text import cell, filled, html, identity, stacked, table, tooltip
from scxlife.diagrams.graph import Graph, Node, graph_of
from scxlife.diagrams.palette import ENTERED, FAINT, FAINT_INK, FAULT, INK, PAPER, RULE
from scxlife.diagrams.path import Passage, Path
from scxlife.diagrams.scene import near
from scxlife.fsm.definition import Definition

#: Of more passages along one arrow than this, only the first ones and the last are told.
_TOLD = 4
_INITIAL = '":initial"'
_LEGEND = "thick: taken, in the order of the numbers, at seconds since the run began · thin, grey: not taken"


def dot_run(definition: Definition, path: Path) -> str:
    """DOT text that draws `definition` and the `path` of one of its runs. Equal ones give equal text."""
    graph = graph_of(definition)
    ids = {node.name: identity(node.name, index) for index, node in enumerate(graph.nodes)}
    axis = axis_of(graph, definition.views)
    visited, taken = path.visited(), path.arrows()
    lines = [
        "digraph run {",
        f'  graph [label=<{_caption(graph, path)}>, labelloc=t, labeljust=l, bgcolor="{PAPER}", pad=0.15,',
        f'         newrank=true, nodesep=0.3, ranksep=0.3, fontname="{FONT}", fontsize={SMALL}, fontcolor="{INK}"]',
        f'  node [shape=box, style=solid, color="{FAINT}", margin="0.08,0.04", height=0.3,',
        f'        fontname="{FONT}", fontsize={SMALL}, fontcolor="{FAINT_INK}"]',
        f'  edge [color="{FAINT}", arrowsize=0.6, fontname="{FONT}", fontsize={SMALL}, fontcolor="{INK}"]',
        "",
        f'  {_INITIAL} [shape=circle, style=filled, fillcolor="{INK}", label="", width=0.15, height=0.15]',
    ]
    for node in sorted(graph.nodes, key=lambda node: axis.places[node.name]):
        lines.append(f"  {ids[node.name]} {_box(node, visited.get(node.name), rounded=node.name in axis.states)}")
    lines += ["", f"  {_INITIAL} -> {ids[path.start]} [weight=20]"]
    for arrow in graph.arrows:
        passages = taken.get((arrow.source, arrow.target))
        if passages is None and not near(definition, axis, arrow):
            continue
        words = _taken(passages) if passages else []
        words += ["weight=100"] if (arrow.source, arrow.target) in axis.steps() else []
        lines.append(f"  {ids[arrow.source]} -> {ids[arrow.target]}" + (f" [{', '.join(words)}]" if words else ""))
    return "\n".join([*lines, "}", ""])


def _caption(graph: Graph, path: Path) -> str:
    ended = f"outcome {path.outcome}" if path.outcome is not None else "without an end"
    lines = [
        f'<FONT POINT-SIZE="{BIG}"><B>{html(graph.name)}</B> {graph.version}: a run of {path.lasted:.3f} s, '
        f"{html(ended)}</FONT>"
    ]
    if path.missing:
        lines.append(f'<FONT COLOR="{FAULT}"><B>{html(f"the tape is not whole: {path.missing}")}</B></FONT>')
    if path.handled:
        events = "event was" if path.handled == 1 else "events were"
        lines.append(html(f"{path.handled} more {events} handled without a state being left"))
    return stacked([*lines, f'<FONT COLOR="{RULE}">{html(_LEGEND)}</FONT>'])


def _box(node: Node, spent: float | None, *, rounded: bool) -> str:
    name = f'<FONT POINT-SIZE="{BIG}"><B>{html(node.name)}</B></FONT>'
    words = ["peripheries=2"] if node.state.final is not None else []
    style = ["rounded"] if rounded else []
    if spent is None:
        label = html(node.name)
    else:
        stay = [] if node.state.final is not None else [cell(html(f"for {spent:.3f} s"), "CENTER")]
        label = table([cell(name, "CENTER"), *stay])
        style.append("filled")
        words += [f'penwidth=2.2, color="{INK}", fontcolor="{INK}", fillcolor="{ENTERED}"']
    words += [f'style="{",".join(style)}"'] if style else []
    return f"[{', '.join([f'label=<{label}>', *words, f'tooltip={tooltip(node.state.doc or node.name)}'])}]"


def _taken(passages: Sequence[Passage]) -> list[str]:
    label = table([cell(stacked(_lines(passages)))])
    told = tooltip(" | ".join(f"{passage.number}: {passage.event}: {passage.cause}" for passage in _few(passages)))
    return [f"label=<{label}>", f'color="{INK}", penwidth=2.4, arrowsize=0.8, tooltip={told}']


def _lines(passages: Sequence[Passage]) -> Iterator[str]:
    few = _few(passages)
    for passage in few:
        if passage is few[-1] and len(few) < len(passages):
            yield f'<FONT COLOR="{RULE}">{len(passages) - len(few)} more</FONT>'
        yield f"<B>{passage.number}</B>&#160; {passage.at:.3f} s&#160; {html(passage.event)}"
        if passage.verdict:
            yield f'<FONT COLOR="{RULE}">&#160;&#160;{filled(["⚑", passage.verdict], 40)}</FONT>'


def _few(passages: Sequence[Passage]) -> Sequence[Passage]:
    return passages if len(passages) <= _TOLD else [*passages[: _TOLD - 1], passages[-1]]

"""What stands in the boxes and on the arrows of a DOT drawing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scxlife.diagrams.dot_text import SPACE, cell, filled, html, stacked, table
from scxlife.diagrams.graph import Arrow, Node
from scxlife.diagrams.palette import FAULT, RULE
from scxlife.diagrams.scene import Source
from scxlife.diagrams.ways import Way
from scxlife.diagrams.wording import commas, deadline_line, ending, handling, naming, verdicts

FONT = "Helvetica,Arial,sans-serif"
BIG, SMALL = 12, 10
# Characters in a line of a box and of an arrow's label.
_BOX_WIDTH, _LABEL_WIDTH = 40, 26


def box_label(node: Node, away: Iterable[Arrow], coming: Iterable[Source], *, detailed: bool) -> str:
    """A state: its name, what it does by itself, and the ways into and out of it that are not drawn, with rules
    between."""
    name = f'<FONT POINT-SIZE="{BIG}"><B>{html(node.name)}</B></FONT>'
    rows = [cell(name, "CENTER")]
    if detailed and node.state.doc:
        rows = [cell(f'{name}<BR ALIGN="CENTER"/>{_doc(node.state.doc)}', "CENTER")]
    for lines in ([_coming(source) for source in coming], list(_own(node)), list(_away(away))):
        rows += ["<HR/>", cell(stacked(lines))] if lines else []
    return table(rows)


def _doc(doc: str) -> str:
    return f'<FONT COLOR="{RULE}">{filled(doc.split(), 34)}</FONT>'.replace(
        '<BR ALIGN="LEFT"/>&#160;&#160;', '<BR ALIGN="CENTER"/>'
    )


def _own(node: Node) -> Iterator[str]:
    if node.state.final is not None:
        yield html(ending(node.state))
    for deadline in node.deadlines:
        yield f"<I>{html(deadline_line(deadline))}</I>"
    if node.state.entry:
        yield filled(["entry /", *commas(node.state.entry)], _BOX_WIDTH)
    if node.state.exit:
        yield filled(["exit /", *commas(node.state.exit)], _BOX_WIDTH)
    for actions in dict.fromkeys(way.actions for way in node.stays):
        yield filled(handling([way for way in node.stays if way.actions == actions]), _BOX_WIDTH)
    if node.defers:
        yield filled(["defers", *naming(node.defers)], _BOX_WIDTH)


def _away(arrows: Iterable[Arrow]) -> Iterator[str]:
    for arrow in arrows:
        yield filled([f"→ {arrow.target}:", *naming(in_order(arrow.ways))], _BOX_WIDTH)


def _coming(source: Source) -> str:
    *states, last = commas(source.states)
    words = [*states, f"{last}:"]
    return filled([f"← {words[0]}", *words[1:], *naming(in_order(source.ways))], _BOX_WIDTH)


def outside_label(name: str) -> str:
    """A state that is only led to."""
    return f'<FONT POINT-SIZE="{BIG}">{html(name)}</FONT>'


def sources_label(sources: Iterable[Source]) -> str:
    """States that are not shown, with what leads from them."""
    lines = []
    for source in sources:
        lines.append(f"<B>{filled(commas(source.states), _BOX_WIDTH)}</B>")
        lines.append(SPACE * 2 + filled(naming(in_order(source.ways)), _BOX_WIDTH))
    return stacked(lines)


def plain_label(ways: Sequence[Way]) -> str:
    """The events of an arrow, in lines."""
    return table([cell(stacked(_way(way) for way in in_order(ways)))])


def arrow_label(ways: Sequence[Way], exits: int, entries: int) -> str:
    """The events of an arrow in lines, those with the same effect together, and below them what is done and noted.

    The first `exits` and the last `entries` actions of a way are not repeated: the boxes of its states name them.
    """
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Way]] = {}
    for way in in_order(ways):
        alike.setdefault((way.row_actions(exits, entries), verdicts(way)), []).append(way)
    lines: list[str] = []
    for (actions, noted), own in alike.items():
        lines += map(_way, own)
        lines += [_effect("/", actions)] if actions else []
        lines += [_effect("⚑", noted)] if noted else []
    return table([cell(stacked(lines))])


def in_order(ways: Sequence[Way]) -> list[Way]:
    return sorted(ways, key=lambda way: (way.is_fault, way.is_deadline))


def _effect(sign: str, names: Sequence[str]) -> str:
    first, *more = commas(names)
    return f'<FONT COLOR="{RULE}">{SPACE * 2}{filled([f"{sign} {first}", *more], _LABEL_WIDTH, 6)}</FONT>'


def _way(way: Way) -> str:
    text = filled(naming([way]), _LABEL_WIDTH)
    if way.is_fault:
        return f'<FONT COLOR="{FAULT}">{text}</FONT>'
    return f"<I>{text}</I>" if way.is_deadline else text


def style(ways: Iterable[Way]) -> list[str]:
    """Dotted for nothing but faults, dashed for nothing but deadlines (and faults), else solid."""
    sound = [way for way in ways if not way.is_fault]
    if not sound:
        return ["style=dotted", f'color="{FAULT}"']
    return ["style=dashed"] if all(way.is_deadline for way in sound) else []


def story(ways: Iterable[Way]) -> str:
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

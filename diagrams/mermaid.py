"""A definition as Mermaid text, a `stateDiagram-v2`: what Markdown pages draw by themselves.

A group whose states are in no other group, or all in one, is a composite state; one that cuts across a group declared
before it is not drawn. A line below a state's name is its doc, its outcome, a deadline, what it does when it is entered
or left, or an event that it handles without being left. Between two states there is one arrow, with a line for each
event that goes there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from scxlife.diagrams.dot_text import one_line
from scxlife.diagrams.graph import Node
from scxlife.diagrams.identifiers import coded
from scxlife.diagrams.nesting import drawn, nest
from scxlife.diagrams.selection import ALL, narrowed, title_of
from scxlife.diagrams.wording import arrow_lines, box_lines, wrapped
from scxlife.fsm.definition import Definition

# Characters in a line of a box and of an arrow's label.
_BOX_WIDTH, _LABEL_WIDTH = 44, 26
_PLAIN = frozenset(" ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,/=()!?'×→")


def mermaid(definition: Definition, groups: Collection[str] = (), only: str = ALL) -> str:
    """Mermaid text that draws `definition`, or a part of it. Equal definitions give equal text."""
    graph = narrowed(definition, groups, only)
    nodes = {node.name: node for node in graph.nodes}
    title = ": ".join(filter(None, [f"{graph.name} {graph.version}", title_of(groups, only)]))
    lines = [f'---\ntitle: "{_title(title)}"\n---', "stateDiagram-v2"]
    whole = nest(nodes, {name: [state for state in own if state in nodes] for name, own in definition.groups.items()})
    lines += drawn(whole, "  ", lambda name, margin: _box(nodes[name], margin), _head)
    lines += ["", *([f"  [*] --> {_state(graph.initial)}"] if graph.initial in nodes else [])]
    for arrow in graph.arrows:
        label = _stacked(arrow_lines(arrow, definition.states), _LABEL_WIDTH)
        lines.append(f"  {_state(arrow.source)} --> {_state(arrow.target)} : {label}")
    lines += [f"  {_state(node.name)} --> [*]" for node in graph.nodes if node.state.final is not None]
    return "\n".join([*lines, ""])


def text(words: str) -> str:
    """`words` for a label, every character that Mermaid could take for its own as an entity.

    Only `ﬂ°` and `¶ß` can't be shown: Mermaid writes entities with them inside.
    """
    return "".join(letter if letter in _PLAIN else f"#{ord(letter)};" for letter in one_line(words)) or "#160;"


def _title(words: str) -> str:
    """`words` within a double-quoted string of the YAML on top, where labels' entities are no entities."""
    return "".join(letter if letter in _PLAIN else f"\\U{ord(letter):08X}" for letter in one_line(words))


def _state(name: str) -> str:
    """A state's identifier: with its letter in front it is none of Mermaid's words, nor begins with one."""
    return f"s_{coded(name)}"


def _head(group: str) -> str:
    return f'state "{text(group)}" as g_{coded(group)}'


def _box(node: Node, margin: str) -> Iterator[str]:
    yield f'{margin}state "{text(node.name)}" as {_state(node.name)}'
    for words in box_lines(node):
        yield f"{margin}{_state(node.name)} : {_stacked([words], _BOX_WIDTH)}"


def _stacked(lines: Iterable[list[str]], width: int) -> str:
    return "<br/>".join(text(line) for words in lines for line in wrapped(words, width))

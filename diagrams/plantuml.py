"""A definition as PlantUML text. It shows what the Mermaid drawing shows, arranged by Graphviz.

A group is a composite state as there. An arrow that only deadlines take is dashed, one that only faults take dotted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from scxlife.diagrams.dot_text import one_line
from scxlife.diagrams.graph import Arrow, Node
from scxlife.diagrams.identifiers import coded
from scxlife.diagrams.nesting import drawn, nest
from scxlife.diagrams.selection import ALL, narrowed, title_of
from scxlife.diagrams.wording import arrow_lines, box_lines, wrapped
from scxlife.fsm.definition import Definition

# Characters in a line of a box and of an arrow's label.
_BOX_WIDTH, _LABEL_WIDTH = 44, 32
_PLAIN = frozenset(" ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,()?'")
# Single ones are plain; two of them begin or end markup, and so may one at an edge.
_PLAIN_WITHIN = frozenset("_/;:[]")


def plantuml(definition: Definition, groups: Collection[str] = (), only: str = ALL) -> str:
    """PlantUML text that draws `definition`, or a part of it. Equal definitions give equal text."""
    graph = narrowed(definition, groups, only)
    nodes = {node.name: node for node in graph.nodes}
    title = ": ".join(filter(None, [f"{graph.name} {graph.version}", title_of(groups, only)]))
    lines = ["@startuml", "hide empty description", f"title {text(title)}"]
    whole = nest(nodes, {name: [state for state in own if state in nodes] for name, own in definition.groups.items()})
    lines += drawn(whole, "", lambda name, margin: _box(nodes[name], margin), _head)
    lines += ["", *([f"[*] --> {_state(graph.initial)}"] if graph.initial in nodes else [])]
    for arrow in graph.arrows:
        label = _stacked(arrow_lines(arrow, definition.states), _LABEL_WIDTH)
        lines.append(f"{_state(arrow.source)} {_line(arrow)} {_state(arrow.target)} : {label}")
    lines += [f"{_state(node.name)} --> [*]" for node in graph.nodes if node.state.final is not None]
    return "\n".join([*lines, "@enduml", ""])


def text(words: str) -> str:
    """`words` for a label, every character that PlantUML could take for its own as a code."""
    line = one_line(words)
    return "".join(map(_letter, line, f" {line}", f"{line[1:]} ")) or "<U+00A0>"


def _letter(letter: str, before: str, after: str) -> str:
    alone = before in _PLAIN and after in _PLAIN
    return letter if letter in _PLAIN or (letter in _PLAIN_WITHIN and alone) else f"<U+{ord(letter):04X}>"


def _state(name: str) -> str:
    """A state's identifier, none of PlantUML's words."""
    return f"s_{coded(name)}"


def _line(arrow: Arrow) -> str:
    sound = [way for way in arrow.ways if not way.is_fault]
    if not sound:
        return "-[dotted]->"
    return "-[dashed]->" if all(way.is_deadline for way in sound) else "-->"


def _head(group: str) -> str:
    return f'state "{text(group)}" as g_{coded(group)}'


def _box(node: Node, margin: str) -> Iterator[str]:
    yield f'{margin}state "{text(node.name)}" as {_state(node.name)}'
    for words in box_lines(node):
        for line in wrapped(words, _BOX_WIDTH):
            yield f"{margin}{_state(node.name)} : {text(line)}"


def _stacked(lines: Iterable[list[str]], width: int) -> str:
    return r"\n".join(text(line) for words in lines for line in wrapped(words, width))

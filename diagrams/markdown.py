"""A definition's whole table as Markdown: one table that shows all states × all events by a sign and a target, then for
each state a line for every branch of every cell, so that a diff shows which cell has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scxlife.diagrams.cells import MEANINGS, SIGNS, Line, lines_of
from scxlife.diagrams.dot_text import one_line
from scxlife.diagrams.graph import Node, graph_of
from scxlife.diagrams.wording import deadline_line, ending
from scxlife.fsm.definition import Definition, State

_PLAIN = frozenset(" ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789,;/=(?'\"")
_COLUMNS = ("event", "if", "kind", "target", "actions", "verdict", "because")


def markdown(definition: Definition) -> str:
    """Markdown text with every cell of `definition`. Equal definitions give equal text."""
    lines = [f"# {text(definition.name)} {definition.version}", ""]
    if definition.doc:
        lines += [text(definition.doc), ""]
    lines += ["; ".join(f"{SIGNS[kind]} {meaning}" for kind, meaning in MEANINGS.items()), ""]
    lines += _overview(definition)
    for node in graph_of(definition).nodes:
        lines += ["", *_section(definition, node)]
    return "\n".join([*lines, ""])


def text(words: str) -> str:
    """`words` within a line or a cell, every character that may be markup as an entity."""
    line = one_line(words)
    return "".join(map(_letter, line, f" {line}", f"{line[1:]} "))


def _letter(letter: str, before: str, after: str) -> str:
    """A letter, or its entity: `1. ` begins a list, `:word:` is a picture, but `a_b` and `a-b` are no markup."""
    if letter in "_-":
        plain = before.isalnum() and after.isalnum()
    elif letter in ".):":
        plain = not before.isdigit() and (after.isalnum() or after == " ") and (letter != ":" or after == " ")
    else:
        plain = letter in _PLAIN or (letter.isalnum() and not letter.isascii())
    return letter if plain else f"&#{ord(letter)};"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _overview(definition: Definition) -> Iterator[str]:
    yield _row(["", *map(text, definition.events)])
    yield _row(["---"] * (len(definition.events) + 1))
    for state in definition.states:
        cells = ("<br>".join(map(_short, lines_of(definition, state, event))) for event in definition.events)
        yield _row([f"**{text(state) or '&#160;'}**", *cells])


def _short(line: Line) -> str:
    guards = f"&#91;{text(', '.join(line.guards))}&#93; " if line.guards else ""
    return guards + line.sign + (f" {text(line.target)}" if line.target else "")


def _section(definition: Definition, node: Node) -> Iterator[str]:
    yield f"## {text(node.name) or '&#160;'}"
    yield ""
    told = list(_told(node.state, [deadline_line(deadline) for deadline in node.deadlines]))
    if told:
        yield from (f"- {text(line)}" for line in told)
        yield ""
    yield _row(_COLUMNS)
    yield _row(["---"] * len(_COLUMNS))
    for event in definition.events:
        for line in lines_of(definition, node.name, event):
            yield _row(_full(line))


def _told(state: State, deadlines: Iterable[str]) -> Iterator[str]:
    if state.doc:
        yield state.doc
    if state.final is not None:
        yield ending(state)
    yield from deadlines
    if state.no_deadline:
        yield f"no deadline: {state.no_deadline}"
    for what, names in (("entry", state.entry), ("exit", state.exit), ("sources", state.sources)):
        if names:
            yield f"{what}: {', '.join(names)}"


def _full(line: Line) -> list[str]:
    words = [line.event, ", ".join(line.guards), line.kind, line.target, ", ".join(line.actions), line.verdict]
    return [*map(text, words[:2]), f"{line.sign} {line.kind}", *map(text, [*words[3:], line.reason])]

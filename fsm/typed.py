"""A definition's names as a Python module: enums for states, events and outcomes, Protocols for actions and guards.

mypy then sees a misspelt event, an action that nobody wrote, and one that nobody asked for.
"""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from .definition import VERDICT, Definition

WIDTH = 120


class NamesError(ValueError):
    """Two names of a definition would be the same in Python."""


def typed_names(definition: Definition, source: str) -> str:
    """The text of the module. `source` is the definition's path as the header shall name it.

    Raises NamesError when two names differ only in what Python does not allow in a name.
    """
    sections = [
        "\n".join(_header(definition, source)),
        "\n".join(_enum("State", f"The states of `{definition.name}`.", _states(definition))),
        "\n".join(_enum("EventName", f"The events of `{definition.name}`.", _events(definition))),
    ]
    outcomes = _outcomes(definition)
    if outcomes:
        sections.append("\n".join(_enum("Outcome", f"How `{definition.name}` can end.", outcomes)))
    sections.append("\n".join(_event_maker()))
    if definition.actions:
        docs = {name: action.doc for name, action in definition.actions.items()}
        sections.append("\n".join(_protocol("Actions", "What it does, each when the table says so.", docs, "None")))
        sections.append("\n".join(_mapping("Action", docs)))
    if definition.guards:
        docs = dict(definition.guards)
        sections.append("\n".join(_protocol("Guards", "What it asks before it takes a row.", docs, "bool")))
        sections.append("\n".join(_mapping("Guard", docs)))
    return "\n\n\n".join(sections) + "\n"


def _states(definition: Definition) -> dict[str, str]:
    return {name: state.doc for name, state in definition.states.items()}


def _events(definition: Definition) -> dict[str, str]:
    return {name: event.doc for name, event in definition.events.items()}


def _outcomes(definition: Definition) -> dict[str, str]:
    """Every outcome that a run can have: with its reasons where it has some."""
    said = {b.decision.verdict for cell in definition.cells.values() for b in cell} - {None}
    said |= {state.final for state in definition.states.values()} - {None, VERDICT}
    return {name: words for name, words in definition.outcomes.items() if name in said}


def _header(definition: Definition, source: str) -> Iterator[str]:
    yield f'"""The names of the machine `{definition.name}`, version {definition.version}.'
    yield ""
    yield f"Made by `scxlife names {source}`: to change it, change the definition and make it anew."
    yield '"""'
    yield ""
    yield "from __future__ import annotations"
    yield ""
    yield "from collections.abc import Mapping"
    yield "from enum import StrEnum"
    if definition.actions or definition.guards:
        yield "from typing import Protocol"
    yield ""
    yield "from scxlife.fsm.events import NOTHING, Event"
    wanted = [kind for kind, some in (("Action", definition.actions), ("Guard", definition.guards)) if some]
    if wanted:
        yield f"from scxlife.fsm.runtime import {', '.join(wanted)}"


def _identifier(name: str) -> str:
    word = re.sub(r"\W", "_", name)
    return f"{word}_" if keyword.iskeyword(word) or word.startswith("__") else word


def _distinct(kind: str, names: Iterable[str], spelling: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(spelling[name], name)) != name:
            raise NamesError(f"{kind} {other!r} and {name!r} would both be {spelling[name]} in Python; rename one")


def _docstring(text: str, indent: str = "    ") -> Iterator[str]:
    words = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    if not words:
        return
    sentence = f"{words[0].upper()}{words[1:]}{'' if words.endswith(('.', '?', '!')) else '.'}"
    first, *rest = textwrap.wrap(sentence, WIDTH - len(indent) - 6, break_long_words=False)
    yield f'{indent}"""{first}' + ("" if rest else '"""')
    for line in rest:
        yield f"{indent}{line}"
    if rest:
        yield f'{indent}"""'


def _enum(name: str, doc: str, members: Mapping[str, str]) -> Iterator[str]:
    spelling = {member: _identifier(member.upper()) for member in members}
    _distinct(name, members, spelling)
    yield f"class {name}(StrEnum):"
    yield from _docstring(doc)
    yield ""
    for member, words in members.items():
        yield f'    {spelling[member]} = "{member}"'
        yield from _docstring(words)


def _event_maker() -> Iterator[str]:
    yield 'def happened(name: EventName, data: Mapping[str, object] = NOTHING, cause: str = "") -> Event:'
    yield '    """An event of this machine."""'
    yield "    return Event(name.value, data, cause)"


def _protocol(name: str, doc: str, members: Mapping[str, str], returns: str) -> Iterator[str]:
    spelling = {member: _identifier(member) for member in members}
    _distinct(name, members, spelling)
    yield f"class {name}(Protocol):"
    yield from _docstring(doc)
    for member, words in members.items():
        yield ""
        yield f"    def {spelling[member]}(self, event: Event, /) -> {returns}:"
        lines = list(_docstring(words, " " * 8))
        yield from lines or ["        ..."]


def _mapping(kind: str, members: Mapping[str, str]) -> Iterator[str]:
    plural = f"{kind}s"
    yield f"def {plural.lower()}_of(given: {plural}) -> dict[str, {kind}]:"
    yield f'    """`given` as the mapping that `Runtime` takes for its {plural.lower()}."""'
    yield "    return {"
    for member in members:
        yield f'        "{member}": given.{_identifier(member)},'
    yield "    }"

"""A machine as other libraries have it: a tree of states, with arrows between any two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from scxlife.fsm.definition import BY_ACTION, BY_CALLER, FAULT, REJECT, VERDICT

from .problem import ImportProblem

# Bounds for hostile files. The table of a machine this large is still checked within seconds.
MAX_STATES, MAX_ARROWS, MAX_DEPTH = 1_000, 20_000, 24

# The event that stands for "at once", and the action that posts it.
ALWAYS, SETTLE = "always", "settle"
ALWAYS_RANK = -15
# Stands for every event that the original does not name and takes all the same.
OTHER = "other"
# The event that is added where the original has no way to an end.
ABANDON = "abandon"

# How much an arrow leaves: all up to the states that hold both of its ends, or nothing that holds its target too.
EXTERNAL, INTERNAL, ACTIVE = "external", "internal", "active"

_RESERVED = {
    "event": (FAULT, ALWAYS, ABANDON),
    "action": (SETTLE,),
    "outcome": (VERDICT,),
    "source": (BY_ACTION, BY_CALLER),
}
_LONGEST_NAME, _LONGEST_TEXT = 48, 160


def clean(text: object, longest: int = _LONGEST_TEXT) -> str:
    """A foreign text on one line, of bounded length, in which nothing paints or moves on a terminal."""
    words = " ".join(str(text)[: 4 * longest].split())
    shown = "".join(c if c.isprintable() else "?" for c in words)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


@attrs.define(eq=False)
class Arrow:
    """A transition: without `target` it stays. `reason` is what the original says of it."""

    events: tuple[str, ...]
    target: Node | None = None
    guards: tuple[tuple[str, bool], ...] = ()
    do: tuple[str, ...] = ()
    leaves: str = EXTERNAL
    reason: str = ""
    again: bool = False
    remarks: list[str] = attrs.Factory(list)


@attrs.define(eq=False)
class Node:
    """A state, with the states in it. `initial` is the one that is entered with it; without one it stands alone."""

    name: str
    parent: Node | None = None
    doc: str = ""
    children: list[Node] = attrs.Factory(list)
    initial: Node | None = None
    initial_do: tuple[str, ...] = ()
    entry: tuple[str, ...] = ()
    exit: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    deadlines: tuple[str, ...] = ()
    final: bool = False
    outcome: str = ""
    arrows: list[Arrow] = attrs.Factory(list)
    remarks: list[str] = attrs.Factory(list)

    def add(self, name: str) -> Node:
        """A new state in this one."""
        child = Node(name, self)
        self.children.append(child)
        return child

    def up(self) -> Iterator[Node]:
        """This state and those around it, the root last."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def all(self) -> Iterator[Node]:
        """This state and those in it, in the order of the original."""
        yield self
        for child in self.children:
            yield from child.all()


@attrs.define(eq=False)
class Happening:
    """An event of the chart, as the draft declares it."""

    source: str = BY_CALLER
    timer: str | None = None
    rank: int | None = None
    doc: str = ""


@attrs.define(eq=False)
class Setting:
    """The duration of a timer as text; `null` for one that the original computes."""

    value: str
    doc: str = ""


@attrs.define(eq=False)
class Action:
    """What an action does, and the events that it posts."""

    doc: str = ""
    posts: tuple[str, ...] = ()


@attrs.define(eq=False)
class Chart:
    """A whole machine. `unhandled` is what the original does with an event that a state has nothing for."""

    origin: str
    name: str = "machine"
    doc: str = ""
    unhandled: str = REJECT
    because: str = ""
    root: Node = attrs.Factory(lambda: Node(""))
    events: dict[str, Happening] = attrs.Factory(dict)
    settings: dict[str, Setting] = attrs.Factory(dict)
    sources: dict[str, str] = attrs.Factory(dict)
    guards: dict[str, str] = attrs.Factory(dict)
    actions: dict[str, Action] = attrs.Factory(dict)
    remarks: list[str] = attrs.Factory(list)
    _names: dict[tuple[str, str], str] = attrs.Factory(dict)
    _taken: set[tuple[str, str]] = attrs.Factory(set)

    def named(self, kind: str, original: str, fallback: str = "") -> str:
        """A name of the format for one of the original, the same each time and no other's."""
        key = (kind, original)
        if key not in self._names:
            text = re.sub(r"[^A-Za-z0-9_.-]+", "_", (fallback or original)[: 4 * _LONGEST_NAME])
            text = re.sub(r"_{2,}", "_", text).strip("_.-") if text != original else text
            text = text[:_LONGEST_NAME] or kind
            if not re.match(r"[A-Za-z_]", text):
                text = f"{kind[0]}{text}"
            name, number = text, 1
            while (kind, name) in self._taken or name in _RESERVED.get(kind, ()):
                number += 1
                name = f"{text}_{number}"
            self._names[key] = name
            self._taken.add((kind, name))
        return self._names[key]

    def event(self, original: str) -> str:
        """The event of that name, declared."""
        name = self.named("event", original)
        self.events.setdefault(name, Happening(doc="" if name == original else clean(original)))
        return name

    def other(self, prefix: str) -> str:
        """The event for all of that prefix which the original does not name."""
        name = self.event(prefix)
        what = "any event" if prefix == OTHER else f"any {clean(prefix)}"
        self.events[name].doc = self.events[name].doc or f"{what} that the original does not name"
        return name

    def action(self, original: str, doc: str = "", fallback: str = "", posts: tuple[str, ...] = ()) -> str:
        """The action of that name or text, declared."""
        name = self.named("action", original, fallback)
        self.actions.setdefault(name, Action(doc or ("" if name == original else clean(original)), posts))
        return name

    def guard(self, original: str, doc: str = "") -> str:
        """The guard of that name or text, declared."""
        name = self.named("guard", original)
        self.guards.setdefault(name, doc or ("" if name == original else clean(original)))
        return name

    def timer(self, name: str, value: str, doc: str = "") -> str:
        """A deadline of that name, with the setting of its duration."""
        event, setting = self.named("event", name), self.named("setting", name)
        self.settings[setting] = Setting(value, doc)
        self.events[event] = Happening(timer=setting)
        return event

    def posted(self, event: str, action: str, doc: str) -> str:
        """The action `action`, declared, whose whole work it is to post `event`."""
        self.events[event] = Happening(BY_ACTION, rank=self.events[event].rank if event in self.events else None)
        return self.action(action, doc, posts=(event,))

    def bounded(self) -> None:
        """Raise ImportProblem for a machine that is larger than any."""
        states = arrows = 0
        waiting = [(self.root, 0)]
        while waiting:
            node, depth = waiting.pop()
            states, arrows = states + 1, arrows + len(node.arrows)
            if depth > MAX_DEPTH:
                raise ImportProblem(f"states are nested deeper than {MAX_DEPTH} levels")
            if states > MAX_STATES or arrows > MAX_ARROWS:
                raise ImportProblem(f"more than {MAX_STATES} states or {MAX_ARROWS} transitions: too large to import")
            waiting.extend((child, depth + 1) for child in node.children)
        if states == 1:
            raise ImportProblem("it has no states")


def seconds_text(seconds: float) -> str:
    """A duration as the format writes it; `null` for one that a deadline can't have."""
    from scxlife.fsm.definition import LONGEST

    if not 0 < seconds <= LONGEST:
        return "null"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1), ("ms", 1e-3)):
        amount = seconds / size
        if amount >= 1 and abs(amount - round(amount)) < 1e-9:
            return f"{round(amount)}{unit}"
    return f"{max(round(seconds * 1e6), 1)}us"

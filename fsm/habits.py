"""What people write who come from other libraries and formats, and what it is called here.

Imported only when a file has a key that the format does not have, or a value of another type.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import attrs

from .document import CLASSES, key_of
from .problems import LONGEST, Path

_A_ROW = "`rows: [{in: STATE, on: EVENT, to: STATE}]`"
_A_TIMER = "a time is a setting, `settings: {NAME: {value: 3m}}`, and its event says `timer: NAME`"
_FLAT = "states are not nested; `groups: {NAME: [STATE, STATE]}` names several"

# For each class of the format: the foreign key, and the key of ours that takes the same value.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "Document": {
        "transitions": "rows",
        "transition": "rows",
        "name": "machine",
        "id": "machine",
        "initial_state": "initial",
        "initialState": "initial",
        "start": "initial",
        "description": "doc",
        "conditions": "guards",
    },
    "StateDoc": {
        **dict.fromkeys(("onentry", "on_enter", "on_entry", "onEntry", "enter"), "entry"),
        **dict.fromkeys(("onexit", "on_exit", "onExit", "leave"), "exit"),
        "description": "doc",
        "timers": "deadlines",
    },
    "RowDoc": {
        **dict.fromkeys(("source", "from", "from_", "src", "state"), "in"),
        **dict.fromkeys(("dest", "destination", "target", "to_state"), "to"),
        **dict.fromkeys(("trigger", "event"), "on"),
        **dict.fromkeys(("conditions", "condition", "cond", "guard", "guards", "when"), "if"),
        **dict.fromkeys(("before", "after", "action", "actions", "prepare", "effect", "run"), "do"),
        "doc": "note",
    },
    "ReasonedDoc": {
        **dict.fromkeys(("source", "from", "src", "state"), "in"),
        **dict.fromkeys(("trigger", "event"), "on"),
        **dict.fromkeys(("conditions", "condition", "cond", "guard", "guards", "when"), "if"),
        **dict.fromkeys(("reason", "why", "note", "doc"), "because"),
    },
    "EventDoc": {"description": "doc", "priority": "rank"},
    "SettingDoc": {"default": "value", "description": "doc"},
    "ActionDoc": {"description": "doc", "emits": "posts", "raises": "posts"},
    "GuardDoc": {"description": "doc", "not": "opposite", "exclusive": "excludes"},
}

# The foreign key, and where that is said here.
_ADVICE: Mapping[str, Mapping[str, str]] = {
    "": {"<<": "merge keys are not read; write the keys out, or name several states and events in one row"},
    "Document": {
        **dict.fromkeys(("timers", "timeouts", "deadlines", "after", "delays"), _A_TIMER),
        **dict.fromkeys(("context", "data", "datamodel", "variables"), "the program keeps data, not the machine"),
        "final": "a state says so itself: `final: OUTCOME`",
    },
    "StateDoc": {
        **dict.fromkeys(("on", "transitions", "transition", "always", "rows"), f"what events do is a row: {_A_ROW}"),
        **dict.fromkeys(("after", "timeout", "delay"), f"{_A_TIMER}; the state lists the event in `deadlines`"),
        **dict.fromkeys(("type", "kind"), "a state that ends the machine says `final: OUTCOME`"),
        **dict.fromkeys(("initial", "start"), "the file's own key `initial` names the first state"),
        **dict.fromkeys(("states", "children", "parallel", "history"), _FLAT),
    },
    "RowDoc": {"because": "a row of `rows` has a `note`; reasons are for `ignore`, `defer`, `reject` and `impossible`"},
    "ReasonedDoc": {"to": f"nothing is done here; what leads on is a row: {_A_ROW}"},
    "EventDoc": {
        **dict.fromkeys(("after", "timeout", "delay", "value"), _A_TIMER),
        **dict.fromkeys(("to", "target", "from"), f"what an event does is a row: {_A_ROW}"),
    },
}

# How the classes are called in a message.
_PLACES = {
    "Document": "the file itself",
    "SettingDoc": "a setting",
    "EventDoc": "an event",
    "StateDoc": "a state",
    "GuardDoc": "a guard",
    "ActionDoc": "an action",
    "OutcomeDoc": "an outcome",
    "RowDoc": "a row",
    "ReasonedDoc": "a row with a reason",
    "ProfileDoc": "a profile",
}

# What is written at a place: of a path the section, `*` for any name or number, and the key.
_SHAPES: Mapping[tuple[str, ...], str] = {
    (): "a definition begins with `format: 1` and `machine: NAME`",
    ("states",): "each state is a key: `states: {NAME: {no-deadline: why it may last}}`",
    ("states", "*"): "write `NAME: {deadlines: EVENT}`, or `NAME: {no-deadline: why it may last}`",
    ("states", "*", "deadlines"): "name the events that have a `timer`; their time is a setting",
    ("states", "*", "final"): "the name of an outcome, as in `final: done` with `outcomes: {done: {}}`",
    ("events",): "each event is a key: `events: {NAME: {source: caller}}`",
    ("events", "*"): "write `NAME: {source: caller}`, or `NAME: {timer: SETTING}`",
    ("settings",): "each setting is a key: `settings: {NAME: {value: 3m}}`",
    ("settings", "*"): "write `NAME: {value: 3m}`",
    ("guards",): "each guard is a key: `guards: {NAME: what it asks}`",
    ("actions",): "each action is a key: `actions: {NAME: what it does}`",
    ("outcomes",): "each outcome is a key: `outcomes: {NAME: {doc: what it means}}`",
    ("outcomes", "*"): "write `NAME: {doc: what it means}`",
    ("groups",): "each group is a key: `groups: {NAME: [STATE, STATE]}`",
    ("sources",): "each source is a key: `sources: {NAME: KIND}`",
    ("rows",): "each row is an item: `- {in: STATE, on: EVENT, to: STATE}`",
    ("rows", "*"): "write `- {in: STATE, on: EVENT, to: STATE}`",
    ("rows", "*", "to"): "write the name of one state",
    **dict.fromkeys(
        (("ignore",), ("defer",), ("reject",), ("impossible",)),
        "each row is an item: `- {in: STATE, on: EVENT, because: why}`",
    ),
}


def renamed(cls: type, key: str) -> str | None:
    """The key of `cls` that others call `key`."""
    return _RENAMED.get(cls.__name__, {}).get(key)


def advice(cls: type, key: str) -> str | None:
    """Where that is said for which others have `key` in a place such as `cls`, or which place the key belongs to."""
    said = _ADVICE.get(cls.__name__, {}).get(key) or _ADVICE[""].get(key)
    if said is not None or any(key_of(field) in (key, f"{key}s") for field in attrs.fields(cls)):
        return said
    owner = next((other for other in CLASSES if any(key_of(field) == key for field in attrs.fields(other))), None)
    if owner is None or key == "doc":
        return None
    owned, here = _PLACES[owner.__name__], _PLACES[cls.__name__]
    return f"it belongs to {owned}, and here it is one of {here}: mind the indentation"


def shape(path: Path) -> str | None:
    """What is written at `path`, for a value of another type."""
    wanted = tuple("*" if index == 1 else str(part) for index, part in enumerate(path))
    words = _SHAPES.get(wanted)
    return words.replace("NAME", str(path[1])) if words is not None and len(path) > 1 else words


class Expression(NamedTuple):
    """An expression of guards: those in it, what to write instead, and which must hold, or must not, if it can be said
    in one row."""

    guards: list[str]
    hint: str
    meant: list[tuple[str, bool]]


_NOT, _AND, _OR = {"not", "!"}, {"and", "&&", "&", ","}, {"or", "||", "|"}


def expression(text: str, key: str, guards: Collection[str]) -> Expression | None:
    """What is meant by a text under `key`, `if` or `unless`, that joins names of guards as programs do."""
    if len(text) > LONGEST:
        return None
    words = re.findall(r"&&|\|\||[A-Za-z_][\w.-]*|\S", text)
    named = [word for word in words if word in guards]
    joined = {word.lower() for word in words if word not in guards}
    if not named or not joined or not joined <= _NOT | _AND | _OR:
        return None
    listed = f"[{', '.join(named)}]"
    if joined <= _NOT and len(named) == 1:
        other, asked = ("unless", "does not hold") if key == "if" else ("if", "holds")
        return Expression(named, f"to ask that {named[0]} {asked}, write `{other}: {named[0]}`", [(named[0], False)])
    if joined & _OR:
        return Expression(named, "for `or` write a row for each", [])
    if joined & _NOT:
        hint = "what must hold stands under `if`, what must not under `unless`, both as lists"
        return Expression(named, hint, [])
    if key == "if":
        return Expression(named, f"several that must hold are a list: `if: {listed}`", [(name, True) for name in named])
    return Expression(named, f"several of which none may hold are a list: `unless: {listed}`", [])

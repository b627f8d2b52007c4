"""The YAML format as attrs classes: what an author may write, before names are resolved.

`structure.py` fills them strictly from plain data. The JSON Schema for editors (`schema.py`) comes from them as well.
Nobody compares or prints these classes; what attrs would write for that is most of the cost of importing them.
"""

from __future__ import annotations

from typing import Any

import attrs

FORMAT = 1


# The sections whose keys are names.
NAMED = ("states", "events", "groups", "views", "guards", "actions", "sources", "settings", "outcomes", "profiles")


class Names(tuple[str, ...]):
    """One name or a list of names."""

    __slots__ = ()


NO_NAMES = Names()


class Scalar:
    """A setting's value: text, number, truth value, duration with its unit, or nothing."""


def _key(words: str, default: Any = attrs.NOTHING, *, called: str | None = None) -> Any:
    """A key of the format: what it means, and its name where Python has no such name."""
    metadata = {"doc": words} | ({"called": called} if called else {})
    return attrs.field(default=default, metadata=metadata)


def _many(factory: type, words: str) -> Any:
    return attrs.field(factory=factory, metadata={"doc": words})


@attrs.frozen(eq=False, repr=False, slots=False)
class SettingDoc:
    """A value that a program, a profile or a command line may change."""

    value: Scalar = _key("text, number, true, false, null, or a duration such as 50ms, 1.5s, 2m")
    doc: str = _key("what it is for", "")
    zero: str | None = _key("why a deadline may take no time at all: without the reason it may not be `0s`", None)


@attrs.frozen(eq=False, repr=False, slots=False)
class EventDoc:
    """Something that can happen, and who may say so."""

    source: str | None = _key("a declared source, or `action` or `caller`", None)
    timer: str | None = _key("the setting with its duration: the event is a deadline that states arm", None)
    rank: int | None = _key("of events that wait together the lowest goes first", None)
    doc: str = _key("what it means", "")


@attrs.frozen(eq=False, repr=False, slots=False)
class StateDoc:
    """A state, what is listened to and what is done in it, and how long it may last."""

    doc: str = _key("what is true in it", "")
    phase: str | None = _key("a word of your own that several states may share", None)
    sources: Names = _key("the sources that are open in it", NO_NAMES)
    entry: Names = _key("actions on entering, in order", NO_NAMES)
    exit: Names = _key("actions on leaving, in order", NO_NAMES)
    deadlines: Names = _key("timer events that are armed on entering and cancelled on leaving", NO_NAMES)
    no_deadline: str | None = _key("why it may last for ever", None, called="no-deadline")
    final: str | None = _key("the outcome with which the machine ends here; `verdict` for the last one noted", None)


@attrs.frozen(eq=False, repr=False, slots=False)
class ActionDoc:
    """What an action does, and which events of `source: action` it may post. Its text alone is the short form."""

    doc: str = _key("what it does", "")
    posts: Names = _key("the events of `source: action` that it may post, one each time it runs", NO_NAMES)


@attrs.frozen(eq=False, repr=False, slots=False)
class GuardDoc:
    """What a guard asks, and how its answer goes with those of others. Its text alone is the short form."""

    doc: str = _key("what it asks", "")
    opposite: str | None = _key("the guard that holds exactly when this one does not", None)
    excludes: Names = _key("guards that never hold together with this one", NO_NAMES)


@attrs.frozen(eq=False, repr=False, slots=False)
class OutcomeDoc:
    """A way to end, and the reasons that tell its kinds apart."""

    doc: str = _key("what it means", "")
    reasons: dict[str, str] = _many(dict, "each reason and its meaning; used as `outcome/reason`")


@attrs.frozen(eq=False, repr=False, slots=False)
class RowDoc:
    """In these states, on these events: where to, and what is done. Without `to` the machine stays."""

    in_: Names = _key("states or groups, or `*` for all that are not final", called="in")
    on: Names = _key("events, or `*` for all")
    to: str | None = _key("the next state; without it no exit, no entry, deadlines run on", None)
    do: Names = _key("actions between the exit and the entry actions, in order", NO_NAMES)
    if_: Names = _key("guards that must hold", NO_NAMES, called="if")
    unless: Names = _key("guards that must not hold", NO_NAMES)
    again: bool = _key("without `to`, on a deadline: the deadline starts over, the others run on", False)
    verdict: str | None = _key("the outcome noted for `final: verdict`", None)
    note: str = _key("a remark for the table and the drawing", "")


@attrs.frozen(eq=False, repr=False, slots=False)
class ReasonedDoc:
    """A row of `ignore`, `defer`, `reject` or `impossible`: nothing is done, and here is why."""

    in_: Names = _key("states or groups, or `*` for all that are not final", called="in")
    on: Names = _key("events, or `*` for all")
    because: str = _key("the reason")
    if_: Names = _key("guards that must hold", NO_NAMES, called="if")
    unless: Names = _key("guards that must not hold", NO_NAMES)


@attrs.frozen(eq=False, repr=False, slots=False)
class ProfileDoc:
    """A variant of the machine as data: other kinds of source, other settings."""

    doc: str = _key("what it is for", "")
    sources: dict[str, str | None] = _many(dict, "the kind of a source in this profile; null keeps it silent")
    settings: dict[str, Scalar] = _many(dict, "the value of a setting in this profile")


@attrs.frozen(eq=False, repr=False, slots=False)
class Document:
    """A state machine for scxlife's engine: a total table of states and events."""

    format: int = _key("the version of this format: 1")
    machine: str = _key("the machine's name")
    version: int = _key("the version of this definition; tapes and snapshots carry it")
    initial: str = _key("the state in which it starts")
    states: dict[str, StateDoc] = _key("every state by its name")
    events: dict[str, EventDoc] = _key("every event by its name")
    rows: list[RowDoc] = _many(list, "what happens where; of rows for one cell the narrower one goes first")
    doc: str = _key("what the machine is for", "")
    include: Names = _key("files beside this one whose parts it takes over; what stands here goes first", NO_NAMES)
    settings: dict[str, SettingDoc] = _many(dict, "values, and the durations of timers")
    sources: dict[str, str | None] = _many(dict, "every event source and its kind; null keeps it silent")
    guards: dict[str, GuardDoc] = _many(dict, "every guard and what it asks")
    actions: dict[str, ActionDoc] = _many(dict, "every action and what it does")
    outcomes: dict[str, OutcomeDoc] = _many(dict, "the ways to end")
    groups: dict[str, Names] = _many(dict, "states under one name")
    views: dict[str, Names] = _many(
        dict, "states and groups that a drawing may show alone; `spine`, in its order, is the axis of every drawing"
    )
    profiles: dict[str, ProfileDoc] = _many(dict, "variants of the machine")
    ignore: list[ReasonedDoc] = _many(list, "what may come and changes nothing")
    defer: list[ReasonedDoc] = _many(list, "what is kept until the state changes")
    reject: list[ReasonedDoc] = _many(list, "what the sender must not send here: it gets an error")
    impossible: list[ReasonedDoc] = _many(list, "what can't come here: if it does, the definition is wrong")


CLASSES: tuple[type, ...] = (
    SettingDoc,
    EventDoc,
    StateDoc,
    GuardDoc,
    ActionDoc,
    OutcomeDoc,
    RowDoc,
    ReasonedDoc,
    ProfileDoc,
    Document,
)


def key_of(field: attrs.Attribute[Any]) -> str:
    """The key that an attrs field has in a file."""
    return str(field.metadata.get("called", field.name))

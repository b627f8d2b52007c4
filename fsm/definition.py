"""A machine as data: immutable, total, with every name resolved.

The guest's PID 1 imports this module: it knows nothing of YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

Value = str | float | int | bool | None

GO = "go"
IGNORE = "ignore"
DEFER = "defer"
REJECT = "reject"
IMPOSSIBLE = "impossible"
KINDS = (GO, IGNORE, DEFER, REJECT, IMPOSSIBLE)


# The longest duration, in seconds: a year.
LONGEST = 366 * 86400.0


def is_duration(value: object) -> bool:
    """Whether `value` can be seconds: a number that is neither negative nor more than a year."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LONGEST


BY_ACTION = "action"
BY_CALLER = "caller"
FAULT = "fault"
VERDICT = "verdict"


@attrs.frozen
class Event:
    """A declared event. `source` is a declared source, `action` or `caller`; `timer` names the setting with its
    duration in seconds; of events that arrive together the lowest `rank` goes first."""

    name: str
    rank: int
    source: str | None = None
    timer: str | None = None
    doc: str = ""


@attrs.frozen
class State:
    """A declared state. `final` is the outcome that ends the machine here, or `verdict` for the last one noted."""

    name: str
    doc: str = ""
    phase: str | None = None
    sources: tuple[str, ...] = ()
    entry: tuple[str, ...] = ()
    exit: tuple[str, ...] = ()
    deadlines: tuple[str, ...] = ()
    no_deadline: str | None = None
    final: str | None = None


@attrs.frozen
class Action:
    """A declared action and the events of `source: action` that it may post, besides `fault` when it fails."""

    name: str
    doc: str = ""
    posts: tuple[str, ...] = ()


@attrs.frozen
class Decision:
    """What one cell of the table says. `target` equals `state` for every kind but a `go` that leaves it;
    `internal` tells a `go` that stays (no exit, no entry, deadlines run on) from one that comes back; with `again` the
    deadline that brought it starts over."""

    state: str
    event: str
    kind: str
    target: str
    internal: bool
    actions: tuple[str, ...]
    verdict: str | None
    reason: str
    again: bool = False


@attrs.frozen
class Branch:
    """One way through a cell: taken when every named guard has its wanted value."""

    guards: tuple[tuple[str, bool], ...]
    decision: Decision


Cell = tuple[Branch, ...]
# Answers of two guards that never come together, as the definition declares.
Exclusion = tuple[tuple[str, bool], tuple[str, bool]]


class Cells(dict[tuple[str, str], Cell]):
    """The cell of each state × event. `built` keeps what the engine has made of them, for every definition that
    shares them: one with other settings does."""

    __slots__ = ("built",)

    def __init__(self, cells: Mapping[tuple[str, str], Cell]) -> None:
        super().__init__(cells)
        self.built: Any = None

    def __reduce__(self) -> tuple[type[Cells], tuple[dict[tuple[str, str], Cell]]]:
        return Cells, (dict(self),)


def _as_cells(cells: Mapping[tuple[str, str], Cell]) -> Cells:
    return cells if isinstance(cells, Cells) else Cells(cells)


@attrs.frozen
class Profile:
    """A variant as data: other kinds of source, other settings."""

    doc: str = ""
    sources: Mapping[str, str | None] = attrs.Factory(dict)
    settings: Mapping[str, Value] = attrs.Factory(dict)


@attrs.frozen
class Definition:
    """A whole machine. `cells` holds every state × event, the last branch of each without guards; no cell speaks of
    `groups` any more, which are there for who reads or draws the machine, and so are `views`."""

    name: str
    version: int
    doc: str
    initial: str
    states: Mapping[str, State]
    events: Mapping[str, Event]
    cells: Cells = attrs.field(converter=_as_cells)
    settings: Mapping[str, Value]
    sources: Mapping[str, str | None]
    guards: Mapping[str, str]
    actions: Mapping[str, Action]
    outcomes: Mapping[str, str]
    profiles: Mapping[str, Profile] = attrs.Factory(dict)
    groups: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)
    views: Mapping[str, tuple[str, ...]] = attrs.Factory(dict)
    exclusions: tuple[Exclusion, ...] = ()

    def with_settings(self, /, **settings: Value) -> Definition:
        """The same machine with some settings changed. Raises KeyError for a setting that it does not have, ValueError
        for a timer's that is no duration (seconds, or None for never)."""
        unknown = settings.keys() - self.settings.keys()
        if unknown:
            raise KeyError(f"no such setting: {', '.join(sorted(unknown))}")
        for event in self.events.values():
            value = settings.get(event.timer or "")
            if value is not None and not is_duration(value):
                raise ValueError(f"setting {event.timer} is a duration in seconds, not {value!r}")
        return attrs.evolve(self, settings={**self.settings, **settings})

    def with_profile(self, name: str) -> Definition:
        """The same machine under one of its profiles. Raises KeyError for a profile that it does not have."""
        if name not in self.profiles:
            raise KeyError(f"no profile {name!r}; there are: {', '.join(self.profiles) or 'none'}")
        profile = self.profiles[name]
        return attrs.evolve(
            self,
            sources={**self.sources, **profile.sources},
            settings={**self.settings, **profile.settings},
        )

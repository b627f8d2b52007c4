"""A runtime at rest, as data that JSON can carry: what it takes to go on in another process, or after a reboot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .definition import Definition
from .events import Event
from .misuse import expect, is_seconds

FORMAT = 1


class SnapshotError(ValueError):
    """What was given is no snapshot, or one of another machine."""


@attrs.frozen(repr=False)
class Waiting:
    """An event in the inbox, or deferred; `entry` is the entering that armed it, when it is a deadline."""

    rank: int
    order: int
    event: Event
    entry: int


@attrs.frozen(repr=False)
class Snapshot:
    """Everything a runtime knows but its callables. `deadlines` holds the seconds that were left for each."""

    machine: str
    version: int
    state: str
    entered: int
    order: int
    inbox: tuple[Waiting, ...]
    deferred: tuple[Waiting, ...]
    deadlines: tuple[tuple[float, str], ...]
    verdict: tuple[str, str] | None
    ending: tuple[str, str, str] | None
    fault: str | None

    def as_data(self) -> dict[str, Any]:
        """For `json.dumps`, and for `from_data`."""
        return {
            "format": FORMAT,
            "machine": self.machine,
            "version": self.version,
            "state": self.state,
            "entered": self.entered,
            "order": self.order,
            "inbox": [_as_data(waiting) for waiting in self.inbox],
            "deferred": [_as_data(waiting) for waiting in self.deferred],
            "deadlines": [{"event": name, "left": left} for left, name in self.deadlines],
            "verdict": None if self.verdict is None else list(self.verdict),
            "ending": None if self.ending is None else list(self.ending),
            "fault": self.fault,
        }


def _as_data(waiting: Waiting) -> dict[str, Any]:
    event = waiting.event
    return {
        "event": event.name,
        "data": dict(event.data),
        "cause": event.cause,
        "rank": waiting.rank,
        "order": waiting.order,
        "entry": waiting.entry,
    }


def from_data(data: object, definition: Definition) -> Snapshot:
    """The snapshot in `data`, checked against the definition. Raises SnapshotError, which says what does not fit."""
    expect(isinstance(definition, Definition), "from_data() wants the definition of the machine second", definition)
    whole = _Field("snapshot", data)
    if (form := whole["format"].whole()) != FORMAT:
        raise SnapshotError(f"this version reads snapshots of format {FORMAT}, not {form}")
    machine, version = whole["machine"].text(), whole["version"].whole()
    if (machine, version) != (definition.name, definition.version):
        ours = f"{definition.name} {definition.version}"
        raise SnapshotError(f"the snapshot is of machine {machine} {version}, the definition is {ours}")
    snapshot = Snapshot(
        machine,
        version,
        whole["state"].one_of(definition.states),
        whole["entered"].whole(),
        whole["order"].whole(),
        tuple(_waiting(item, definition) for item in whole["inbox"].items()),
        tuple(_waiting(item, definition) for item in whole["deferred"].items()),
        tuple(
            (item["left"].number(), item["event"].one_of(definition.states[whole["state"].text()].deadlines))
            for item in whole["deadlines"].items()
        ),
        _texts(whole["verdict"], 2),
        _texts(whole["ending"], 3),
        whole["fault"].text() if whole["fault"].value is not None else None,
    )
    _check_numbers(snapshot, definition)
    return snapshot


def _check_numbers(snapshot: Snapshot, definition: Definition) -> None:
    """What is numbered has numbers that a run can give."""
    if snapshot.entered < 1:
        raise SnapshotError("snapshot.entered: a machine that runs has entered one state at least")
    waiting = (*snapshot.inbox, *snapshot.deferred)
    for each in waiting:
        rank = definition.events[each.event.name].rank
        if each.rank != rank:
            raise SnapshotError(f"event {each.event.name} has rank {rank} in the definition, not {each.rank}")
    orders = [each.order for each in waiting]
    if len(set(orders)) < len(orders) or not all(0 < order <= snapshot.order for order in orders):
        raise SnapshotError(f"snapshot.order: each event has a number of its own, from 1 to {snapshot.order}")


def _waiting(item: _Field, definition: Definition) -> Waiting:
    event = Event(item["event"].one_of(definition.events), item["data"].mapping(), item["cause"].text())
    return Waiting(item["rank"].whole(), item["order"].whole(), event, item["entry"].whole())


def _texts(field: _Field, count: int) -> Any:
    if field.value is None:
        return None
    items = [item.text() for item in field.items()]
    if len(items) != count:
        raise SnapshotError(f"{field.name}: {count} texts are wanted")
    return tuple(items)


class _Field:
    """A value with the path to it, for errors."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value = value

    def __getitem__(self, key: str) -> _Field:
        mapping = self.mapping()
        if key not in mapping:
            raise SnapshotError(f"{self.name}.{key} is missing")
        return _Field(f"{self.name}.{key}", mapping[key])

    def mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, Mapping):
            raise self._wrong("an object")
        return self.value

    def items(self) -> list[_Field]:
        if not isinstance(self.value, (list, tuple)):
            raise self._wrong("a list")
        return [_Field(f"{self.name}[{index}]", item) for index, item in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self._wrong("a text")
        return self.value

    def whole(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self._wrong("a whole number")
        return self.value

    def number(self) -> float:
        if not is_seconds(self.value):
            raise self._wrong("a number")
        return float(self.value)  # type: ignore[arg-type]

    def one_of(self, names: Any) -> str:
        name = self.text()
        if name not in names:
            raise SnapshotError(f"{self.name}: the definition has no {name!r} there")
        return name

    def _wrong(self, wanted: str) -> SnapshotError:
        return SnapshotError(f"{self.name}: {wanted} is wanted")

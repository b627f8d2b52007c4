"""A definition as JSON: validated once, then loaded without YAML, cattrs or checks (a guest's PID 1 does this)."""

from __future__ import annotations

import json
from typing import Any

import attrs

from .definition import Action, Branch, Decision, Definition, Event, Profile, State

FORMAT = 6


def freeze(definition: Definition) -> bytes:
    """JSON for `thaw`. Equal definitions give equal bytes."""
    branches: list[Any] = [
        [state, event, [[branch.guards, _fields(branch.decision)[2:]] for branch in cell]]
        for (state, event), cell in definition.cells.items()
    ]
    data = {
        "format": FORMAT,
        "name": definition.name,
        "version": definition.version,
        "doc": definition.doc,
        "initial": definition.initial,
        "states": [_fields(state) for state in definition.states.values()],
        "events": [_fields(event) for event in definition.events.values()],
        "cells": branches,
        "settings": dict(definition.settings),
        "sources": dict(definition.sources),
        "guards": dict(definition.guards),
        "actions": [_fields(action) for action in definition.actions.values()],
        "outcomes": dict(definition.outcomes),
        "profiles": {name: attrs.asdict(profile) for name, profile in definition.profiles.items()},
        "groups": dict(definition.groups),
        "views": dict(definition.views),
        "exclusions": definition.exclusions,
    }
    return json.dumps(data, separators=(",", ":")).encode()


def _fields(part: State | Event | Action | Decision) -> tuple[Any, ...]:
    # Nothing in them has fields of its own: a recursive search for some takes most of the time.
    return attrs.astuple(part, recurse=False)


def _state(fields: list[Any]) -> State:
    plain: list[Any] = [tuple(field) if type(field) is list else field for field in fields]
    return State(*plain)


def thaw(text: bytes) -> Definition:
    """The definition that `freeze` wrote. Raises ValueError for another format."""
    data = json.loads(text)
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise ValueError(f"a frozen definition of format {FORMAT} is wanted, not {found!r}")
    cells: dict[tuple[str, str], tuple[Branch, ...]] = {}
    for state, event, branches in data["cells"]:
        cells[state, event] = tuple(
            Branch(
                tuple((name, wanted) for name, wanted in guards),
                Decision(state, event, kind, target, internal, tuple(actions), verdict, reason, again),
            )
            for guards, (kind, target, internal, actions, verdict, reason, again) in branches
        )
    states = [_state(fields) for fields in data["states"]]
    events = [Event(*event) for event in data["events"]]
    return Definition(
        name=data["name"],
        version=data["version"],
        doc=data["doc"],
        initial=data["initial"],
        states={state.name: state for state in states},
        events={event.name: event for event in events},
        cells=cells,
        settings=data["settings"],
        sources=data["sources"],
        guards=data["guards"],
        actions={name: Action(name, doc, tuple(posts)) for name, doc, posts in data["actions"]},
        outcomes=data["outcomes"],
        profiles={name: Profile(**profile) for name, profile in data["profiles"].items()},
        groups={name: tuple(members) for name, members in data["groups"].items()},
        views={name: tuple(members) for name, members in data["views"].items()},
        exclusions=tuple(((a, holds), (b, also)) for (a, holds), (b, also) in data["exclusions"]),
    )

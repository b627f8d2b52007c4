"""The contestants of the engine's benchmark, one module for each engine, all built from the same `Machine`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
from engine_machines import Machine, Step


class World:
    """What the machines look at and act on; it counts both."""

    def __init__(self) -> None:
        self.clean = False
        self.asked = 0
        self.entered = 0

    def is_clean(self) -> bool:
        self.asked += 1
        return self.clean

    def count(self) -> None:
        self.entered += 1


class Contestant(Protocol):
    """One engine with one machine."""

    def walk(self, steps: Sequence[Step]) -> None:
        """Handle every step by the call that the engine's documentation shows. This is what is timed, and what was
        verified before."""

    def state(self) -> str:
        """Where the machine is now."""

    def forget(self) -> None:
        """Drop what the walks have recorded."""


class Live:
    """An engine that takes an event by a call without arguments."""

    def __init__(self, sends: dict[str, Callable[[], object]], world: World) -> None:
        self._sends = sends
        self._world = world

    def walk(self, steps: Sequence[Step]) -> None:
        sends, world = self._sends, self._world
        for event, clean in steps:
            world.clean = clean
            sends[event]()

    def forget(self) -> None:
        """Nothing is recorded."""


@attrs.frozen
class Entry:
    """Who takes part: the name in the tables, where its contestant is made, which distribution it needs, and what
    it does for one event. A pure one returns what is to be done and does not do it."""

    name: str
    module: str
    make: str
    distribution: str | None
    work: str
    pure: bool = False

    def build(self, machine: Machine, world: World) -> Contestant:
        """Raises ModuleNotFoundError when the peer is not installed."""
        module = importlib.import_module(f"peers.{self.module}")
        make: Callable[[Machine, World], Contestant] = getattr(module, self.make)
        return make(machine, world)


DICT = "plain dict"
DECIDE = "scxlife decide()"
DECIDED = "scxlife decide(), performed"
RUNTIME = "scxlife Runtime"
TAPED = "scxlife Runtime, taped"
AUTOMAT = "Automat"
TRANSITIONS = "transitions"

ENTRIES = (
    Entry(
        DICT,
        "dict_table",
        "DictTable",
        None,
        "one function over table[state, event]; looks guards up in a mapping, returns target and action names",
        pure=True,
    ),
    Entry(
        DECIDE,
        "ours",
        "Decide",
        None,
        "looks guards up in a mapping, returns the decision with target and action names",
        pure=True,
    ),
    Entry(
        DECIDED,
        "ours",
        "Performed",
        None,
        "decide(), asks the guards on the way and calls the actions: what no runtime can do without",
    ),
    Entry(
        RUNTIME,
        "ours",
        "Unobserved",
        None,
        "handle(Event(name)) without an observer: the fair peer of bare transitions, which records nothing either",
    ),
    Entry(
        "scxlife Runtime, observed",
        "ours",
        "Observed",
        None,
        "the same with an observer that appends every tape record to a list",
    ),
    Entry(
        TAPED,
        "ours",
        "Taped",
        None,
        "the same with a tape as the observer, whose lines are appended to a list",
    ),
    Entry(
        "scxlife Runtime, posted",
        "ours",
        "Posted",
        None,
        "post(Event(name)) until the guard changes, then one deliver(), as a driver does; no observer",
    ),
    Entry(
        TRANSITIONS,
        "bare_transitions",
        "BareTransitions",
        "transitions",
        "model.event(); Machine with send_event=True, auto_transitions=False",
    ),
    Entry(
        "python-statemachine",
        "python_statemachine",
        "PythonStateMachine",
        "python-statemachine",
        "machine.event() of a StateMachine",
    ),
    Entry(
        AUTOMAT,
        "automat_machine",
        "AutomatMachine",
        "Automat",
        "machine.event() of a typed machine; it has no guards: the caller asks, and picks one of two inputs",
    ),
    Entry(
        "sismic",
        "sismic_chart",
        "SismicChart",
        "sismic",
        "queue(name), execute_once(); guard and action are Python text that calls the functions",
    ),
    Entry(
        "xstate-statemachine",
        "xstate",
        "XState",
        "xstate-statemachine",
        "send(name) of a SyncInterpreter",
    ),
)

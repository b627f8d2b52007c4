"""The transitions machine for a definition: one transition for each branch of each cell, in order.

What transitions does that an embedder must know, and what is done about it:

* An exception in a callback leaves a half-made transition behind, and with `queued=True` drops every event that
  waits. So no callback raises into it: a failed action or guard becomes the event `fault`, and the inbox is ours.
* Its queue belongs to the Machine, not to the model: with `queued=True` two threads with a model each would run
  one another's events. The inbox makes that queue superfluous, so `queued=False`.
* It adds a method to the model for every event and state: a model of its own keeps those names off the runtime.
* Unknown targets and callbacks are found when they are fired: here every name is resolved before it is built.
* Of two transitions for one event and state the first that fits is taken without a word: here they overlap by guards
  or not at all.
* It does not run the callbacks of the initial state's entry: `Runtime.start` does.
* When no condition of an event's transitions holds it returns False and says nothing: here that is a missing cell.
* No event may be called `state`, and one whose name the model has as a method is not bound: ours have names apart.
* `before` runs ahead of `on_exit` and `after` behind `on_enter`, so that nothing of a transition's own stands between
  leaving and entering: exit, row and entry actions are all run from `before` and `after`.
* Its `Timeout` starts a thread for each entry: deadlines are the runtime's, and nobody's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from transitions import Machine

from .definition import GO, Decision, Definition


class Conductor(Protocol):
    """What is told of a transition while it is made: `model.runtime` of the machine's model."""

    def guard(self, name: str, wanted: bool) -> bool:
        """Whether a guard has its wanted value for the event that is being delivered."""

    def before(self, decision: Decision) -> None:
        """The branch is chosen, the state not yet left."""

    def after(self, decision: Decision) -> None:
        """The new state is entered."""


class Model:
    """What transitions works on: the state's name and the way back to its runtime."""

    state: str

    def __init__(self, runtime: Conductor) -> None:
        self.runtime = runtime


def trigger(event: str) -> str:
    """The event's name for transitions: one that is no name of ours, so that an event may be called anything."""
    return f"on {event}"


def build(definition: Definition) -> Machine:
    """A machine without a model. Every transition calls `before` of the model's runtime, and `after` when it leaves.

    All state is the model's, so definitions that share their cells share one; it is kept with the cells.
    """
    cells = definition.cells
    if cells.built is None or cells.built.states.keys() != definition.states.keys():
        cells.built = _build(definition)
    machine: Machine = cells.built
    return machine


def prepare(definition: Definition) -> None:
    """Build in advance what each Runtime of `definition` needs. A definition that differs in its settings only, made by
    `with_settings`, `with_profile` or `attrs.evolve`, needs nothing more."""
    build(definition)


def _build(definition: Definition) -> Machine:
    machine = Machine(
        model=None,
        states=list(definition.states),
        initial=definition.initial,
        auto_transitions=False,
        send_event=True,
        queued=False,
    )
    for (state, event), cell in definition.cells.items():
        for branch in cell:
            decision = branch.decision
            machine.add_transition(
                trigger(event),
                state,
                None if decision.internal else decision.target,
                conditions=[_condition(name, wanted) for name, wanted in branch.guards],
                before=[_before(decision)],
                after=[_after(decision)] if decision.kind == GO and not decision.internal else [],
            )
    return machine


def _condition(name: str, wanted: bool) -> Callable[[Any], bool]:
    return lambda data: bool(data.model.runtime.guard(name, wanted))


def _before(decision: Decision) -> Callable[[Any], None]:
    def run(data: Any) -> None:
        data.model.runtime.before(decision)

    return run


def _after(decision: Decision) -> Callable[[Any], None]:
    def run(data: Any) -> None:
        data.model.runtime.after(decision)

    return run

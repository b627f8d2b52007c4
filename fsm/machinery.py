"""The transitions machine for a definition: one transition for each branch of each cell, in order. It chooses.

What transitions does that an embedder must know, and what is done about it:

* It makes about forty calls for an event, for callbacks and log lines that we do not use: `transition_cls` and
  `event_cls` are our own, and do what is left. They ask the conditions in order and give the first branch that holds;
  what follows from that is `step`.
* An exception in a callback leaves a half-made transition behind, and with `queued=True` drops every event that
  waits. No callback runs inside: actions are run behind the choice, and the inbox is ours.
* Its queue belongs to the Machine, not to the model: with `queued=True` two threads with a model each would run
  one another's events. The inbox makes that queue superfluous, so `queued=False`.
* It adds a method to the model for every event and state, and none for an event whose name the model has already:
  there is no model, the state is given with each event.
* Unknown targets are found when they are fired: here every name is resolved before it is built.
* Of two transitions for one event and state the first that fits is taken without a word: here they overlap by guards
  or not at all.
* When no condition of an event's transitions holds it returns False and says nothing: here that is a missing cell.
* No event may be called `state`: ours have names apart.
* Its `Timeout` starts a thread for each entry: deadlines are the runtime's, and nobody's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import transitions

from .definition import Branch, Decision, Definition
from .step import rules_of

#: Gives the answer of a guard.
Ask = Callable[[str], bool]


class _Transition(transitions.Transition):
    """One branch of a cell."""

    def __init__(self, source: str, dest: str | None, *_: object, branch: Branch) -> None:
        super().__init__(source, dest)  # type: ignore[arg-type]  # None: it stays
        self.guards = branch.guards
        self.decision = branch.decision

    def execute(self, ask: Ask) -> bool:  # type: ignore[override]
        """Whether every condition holds; none is asked behind the first that does not."""
        for name, wanted in self.guards:  # noqa: SIM110  all() would make a generator for each
            if ask(name) is not wanted:
                return False
        return True


class _Event(transitions.Event):
    """All branches for one event, by state."""

    transitions: dict[str, list[_Transition]]  # type: ignore[assignment]

    def trigger(self, state: str, ask: Ask) -> Decision:  # type: ignore[override]
        """The decision of the first branch in `state` whose conditions hold."""
        for transition in self.transitions[state]:
            if not transition.guards or transition.execute(ask):
                return transition.decision
        raise AssertionError(f"cell {state} × {self.name} has no branch without guards")


class _Machine(transitions.Machine):
    transition_cls = _Transition
    event_cls = _Event


#: Chooses the branch for one event: called with a state, and with what answers for a guard.
Choice = Callable[[str, Ask], Decision]


def build(definition: Definition) -> Mapping[str, Choice]:
    """What chooses, by event. It is kept with the cells, for every definition that shares them."""
    rules = rules_of(definition)
    if rules.choices is None:
        events = _build(definition).events
        rules.choices = {name: events[_APART + name].trigger for name in definition.events if _APART + name in events}
    return rules.choices


def prepare(definition: Definition) -> None:
    """Build in advance what each Runtime of `definition` needs. A definition that differs in its settings only, made by
    `with_settings`, `with_profile` or `attrs.evolve`, needs nothing more."""
    build(definition)


# No event of ours is called like this.
_APART = "on "


def _build(definition: Definition) -> Any:
    machine = _Machine(
        model=None,
        states=list(definition.states),
        initial=definition.initial,
        auto_transitions=False,
        send_event=True,
        queued=False,
    )
    for (state, event), cell in definition.cells.items():
        for branch in cell:
            target = None if branch.decision.internal else branch.decision.target
            machine.add_transition(_APART + event, state, target, branch=branch)
    return machine

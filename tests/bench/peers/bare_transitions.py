"""transitions, the engine below our runtime, on its own."""

from __future__ import annotations

from typing import Any

from engine_machines import Machine
from transitions import Machine as TransitionsMachine
from transitions import State

from peers import Live, World


class _Model:
    state: str


class BareTransitions(Live):
    def __init__(self, machine: Machine, world: World) -> None:
        def is_clean(data: Any) -> bool:
            return world.is_clean()

        def count(data: Any) -> None:
            world.count()

        self._model = _Model()
        transitions = TransitionsMachine(
            self._model,
            states=[State(name, on_enter=[count] if name in machine.counted else []) for name in machine.states],
            initial=machine.initial,
            auto_transitions=False,
            send_event=True,
        )
        for row in machine.rows:
            transitions.add_transition(row.event, row.state, row.target, conditions=is_clean if row.guarded else None)
        super().__init__({event: getattr(self._model, event) for event in machine.events}, world)

    def state(self) -> str:
        return self._model.state

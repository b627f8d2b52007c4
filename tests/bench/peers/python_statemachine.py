"""python-statemachine: a class with states and events as attributes, made here from the rows."""

from __future__ import annotations

from typing import Any

from engine_machines import Machine
from statemachine.io import create_machine_class_from_definition

from peers import Live, World


class PythonStateMachine(Live):
    def __init__(self, machine: Machine, world: World) -> None:
        def is_clean() -> bool:
            return world.is_clean()

        def count() -> None:
            world.count()

        states: dict[str, Any] = {name: {"on": {}} for name in machine.states}
        states[machine.initial]["initial"] = True
        for name in machine.counted:
            states[name]["enter"] = count
        for row in machine.rows:
            transition = {"target": row.target, **({"cond": is_clean} if row.guarded else {})}
            states[row.state]["on"].setdefault(row.event, []).append(transition)
        self._machine: Any = create_machine_class_from_definition(machine.name.title(), states=states)()
        super().__init__({event: getattr(self._machine, event) for event in machine.events}, world)

    def state(self) -> str:
        return str(self._machine.current_state_value)

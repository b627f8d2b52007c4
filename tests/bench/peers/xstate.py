"""xstate-statemachine: XState's JSON, run by the interpreter that needs no event loop."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine_machines import Machine
from xstate_statemachine import MachineLogic, SyncInterpreter, create_machine

from peers import Live, World


class XState(Live):
    def __init__(self, machine: Machine, world: World) -> None:
        def is_clean(context: object, event: object) -> bool:
            return world.is_clean()

        def count(interpreter: object, context: object, event: object, action: object) -> None:
            world.count()

        states: dict[str, Any] = {name: {"on": {}} for name in machine.states}
        for name in machine.counted:
            states[name]["entry"] = ["count"]
        for row in machine.rows:
            transition = {"target": row.target, **({"guard": "is_clean"} if row.guarded else {})}
            states[row.state]["on"].setdefault(row.event, []).append(transition)
        logic: MachineLogic[Any] = MachineLogic(actions={"count": count}, guards={"is_clean": is_clean})
        config = {"id": machine.name, "initial": machine.initial, "states": states}
        self._prefix = f"{machine.name}."
        self._interpreter: Any = SyncInterpreter(create_machine(config, logic=logic)).start()
        super().__init__({event: partial(self._interpreter.send, event) for event in machine.events}, world)

    def state(self) -> str:
        (name,) = self._interpreter.current_state_ids
        return str(name).removeprefix(self._prefix)

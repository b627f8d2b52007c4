"""Automat: an immutable declaration of typed inputs, made here from the rows.

It has no guards. Where the machine has one, the caller asks and picks one of two inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automat import TypeMachineBuilder
from engine_machines import Machine

from peers import Live, World


def _inputs(names: list[str]) -> type:
    """A class with a method for each input, which is what Automat wants to be told."""

    def method(name: str) -> Callable[[Any], None]:
        def run(self: Any) -> None: ...

        run.__name__ = name
        return run

    return type("Inputs", (), {name: method(name) for name in names})


class AutomatMachine(Live):
    def __init__(self, machine: Machine, world: World) -> None:
        def count(inputs: object, core: World) -> None:
            core.count()

        guarded = {row.event for row in machine.rows if row.guarded}
        plain = [event for event in machine.events if event not in guarded]
        inputs: Any = _inputs([*plain, *(f"{event}_{way}" for event in guarded for way in ("so", "else"))])
        builder: Any = TypeMachineBuilder(inputs, World)
        states = {name: builder.state(name) for name in machine.states}
        for row in machine.rows:
            name = f"{row.event}_{'so' if row.guarded else 'else'}" if row.event in guarded else row.event
            registrar = states[row.state].upon(getattr(inputs, name)).to(states[row.target])
            if row.target in machine.counted:
                registrar(count)
            else:
                registrar.returns(None)
        self._machine: Any = builder.build()(world)
        super().__init__({event: self._send(event, event in guarded, world) for event in machine.events}, world)

    def _send(self, event: str, guarded: bool, world: World) -> Callable[[], object]:
        if not guarded:
            send: Callable[[], object] = getattr(self._machine, event)
            return send
        so: Callable[[], object] = getattr(self._machine, f"{event}_so")
        otherwise: Callable[[], object] = getattr(self._machine, f"{event}_else")
        return lambda: so() if world.is_clean() else otherwise()

    def state(self) -> str:
        # Automat keeps the state to itself.
        return str(self._machine.__automat_transitioner__._state.name)

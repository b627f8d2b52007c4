"""Our own engine: the pure decision, and the live runtime in three forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine_machines import Machine, Step, as_yaml

from peers import World
from scxlife.fsm import Event, Runtime, Tape, decide, loads


class Decide:
    def __init__(self, machine: Machine, world: World) -> None:
        self._definition = loads(as_yaml(machine), machine.name)
        self._world = world
        self._state = machine.initial

    def walk(self, steps: Sequence[Step]) -> None:
        definition, state, guards = self._definition, self._state, ({"clean": False}, {"clean": True})
        actions: tuple[str, ...] = ()
        for event, clean in steps:
            decision = decide(definition, state, event, guards[clean])
            state = decision.target
        if steps:
            actions = decision.actions
        self._state = state
        # Of the last step alone: who verifies walks step by step.
        self._world.entered += len(actions)

    def state(self) -> str:
        return self._state

    def forget(self) -> None:
        """Nothing is recorded."""


class Performed:
    """The least that a machine costs: nothing waits, nothing is recorded, nothing may fail."""

    def __init__(self, machine: Machine, world: World) -> None:
        self._definition = loads(as_yaml(machine), machine.name)
        self._world = world
        self._state = machine.initial
        self._actions = {name: lambda event: world.count() for name in self._definition.actions}

    def walk(self, steps: Sequence[Step]) -> None:
        definition, state, world, actions = self._definition, self._state, self._world, self._actions
        guards = Guards({"clean": lambda event: world.is_clean()})
        for name, clean in steps:
            world.clean = clean
            event = Event(name)
            guards.clear()
            guards.event = event
            decision = decide(definition, state, name, guards)
            for action in decision.actions:
                actions[action](event)
            state = decision.target
        self._state = state

    def state(self) -> str:
        return self._state

    def forget(self) -> None:
        """Nothing is recorded."""


class Guards(dict[str, bool]):
    """Each guard is asked when it is looked up."""

    event: Event

    def __init__(self, asked: Mapping[str, Callable[[Event], bool]]) -> None:
        super().__init__()
        self._asked = asked

    def __missing__(self, name: str) -> bool:
        return self._asked[name](self.event)


class Unobserved:
    def __init__(self, machine: Machine, world: World, *, observed: bool = False, taped: bool = False) -> None:
        definition = loads(as_yaml(machine), machine.name)
        self._world = world
        self._records: list[Mapping[str, Any]] = []
        self._lines: list[str] = []
        tape = Tape(definition, time.monotonic, self._lines.append) if taped else None
        self._runtime = Runtime(
            definition,
            actions={name: lambda event: world.count() for name in definition.actions},
            guards={name: lambda event: world.is_clean() for name in definition.guards},
            clock=time.monotonic,
            observer=self._records.append if observed else tape,
        )
        self._runtime.start()

    def walk(self, steps: Sequence[Step]) -> None:
        handle, world = self._runtime.handle, self._world
        for event, clean in steps:
            world.clean = clean
            handle(Event(event))

    def state(self) -> str:
        return self._runtime.state

    def forget(self) -> None:
        self._records.clear()
        self._lines.clear()


class Observed(Unobserved):
    def __init__(self, machine: Machine, world: World) -> None:
        super().__init__(machine, world, observed=True)


class Taped(Unobserved):
    def __init__(self, machine: Machine, world: World) -> None:
        super().__init__(machine, world, taped=True)


class Posted(Unobserved):
    def walk(self, steps: Sequence[Step]) -> None:
        runtime, world = self._runtime, self._world
        post = runtime.post
        for event, clean in steps:
            if clean is not world.clean:
                runtime.deliver()
                world.clean = clean
            post(Event(event))
        runtime.deliver()

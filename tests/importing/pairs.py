"""An imported definition and the original: the same random events and answers to both, and the states they reach."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Protocol

from scxlife.fsm.definition import BY_ACTION, FAULT, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.runtime import MachineError, Refused, Runtime


class Original(Protocol):
    """The machine as its own library runs it."""

    def state(self) -> str:
        """Its present state, by the name that the draft gives it."""

    def send(self, event: str) -> None:
        """One event; what it has nothing for is dropped."""


class Imported:
    """A run of the draft. An action that posts does so; `does` is what others do, where that matters."""

    def __init__(
        self,
        definition: Definition,
        answers: Callable[[str], bool],
        does: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self.definition = definition
        self.now = 0.0
        self.does = does or {}
        self.runtime = Runtime(
            definition,
            actions={name: self._action(name) for name in definition.actions},
            guards={name: lambda event, name=name: answers(name) for name in definition.guards},
            clock=lambda: self.now,
        )
        self.runtime.start()
        self._deliver()

    def _action(self, name: str) -> Callable[[Event], None]:
        def act(event: Event) -> None:
            if name in self.does:
                self.does[name]()
            for posted in self.definition.actions[name].posts[:1]:
                self.runtime.post(Event(posted))

        return act

    def _deliver(self) -> None:
        while True:
            try:
                self.runtime.deliver()
                return
            except Refused:
                pass

    def comes(self) -> list[str]:
        """The events that may come from outside in this state."""
        state = self.definition.states[self.runtime.state]
        return [
            event.name
            for event in self.definition.events.values()
            if event.timer is None
            and event.source != BY_ACTION
            and event.name not in (FAULT, "abandon")
            and (event.source not in self.definition.sources or event.source in state.sources)
        ]

    def send(self, event: str) -> None:
        try:
            self.runtime.post(Event(event))
        except MachineError:
            return
        self._deliver()

    def expire(self) -> str | None:
        """Let the first deadline pass, and say which it was."""
        at = self.runtime.next_deadline()
        if at is None:
            return None
        (timer,) = self.definition.states[self.runtime.state].deadlines
        self.now = at
        self.runtime.expire(at)
        self._deliver()
        return timer


def same_states(
    make: Callable[[dict[str, bool]], tuple[Imported, Original]],
    deadlines: Mapping[str, str] | None = None,
    *,
    steady: tuple[str, ...] = (),
    runs: int = 60,
    length: int = 40,
    seed: int = 18,
) -> set[str]:
    """Run both side by side, and return the states that they came through. `deadlines` says by which event the original
    is told of one. Guards in `steady` answer the same in all of a run."""
    chance = random.Random(seed)
    seen: set[str] = set()
    for _ in range(runs):
        answers = {name: chance.random() < 0.5 for name in steady}
        imported, original = make(answers)
        steps: list[str] = []
        for _ in range(length):
            assert imported.runtime.state == original.state(), f"{original.state()} after {steps}"
            seen.add(original.state())
            if imported.runtime.ending is not None:
                break
            for guard in sorted(imported.definition.guards.keys() - set(steady)):
                answers[guard] = chance.random() < 0.5
            if deadlines and chance.random() < 0.2 and (timer := imported.expire()) is not None:
                original.send(deadlines[timer])
                steps.append(timer)
                continue
            event = chance.choice(imported.comes())
            steps.append(event)
            imported.send(event)
            original.send(event)
    return seen

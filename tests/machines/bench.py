"""A machine on the bench: a clock that is set by hand, and a small world of actions and guards around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import Definition, Value
from scxlife.fsm.events import Event
from scxlife.fsm.loader import load
from scxlife.fsm.runtime import Runtime

# No wait of a test passes through more states than this; a machine that does goes round for ever.
MAX_STEPS = 10_000
HERE = Path(__file__).parent
MACHINES = sorted(path.stem for path in HERE.glob("*.yaml"))


@cache
def definition_of(machine: str, **settings: Value) -> Definition:
    return load(HERE / f"{machine}.yaml").with_settings(**settings)


class Bench:
    """One run of a machine in a `world`.

    The world has a method for every guard, and one for each action that does more than be written down. What an
    action returns is the event that it posts. Each step that the runtime reports is held against `decide`.
    """

    def __init__(self, definition: Definition, world: object) -> None:
        self.definition = definition
        self.world = world
        self.now = 0.0
        self.path = [definition.initial]
        self._done: list[str] = []
        self.runtime = Runtime(
            definition,
            actions={name: self._action(name) for name in definition.actions},
            guards={name: getattr(world, name) for name in definition.guards},
            clock=lambda: self.now,
            observer=self._seen,
        )
        self.runtime.start()
        self.runtime.deliver()

    def _action(self, name: str) -> Callable[[Event], None]:
        does = getattr(self.world, name, None)

        def act(event: Event) -> None:
            self._done.append(name)
            said = does(event) if does is not None else None
            if said is not None:
                self.runtime.post(Event(said))

        return act

    def _seen(self, record: Any) -> None:
        if record["kind"] != "step":
            return
        decision = decide(self.definition, record["state"], record["event"], record["guards"])
        assert record["state"] == self.path[-1]
        assert (record["cell"], record["to"], record["do"]) == (decision.kind, decision.target, decision.actions)
        if decision.kind == "go" and not decision.internal:
            self.path.append(decision.target)

    @property
    def state(self) -> str:
        return self.runtime.state

    @property
    def outcome(self) -> str | None:
        return None if self.runtime.ending is None else self.runtime.ending.outcome

    def did(self) -> list[str]:
        """The actions since this was last asked, in order."""
        done, self._done = self._done, []
        return done

    def due_in(self) -> float | None:
        """Seconds until the next deadline."""
        deadline = self.runtime.next_deadline()
        return None if deadline is None else deadline - self.now

    def wait_out(self) -> list[str]:
        """Let every deadline pass until none is armed; the states on the way, the present one first."""
        states = [self.state]
        while (seconds := self.due_in()) is not None:
            states.append(self.wait(seconds))
            assert len(states) < MAX_STEPS, f"no end of deadlines: {states[-6:]}"
        return states

    def tell(self, *names: str, **data: object) -> str:
        """Events, one after the other; the state they lead to."""
        for name in names:
            self.runtime.handle(Event(name, data))
        return self.state

    def wait(self, seconds: float) -> str:
        """Let time pass, each deadline at its moment; the state it leads to."""
        until = self.now + seconds
        most = len(self.path) + MAX_STEPS
        while (deadline := self.runtime.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.runtime.expire(self.now)
            self.runtime.deliver()
            assert len(self.path) < most, f"round and round at {self.now} s: {self.path[-6:]}"
        self.now = until
        return self.state

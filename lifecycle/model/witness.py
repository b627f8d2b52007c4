"""A way through the model, gone again by the real `Runtime`, so that it leaves a tape like any other run's.

What only the model knows stands on it as records of kinds of its own: `world.step` for what nature did, `world.broken`
at the end. A replay passes over them. When runtime and model part, one of them is wrong: that is a `Disagreement`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from scxlife.fsm.definition import FAULT, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.runtime import MachineError, Runtime
from scxlife.fsm.tape import Tape

from .exploration import Step
from .machine import Machine, name_of
from .steps import Move
from .world import ABSENT, BY_ITSELF, BY_USER_SPACE, FOREIGN, FORGOTTEN, MISSED, World

# Seconds that a step of nature takes. A power of two: sums of them are exact.
_TICK = 2.0**-10

_CAUSES = {
    "process": "pidfd readable",
    "readiness": "a look at it",
    "kernel_log": "kernel log",
    "tree": "nobody is left of its tree",
    "payload": "pidfd readable",
    "signals": "signal SIGINT",
}


class Disagreement(Exception):
    """The runtime did not do what the model says. The text has both."""


class Witness:
    """Goes the way, step by step; `read` is given each line of the tape."""

    def __init__(self, definition: Definition, read: Callable[[str], object]) -> None:
        self._now = 0.0
        self._answers: Mapping[str, bool] = {}
        self._failing_guards: tuple[str, ...] = ()
        self._results: deque[tuple[str, str, str, str]] = deque()
        self._tape = Tape(definition, lambda: self._now, read)
        self._runtime = Runtime(
            definition,
            actions={name: self._action(name) for name in definition.actions},
            guards={name: self._guard(name) for name in definition.guards},
            clock=lambda: self._now,
            observer=self._tape,
        )

    def go(self, steps: Iterable[Step], broken: str, because: str) -> None:
        """The whole way, and at its end the property that is broken there. Raises Disagreement."""
        way = iter(steps)
        before = next(way)
        for who, what in _surroundings(before.world):
            self._note(who, what)
        self._runtime.start()
        self._runtime.post(Event("start", cause="asked"))
        for name in before.machine.broken:
            self._runtime.post(_told(name, FAULT, before.world))
        for step in way:
            if step.happening is not None:
                if not before.machine.inbox:
                    self._now += _TICK
                self._note(step.happening.who, step.happening.what)
            elif step.move is not None:
                self._move(step.move, before)
            self._settle(step.machine)
            before = step
        self._tape({"kind": "world.broken", "t": self._now, "property": broken, "because": because})

    def _note(self, who: str, what: str) -> None:
        self._tape({"kind": "world.step", "t": self._now, "who": who, "what": what})

    def _move(self, move: Move, before: Step) -> None:
        turn, world, script = move
        if turn.delivers:
            self._answers, self._failing_guards = script.answers, script.failed_guards
            self._results = deque(result for result in script.results if result[1] != "skipped")
            self._drop_stale()
            try:
                self._runtime.deliver_one()
            except MachineError:
                # Stands on the tape; it is what the model has found.
                return
        for source, events in script.looks:
            for token in events:
                self._runtime.post(_told(source, token, world))
        if turn.fires:
            armed = before.machine.armed
            over = [name for left, name in armed if turn.fires == "late" or left <= armed[0][0]]
            left = {name: left for left, name in self._runtime.snapshot().deadlines}
            self._now += max(left[name] for name in over)
            self._runtime.expire(self._now)

    def _settle(self, machine: Machine) -> None:
        """Deliver what nothing comes of; then runtime and model must agree."""
        runtime = self._runtime
        if runtime.ending is None and not machine.wrong:
            while len(self._waiting()) > len(machine.inbox):
                runtime.deliver_one()
        waiting = [name_of(token) for token in machine.inbox]
        final = runtime.ending is not None
        if runtime.state != machine.state or (not final and not machine.wrong and self._waiting() != waiting):
            ours, its = (runtime.state, self._waiting()), (machine.state, waiting)
            raise Disagreement(f"the runtime is in {ours[0]} with {ours[1]}, the model in {its[0]} with {its[1]}")

    def _waiting(self) -> list[str]:
        """What waits in the runtime, without deadlines of a state that was left."""
        snapshot = self._runtime.snapshot()
        return [
            waiting.event.name for waiting in snapshot.inbox if not waiting.entry or waiting.entry == snapshot.entered
        ]

    def _drop_stale(self) -> None:
        snapshot = self._runtime.snapshot()
        for waiting in snapshot.inbox:
            if not waiting.entry or waiting.entry == snapshot.entered:
                return
            self._runtime.deliver_one()

    def _action(self, name: str) -> Callable[[Event], None]:
        def act(event: Event) -> None:
            expected, result, posts, note = self._results.popleft()
            if expected != name:
                raise Disagreement(f"the runtime runs {name}, the model {expected}")
            if result == "failed":
                raise _error(note)
            if posts:
                self._runtime.post(Event(posts, _data(posts, None), note or name))
            elif note:
                self._note(name, note)

        return act

    def _guard(self, name: str) -> Callable[[Event], bool]:
        def answer(event: Event) -> bool:
            if name in self._failing_guards:
                raise _error("")
            return self._answers[name]

        return answer


def _surroundings(world: World) -> Iterator[tuple[str, str]]:
    """What a run finds that is not as always."""
    if world.kernel == ABSENT:
        yield "kernel", "has no sched_ext"
    if world.kernel == FOREIGN:
        yield "kernel", "runs somebody else's already"
    if world.payload:
        yield "payload", "is planned"


def _told(source: str, token: str, world: World) -> Event:
    if token == FAULT:
        error = _error("")
        return Event(FAULT, {"source": source, "error": f"{type(error).__name__}: {error}"}, f"source {source} failed")
    said = token.partition(":")[2]
    cause = _CAUSES.get(source, source)
    return Event(name_of(token), {**_data(token, world), **_line(said)}, cause)


def _line(reason: str) -> dict[str, Any]:
    if not reason:
        return {}
    words = "unregistered from user space" if reason == BY_USER_SPACE else "runtime error"
    return {"line": f'sched_ext: BPF scheduler "ours" disabled ({words})'}


def _data(token: str, world: World | None) -> dict[str, Any]:
    if token == "exited" and world is not None:
        if world.process in (FORGOTTEN, MISSED):
            return {"exit": None}
        return {"exit": {"code": 0} if world.status == BY_ITSELF else {"signal": 9}}
    return {}


def _error(note: str) -> Exception:
    return RuntimeError(note) if note and not note.startswith("OSError") else OSError(5, "Input/output error")

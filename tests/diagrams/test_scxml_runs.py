"""The SCXML document run by Qt and by SCION: the same states as `Runtime` after every event and every wait."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from scxlife.diagrams.identifiers import coded
from scxlife.diagrams.scxml import scxml
from scxlife.fsm.definition import DEFER, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.loader import load, loads
from scxlife.fsm.runtime import MachineError, Runtime

from .conftest import FILES, KETTLE
from .interpreters import qt, scion, states

STEPS, LENGTH, SEED = 700, 60, 18


class Run:
    """A run of the definition, whose guards answer what the event brings."""

    def __init__(self, definition: Definition) -> None:
        self.milliseconds = 0
        self.now = 0.0
        self.runtime = Runtime(
            definition,
            actions=dict.fromkeys(definition.actions, lambda event: None),
            guards={name: lambda event, name=name: self._answer(event, name) for name in definition.guards},
            clock=lambda: self.now,
        )
        self.runtime.start()
        self._deliver()
        self.advance(0)

    @staticmethod
    def _answer(event: Event, name: str) -> bool:
        answers = (event.data or {}).get("guards", {})
        return bool(answers.get(name, False))

    def _deliver(self) -> None:
        while True:
            try:
                return self.runtime.deliver()
            except MachineError:
                """It was refused, or should not have come: nothing has changed, and what waits behind it is next."""

    def send(self, event: str, guards: dict[str, bool]) -> None:
        self.runtime.post(Event(event, {"guards": guards}))
        self._deliver()
        self.advance(0)

    def due_in(self) -> int | None:
        deadline = self.runtime.next_deadline()
        return None if deadline is None else round(deadline * 1000) - self.milliseconds

    def advance(self, milliseconds: int) -> None:
        self.milliseconds += milliseconds
        while (deadline := self.runtime.next_deadline()) is not None and round(deadline * 1000) <= self.milliseconds:
            self.now = deadline
            self.runtime.expire(deadline)
            self._deliver()
        self.now = self.milliseconds / 1000


def steps(definition: Definition, chance: random.Random) -> tuple[list[dict[str, Any]], list[str]]:
    """Random events, answers and waits, and the states that `Runtime` reaches: the first one, and after each step."""
    orders: list[dict[str, Any]] = []
    reached = [Run(definition).runtime.state]
    outside = [event.name for event in definition.events.values() if event.timer is None]
    while len(orders) < STEPS:
        run = Run(definition)
        if orders:
            orders.append({"restart": True})
            reached.append(run.runtime.state)
        for _ in range(LENGTH):
            if run.runtime.ending is not None:
                break
            due = run.due_in()
            if due is not None and chance.random() < 0.3:
                wait = chance.choice((due, due, due // 2, max(due - 1, 0), due + 7))
                run.advance(wait)
                orders.append({"advance": wait})
            else:
                event = chance.choice(outside)
                guards = {name: chance.random() < 0.5 for name in definition.guards}
                run.send(event, guards)
                orders.append({"event": coded(event), "data": {"guards": guards}})
            reached.append(run.runtime.state)
    return orders, reached


DEFERRING = """\
format: 1
machine: desk
version: 1
initial: free
settings: {short: {value: 3s}, long: {value: 5s}}
events:
  work: {source: caller}
  call: {source: caller, rank: 1}
  leave: {source: caller}
  short_over: {timer: short}
  long_over: {timer: long}
guards: {loud: a loud one}
states:
  free: {no-deadline: it waits}
  busy: {deadlines: [long_over, short_over]}
  calling: {deadlines: short_over}
  away: {deadlines: long_over}
rows:
  - {in: free, on: work, to: busy}
  - {in: free, on: call, to: calling}
  - {in: [free, busy], on: leave, to: away}
  - {in: busy, on: call, if: loud, to: calling}
  - {in: busy, on: short_over, again: true}
  - {in: busy, on: long_over, to: free}
  - {in: calling, on: short_over, to: free}
  - {in: away, on: long_over, if: loud, to: busy}
  - {in: away, on: long_over, to: free}
defer:
  - {in: busy, on: call, because: not now}
  - {in: calling, on: [work, call, leave], because: one thing at a time}
  - {in: away, on: [work, call], because: nobody is here}
ignore:
  - {in: busy, on: work, because: it works already}
  - {in: away, on: leave, because: nobody is here}
"""

MACHINES = {"kettle": loads(KETTLE), "desk": loads(DEFERRING), **{file.stem: load(file) for file in FILES}}


@pytest.mark.parametrize("name", MACHINES)
def test_qt_and_scion_reach_the_same_states_as_the_runtime(name: str, tmp_path: Path) -> None:
    definition = MACHINES[name]
    document = tmp_path / f"{name}.scxml"
    document.write_text(scxml(definition))
    orders, reached = steps(definition, random.Random(SEED))
    for interpreter in (qt(), scion()):
        found = states(interpreter, document, orders)
        assert len(found) == len(reached)
        for number, (active, state) in enumerate(zip(found, reached, strict=True)):
            # A machine that has ended may have left its final state by the time that it is asked.
            ended = definition.states[state].final is not None and not active
            assert ended or active == [coded(state)], f"{interpreter[0]}, after {orders[max(0, number - 9) : number]}"


def test_the_runs_defer_events_and_take_them_later() -> None:
    """Else the others would show nothing of it."""
    definition = MACHINES["desk"]
    chance = random.Random(SEED)
    orders, reached = steps(definition, chance)
    cells = definition.cells
    deferred = [
        order
        for order, state in zip(orders, reached, strict=False)
        if "event" in order and cells[state, order["event"]][-1].decision.kind == DEFER
    ]
    assert len(deferred) > 50
    assert set(reached) == set(definition.states)

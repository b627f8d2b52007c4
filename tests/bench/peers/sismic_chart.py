"""sismic: statecharts whose guards and actions are Python text."""

from __future__ import annotations

from collections.abc import Callable

from engine_machines import Machine
from sismic.interpreter import Interpreter
from sismic.model import BasicState, CompoundState, Statechart, Transition

from peers import Live, World

ROOT = "root"


class SismicChart(Live):
    def __init__(self, machine: Machine, world: World) -> None:
        chart = Statechart(machine.name)
        chart.add_state(CompoundState(ROOT, initial=machine.initial), None)
        for name in machine.states:
            chart.add_state(BasicState(name, on_entry="count()" if name in machine.counted else None), ROOT)
        for row in machine.rows:
            # Of two transitions for one event that hold, a higher priority decides.
            guard, priority = ("is_clean()", 1) if row.guarded else (None, 0)
            chart.add_transition(Transition(row.state, row.target, event=row.event, guard=guard, priority=priority))
        self._interpreter = Interpreter(chart, initial_context={"is_clean": world.is_clean, "count": world.count})
        self._interpreter.execute()
        super().__init__({event: self._send(event) for event in machine.events}, world)

    def _send(self, event: str) -> Callable[[], object]:
        queue, execute_once = self._interpreter.queue, self._interpreter.execute_once

        def send() -> None:
            queue(event)
            execute_once()

        return send

    def state(self) -> str:
        (name,) = set(self._interpreter.configuration) - {ROOT}
        return str(name)

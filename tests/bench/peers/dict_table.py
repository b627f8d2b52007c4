"""The least that can be done: a dict of cells, and one function that looks into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine_machines import Machine, Step

from peers import World

# The state that follows, and the names of the actions to call.
Record = tuple[str, tuple[str, ...]]
Table = Mapping[tuple[str, str], Sequence[tuple[str | None, bool, Record]]]


def look_up(table: Table, state: str, event: str, guards: Mapping[str, bool]) -> Record:
    for guard, wanted, record in table[state, event]:
        if guard is None or guards[guard] is wanted:
            return record
    raise LookupError(event)


class DictTable:
    def __init__(self, machine: Machine, world: World) -> None:
        self._table = {
            (row.state, row.event): [
                (
                    "clean" if branch.guarded else None,
                    True,
                    (branch.target, ("count",) if branch.target in machine.counted else ()),
                )
                for branch in machine.following(row.state, row.event)
            ]
            for row in machine.rows
        }
        self._world = world
        self._state = machine.initial

    def walk(self, steps: Sequence[Step]) -> None:
        table, state, guards = self._table, self._state, ({"clean": False}, {"clean": True})
        record: Record = (state, ())
        for event, clean in steps:
            record = look_up(table, state, event, guards[clean])
            state = record[0]
        self._state = state
        # Of the last step alone: who verifies walks step by step.
        self._world.entered += len(record[1])

    def state(self) -> str:
        return self._state

    def forget(self) -> None:
        """Nothing is recorded."""

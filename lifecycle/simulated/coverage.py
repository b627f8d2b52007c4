"""Which parts of the table the runs have gone through, and which none has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from scxlife.fsm.definition import GO, IMPOSSIBLE, Definition

# A cell's branch: the state, the event, and which of the cell's branches it was, counted from 0.
Way = tuple[str, str, int]


@attrs.define
class Coverage:
    """Counts of the branches taken, of guards by their answers, and of moves that came one after the other."""

    ways: Counter[Way] = attrs.Factory(Counter)
    guards: Counter[tuple[str, bool]] = attrs.Factory(Counter)
    pairs: Counter[tuple[str, str]] = attrs.Factory(Counter)

    def add(self, definition: Definition, records: Iterable[Mapping[str, Any]]) -> None:
        """Count one tape."""
        former = ""
        for record in records:
            if record["kind"] != "step":
                continue
            self.guards.update(record["guards"].items())
            self.ways[record["state"], record["event"], _branch(definition, record)] += 1
            if record["cell"] == GO and record["to"] != record["state"]:
                move = f"{record['state']} {record['event']}"
                self.pairs[former, move] += 1
                former = move

    def merge(self, other: Coverage) -> None:
        self.ways.update(other.ways)
        self.guards.update(other.guards)
        self.pairs.update(other.pairs)

    def missing(self, definition: Definition) -> list[str]:
        """What no run has gone through, in words: branches of cells that can be, and answers of guards."""
        never = [
            _words(definition, state, event, number)
            for (state, event, number) in ways(definition)
            if not self.ways[state, event, number]
        ]
        never += [
            f"guard {name} is {'true' if answer else 'false'}"
            for name in definition.guards
            for answer in (True, False)
            if not self.guards[name, answer]
        ]
        return never

    def table(self, definition: Definition) -> list[str]:
        """Lines: each state with how often a step began in it and how many of its ways were gone, each guard with how
        often it gave each answer, and what no run has come to."""
        every = ways(definition)
        lines = [f"{'state':18} {'steps':>10} {'ways':>6} {'of':>4}"]
        for name, state in definition.states.items():
            of_state = [self.ways[way] for way in every if way[0] == name]
            if state.final is None:
                lines.append(f"{name:18} {sum(of_state):10} {sum(map(bool, of_state)):6} {len(of_state):4}")
        lines += ["", f"{'guard':26} {'true':>10} {'false':>10}"]
        lines += [f"{name:26} {self.guards[name, True]:10} {self.guards[name, False]:10}" for name in definition.guards]
        never = self.missing(definition)
        return [*lines, "", f"{len(never)} that no run has come to:", *(f"  {what}" for what in never)]

    def summary(self, definition: Definition) -> str:
        """One line of counts."""
        every = ways(definition)
        taken = sum(bool(self.ways[way]) for way in every)
        answers = sum(bool(self.guards[name, answer]) for name in definition.guards for answer in (True, False))
        return (
            f"{taken} of {len(every)} ways through the table, {answers} of {2 * len(definition.guards)} answers of "
            f"guards, {len(self.pairs)} pairs of moves"
        )


def ways(definition: Definition) -> list[Way]:
    """Every branch of every cell that is not impossible."""
    return [
        (state, event, number)
        for (state, event), cell in definition.cells.items()
        for number, branch in enumerate(cell)
        if branch.decision.kind != IMPOSSIBLE and definition.states[state].final is None
    ]


def _branch(definition: Definition, record: Mapping[str, Any]) -> int:
    """The first whose guards have the answers that the tape has."""
    answers = record["guards"]
    for number, branch in enumerate(definition.cells[record["state"], record["event"]]):
        if all(answers.get(name) is wanted for name, wanted in branch.guards):
            return number
    raise AssertionError(f"no branch for {record}")


def _words(definition: Definition, state: str, event: str, number: int) -> str:
    branch = definition.cells[state, event][number]
    guards = ", ".join(name if wanted else f"not {name}" for name, wanted in branch.guards)
    where = f"{state} × {event}" + (f" if {guards}" if guards else "")
    decision = branch.decision
    return f"{where} → {decision.target}" if decision.kind == GO else f"{where}: {decision.kind}"

"""A run on a real kernel step by step, beside the same run on the simulated one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from scxlife.lifecycle import interrupts
from scxlife.lifecycle.outcomes import Outcome, describe_exit
from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.scheduler_names import EventName, State
from scxlife.lifecycle.timeline import cause_of

from .real import play, process_part
from .run import run
from .scenario import Scenario

HEADER = f"{'SIMULATED':>9} {'REAL':>9}  {'STATE':<11} {'EVENT':<14} {'NEXT':<14} CAUSE"
_LAST_WORDS = 15
# Seconds. A wait is rounded to the millisecond, and a real machine is never quicker than an idle one.
_EARLY = 0.05

Record = Mapping[str, Any]


@attrs.frozen
class Move:
    """From one state to another, `at` seconds behind the beginning. Two are the same whatever their times are."""

    state: str
    event: str
    to: str
    at: float = attrs.field(eq=False)
    cause: str = attrs.field(eq=False)


@attrs.define
class Moves:
    """Finds the moves in the records of one run, as they come.

    A shell sleeps by a child that ends as it does, of which a simulated program has none. So a way through `emptying`
    that only waits for the rest of the tree is the same as one without it.
    """

    _began: float | None = None
    _held: Move | None = None

    def __call__(self, record: Record) -> list[Move]:
        if self._began is None:
            self._began = record["t"]
        if record["kind"] != "step" or record["to"] == record["state"]:
            return []
        at = record["t"] - self._began
        move = Move(record["state"], record["event"], record["to"], at, cause_of(record))
        held, self._held = self._held, None
        if held is not None and move.event == EventName.DESERTED:
            return [attrs.evolve(held, to=move.to, at=move.at)]
        if move.to == State.EMPTYING:
            self._held = move
            return []
        return [move] if held is None else [held, move]

    @classmethod
    def of(cls, records: Sequence[Record]) -> list[Move]:
        found = cls()
        return [move for record in records for move in found(record)]


class Beside:
    """Writes a line for each move of the real run when it is told, with the moment at which the ideal one made it.
    `same`: they made the same moves, and the real one none of them too early. `latest`: by how much it was later."""

    def __init__(self, ideal: Sequence[Move], write: Callable[[str], object]) -> None:
        self._waiting = [*ideal]
        self._write = write
        self.same = True
        self.latest = 0.0
        write(HEADER)

    def __call__(self, move: Move) -> None:
        if move not in self._waiting:
            self.same = False
            self._line(None, move)
            return
        while (expected := self._waiting.pop(0)) != move:
            self._left_out(expected)
        self.latest = max(self.latest, move.at - expected.at)
        early = move.at < expected.at - _EARLY
        self.same = self.same and not early
        self._line(expected, move, "  (too early)" if early else "")

    def end(self) -> None:
        """Nothing more comes."""
        for expected in self._waiting:
            self._left_out(expected)

    def _left_out(self, expected: Move) -> None:
        self.same = False
        self._line(expected, None)

    def _line(self, ideal: Move | None, real: Move | None, remark: str = "") -> None:
        move = real or ideal
        assert move is not None
        times = " ".join(f"{'-':>9}" if one is None else f"{one.at:9.3f}" for one in (ideal, real))
        text = f"{times}  {move.state:<11} {move.event:<14} → {move.to:<12} {move.cause}{remark}"
        self._write(plain(text.rstrip()))


def beside(scenario: Scenario, write: Callable[[str], object]) -> bool:
    """Play the part of it that plain processes can play, and write all of it; whether both went the same way to the
    same end and printed the same. Raises CantPlay, OSError."""
    part, left_out = process_part(scenario)
    for what in left_out:
        write(plain(f"left out   {what}"))
    with interrupts.leaving():
        ideal = run(part)
    shown, moves = Beside(Moves.of(ideal.records), write), Moves()

    def observe(record: Record) -> None:
        for move in moves(record):
            shown(move)

    with TemporaryDirectory(prefix="scxlife-") as folder:
        outcome = play(part, Path(folder), observe)
    shown.end()
    ends = [_end(ideal.outcome), _end(outcome)]
    prints = [_printed(ideal.outcome), _printed(outcome)]
    write("")
    for name, end in zip(("simulated", "real"), ends, strict=True):
        write(plain(f"{name:<10} {end}"))
    if prints[0] != prints[1]:
        write("what it printed differs")
    same = shown.same and ends[0] == ends[1] and prints[0] == prints[1]
    write("")
    if same:
        write(f"the same way on Linux {os.uname().release}, {shown.latest:.3f} s later at most")
        return True
    write(f"Linux {os.uname().release} went another way")
    for line in outcome.log_tail.splitlines()[-_LAST_WORDS:]:
        write(plain(f"  {line}"))
    return False


def _end(outcome: Outcome | None) -> str:
    if outcome is None:
        return "no outcome"
    return outcome.name if not outcome.timings else f"{outcome.name}, {describe_exit(outcome.exit)}"


def _printed(outcome: Outcome | None) -> list[str]:
    """In no order: several processes may have printed it."""
    return [] if outcome is None else sorted(outcome.log_tail.splitlines())

"""The way that a run took through its machine, read off its tape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import GO, Definition
from scxlife.fsm.replay import replay
from scxlife.fsm.tape_reader import TapeReader, seconds_of


class NotOfThis(ValueError):
    """The tape does not tell a run of this definition; the text says where it differs."""


@attrs.frozen
class Passage:
    """One arrow that the run took. `number` counts from 1, `at` is seconds since the run began."""

    number: int
    at: float
    source: str
    target: str
    event: str
    verdict: str | None
    cause: str


@attrs.frozen
class Path:
    """`start` is the state in which the tape begins, `lasted` its seconds. `handled` counts the events that changed a
    thing without a state being left. Without an `outcome`, `missing` says what the tape lacks."""

    start: str
    passages: tuple[Passage, ...]
    lasted: float
    handled: int
    outcome: str | None
    missing: str

    def visited(self) -> dict[str, float]:
        """The seconds spent in each state of the run, in the order of its first visit."""
        spent = {self.start: 0.0}
        state, since = self.start, 0.0
        for passage in self.passages:
            spent[state] += passage.at - since
            state, since = passage.target, passage.at
            spent.setdefault(state, 0.0)
        spent[state] += self.lasted - since
        return spent

    def arrows(self) -> dict[tuple[str, str], list[Passage]]:
        """The passages along each arrow."""
        taken: dict[tuple[str, str], list[Passage]] = {}
        for passage in self.passages:
            taken.setdefault((passage.source, passage.target), []).append(passage)
        return taken


def path_of(definition: Definition, lines: Iterable[str | bytes]) -> Path:
    """The path that the tape of these lines tells. Raises NotATape where it is none, NotOfThis where it is one of
    another definition."""
    kept: Sequence[str | bytes] = list(lines)
    told = replay(definition, TapeReader(kept))
    if told.difference is not None:
        raise NotOfThis(f"line {told.difference.line}: {told.difference}")
    tape = TapeReader(kept)
    begun = now = tape.header.t
    start, handled = definition.initial, 0
    passages: list[Passage] = []
    for record in tape:
        now = seconds_of(record, tape.line)
        if record["kind"] == "restore":
            start = str(record["snapshot"]["state"])
        if record["kind"] != "step" or record["cell"] != GO:
            continue
        decision = decide(definition, record["state"], record["event"], record["guards"])
        if decision.internal:
            handled += 1
            continue
        number, source, target = len(passages) + 1, record["state"], record["to"]
        passages.append(
            Passage(number, now - begun, source, target, record["event"], record["verdict"], record["cause"])
        )
    return Path(start, tuple(passages), now - begun, handled, told.outcome, told.missing)

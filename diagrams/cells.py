"""The table's cells in words: what each of them does with an event, for who reads all of them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from scxlife.fsm.definition import DEFER, GO, IGNORE, IMPOSSIBLE, REJECT, Branch, Definition, Event

STAY = "stay"
#: A sign and a word for each kind, a `go` that does not leave its state being a kind of its own.
SIGNS = {GO: "→", STAY: "↻", IGNORE: "–", DEFER: "»", REJECT: "✕", IMPOSSIBLE: "⊘"}
MEANINGS = {
    GO: "goes to a state",
    STAY: "handled without leaving the state",
    IGNORE: "ignored",
    DEFER: "kept for a later state",
    REJECT: "refused: whoever sends it is told",
    IMPOSSIBLE: "can't happen",
}


@attrs.frozen
class Line:
    """One branch of a cell. `guards` are tried in the order of the lines; `target` is empty where the state stays."""

    event: str
    guards: tuple[str, ...]
    kind: str
    target: str
    actions: tuple[str, ...]
    verdict: str
    reason: str

    @property
    def sign(self) -> str:
        return SIGNS[self.kind]


def lines_of(definition: Definition, state: str, event: str) -> Iterator[Line]:
    """The branches of one cell, in their order."""
    return (_line(branch) for branch in definition.cells[state, event])


def _line(branch: Branch) -> Line:
    decision = branch.decision
    leaves = decision.kind == GO and not decision.internal
    again = ("the deadline starts over",) if decision.again else ()
    return Line(
        event=decision.event,
        guards=tuple(name if wanted else f"not {name}" for name, wanted in branch.guards),
        kind=decision.kind if leaves or decision.kind != GO else STAY,
        target=decision.target if leaves else "",
        actions=decision.actions,
        verdict=decision.verdict or "",
        reason="; ".join([*again, *([decision.reason] if decision.reason else [])]),
    )


def origin(definition: Definition, event: Event) -> str:
    """Where an event comes from, and a deadline's setting."""
    if event.timer is not None:
        return f"deadline, setting {event.timer}"
    return f"source {event.source}" if event.source in definition.sources else f"from an {event.source}"

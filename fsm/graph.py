"""The table as a graph: what can't be reached, and from where there is no way on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .definition import GO, Cell, State
from .findings import Findings

Edges = Mapping[str, set[str]]


def check_graph(
    initial: str, states: Mapping[str, State], cells: Mapping[tuple[str, str], Cell], findings: Findings
) -> None:
    """Report states that no path leads to, dead ends, and states from which no final state can be reached."""
    follows: dict[str, set[str]] = {name: set() for name in states}
    for (source, _), cell in cells.items():
        follows[source].update(branch.decision.target for branch in cell if branch.decision.kind == GO)
    reached = closure((initial,), follows)
    for name in states:
        if name not in reached:
            findings.add(("states", name), "unreachable", f"no path leads from {initial!r} to state {name!r}")
    finals = [name for name, state in states.items() if state.final is not None]
    ends = closure(finals, _reversed(follows))
    for name, state in states.items():
        if name not in reached or state.final is not None:
            continue
        if len(states) > 1 and not follows[name] - {name}:
            findings.add(("states", name), "dead-end", f"state {name!r} is never left, and it is not final")
        elif finals and name not in ends:
            findings.add(("states", name), "no-way-out", f"no final state can be reached from {name!r}")


def _reversed(follows: Edges) -> Edges:
    before: dict[str, set[str]] = {name: set() for name in follows}
    for name, targets in follows.items():
        for target in targets:
            before[target].add(name)
    return before


def closure(start: Iterable[str], follows: Edges) -> set[str]:
    """All that is reached from `start`, itself included."""
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(follows[name] - reached)
    return reached

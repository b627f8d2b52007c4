"""What a walk has found, for people and for programs."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scxlife.fsm.definition import Definition

from .endings import bound
from .exploration import Exploration, Finding, Step
from .properties import PROPERTIES
from .story import Story
from .witness import Witness
from .world import FOREIGN


def tell(exploration: Exploration, finding: Finding, read: Callable[[str], object]) -> list[Step]:
    """Hand the finding's run to `read` as a tape, line by line; its steps."""
    way = exploration.way(finding)
    Witness(exploration.model.definition, read).go(way, finding.property, PROPERTIES[finding.property])
    return way


def faults_in(way: list[Step]) -> int:
    """How many faults it takes."""
    begun = int(way[0].world.kernel == FOREIGN) + len(way[0].machine.broken)
    return begun + sum(
        (step.happening.faults if step.happening else 0) + (step.move[0].faults if step.move else 0) for step in way
    )


def save(exploration: Exploration, folder: Path) -> dict[Finding, Path]:
    """Write each finding's tape into `folder`. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for finding in exploration.found:
        lines: list[str] = []
        tell(exploration, finding, lines.append)
        files[finding] = folder / f"{'-'.join(re.findall(r'[a-z_]+', ' '.join(finding)))}.tape"
        files[finding].write_text("".join(f"{line}\n" for line in lines))
    return files


def as_lines(exploration: Exploration, definition: Definition, profile: str) -> Iterator[str]:
    """The whole result; of each property that is broken, a shortest run, and how many other ends it has."""
    faults = exploration.model.faults
    extent = "all of it" if exploration.complete else f"no deeper than {exploration.deepest}"
    yield f"{definition.name} {definition.version}, profile {profile}, faults {faults}"
    walked = f"{exploration.states:,} states, {exploration.transitions:,} transitions, depth {exploration.deepest}"
    yield f"{walked}, {extent}; {exploration.seconds:.1f} s, {peak_memory() >> 20} MB"
    yield ""
    for name, says in PROPERTIES.items():
        broken = any(finding.property == name for finding in exploration.found)
        yield f"{name:<9} {'BROKEN' if broken else 'holds ':<7} {says}"
    if exploration.complete and not any(finding.property == "ends" for finding in exploration.found):
        seconds = bound(definition, exploration.after, exploration.rests)
        rests = ", ".join(sorted(exploration.rests)) or "nowhere"
        yield f"{'':<17} it rests in: {rests}; anything else is over within {seconds:g} s of deadlines"
    for name in PROPERTIES:
        found = [finding for finding in exploration.found if finding.property == name]
        if found:
            yield from _story(exploration, found)


def _story(exploration: Exploration, found: list[Finding]) -> Iterator[str]:
    lines: list[str] = []
    way = tell(exploration, found[0], Story(lines.append))
    faults = faults_in(way)
    yield ""
    yield f"{_named(found[0])}: {len(way) - 1} steps, faults {faults}"
    yield from lines
    if others := "; ".join(_named(finding) for finding in found[1:]):
        yield f"and {others}"


def _named(finding: Finding) -> str:
    return f"{finding.property} in {finding.state}" + (f" ({finding.verdict})" if finding.verdict else "")


def as_json(
    exploration: Exploration, definition: Definition, profile: str, tapes: dict[Finding, Path]
) -> dict[str, Any]:
    return {
        "machine": definition.name,
        "version": definition.version,
        "profile": profile,
        "faults": exploration.model.faults,
        "complete": exploration.complete,
        "states": exploration.states,
        "transitions": exploration.transitions,
        "depth": exploration.deepest,
        "seconds": round(exploration.seconds, 3),
        "peak_memory": peak_memory(),
        "properties": {
            name: {
                "says": says,
                "holds": all(finding.property != name for finding in exploration.found),
                "findings": [
                    _found(exploration, finding, tapes) for finding in exploration.found if finding.property == name
                ],
            }
            for name, says in PROPERTIES.items()
        },
    }


def _found(exploration: Exploration, finding: Finding, tapes: dict[Finding, Path]) -> dict[str, Any]:
    way = exploration.way(finding)
    return {
        "state": finding.state,
        "verdict": finding.verdict or None,
        "steps": len(way) - 1,
        "faults": faults_in(way),
        "tape": str(tapes[finding]) if finding in tapes else None,
    }


def peak_memory() -> int:
    """Bytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

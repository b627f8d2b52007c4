"""What a timeline shows, before any format comes into it: tapes, each with its lanes of spans and marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import attrs


class Tone(StrEnum):
    """How something is to be taken. Each has a shape of its own, so that none needs its colour."""

    PLAIN = "plain"  # happened, and changed nothing
    MOVED = "moved"  # led to another state
    DUE = "due"  # a deadline that was over
    VERDICT = "verdict"  # settled how it ends
    FAILED = "failed"  # an action, a guard or a source failed
    DROPPED = "dropped"  # nobody heard it


MEANINGS: Mapping[Tone, str] = {
    Tone.PLAIN: "happened; the state stays",
    Tone.MOVED: "led to another state",
    Tone.DUE: "a deadline was over",
    Tone.VERDICT: "settled how it ends",
    Tone.FAILED: "failed",
    Tone.DROPPED: "came too late: nobody heard it",
}

Facts = Sequence[tuple[str, str]]


@attrs.define(eq=False)
class Mark:
    """One moment, `t` in the tape's own seconds. `line` is where it stands on the tape. What is learnt of an event
    behind its coming is added to it: the step that delivered it, and with `led` the way that the machine went."""

    t: float
    label: str
    line: int
    tone: Tone = Tone.PLAIN
    facts: list[tuple[str, str]] = attrs.Factory(list)
    led: str = ""


@attrs.frozen(eq=False)
class Span:
    """Something that lasted from `begin` to `end`. `open`: it was still so when the tape ended."""

    begin: float
    end: float
    label: str
    line: int
    facts: Facts = ()
    open: bool = False
    quiet: bool = False


@attrs.define(eq=False)
class Lane:
    """Marks and spans of one kind, each in the order of their beginnings. Spans of a lane may overlap."""

    title: str
    doc: str
    spans: list[Span] = attrs.Factory(list)
    marks: list[Mark] = attrs.Factory(list)


@attrs.frozen(eq=False)
class Chart:
    """One tape as lanes. `missing` says what the tape lacks, in words; nothing when it is whole. `inbox` has, for each
    moment in which that changed, how many events wait. `note` says what could not be told."""

    name: str
    machine: str
    version: int
    begin: float
    end: float
    lanes: Sequence[Lane]
    lines: int
    outcome: str | None
    inbox: Sequence[tuple[float, int]] = ()
    missing: str = ""
    note: str = ""


GRAVEST = (Tone.FAILED, Tone.VERDICT, Tone.DUE, Tone.MOVED, Tone.DROPPED, Tone.PLAIN)


def cause_of(mark: Mark) -> str:
    """What brought it, or what came of it, in a few words."""
    facts = dict(mark.facts)
    words = facts.get("error") or facts.get("cause") or facts.get("result") or ""
    status = facts.get("data.exit", "null")
    return words if status == "null" else f"{words}: {status.strip('{}').replace(chr(34), '').replace(':', '')}"


def ends_of(charts: Sequence[Chart]) -> tuple[float, float]:
    """When the first of them begins and the last one ends: the common axis."""
    return min(chart.begin for chart in charts), max(chart.end for chart in charts)

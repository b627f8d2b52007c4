"""The figures as text for people and as JSON for programs."""

from __future__ import annotations

import json

import attrs
from engine_figures import Figures
from engine_machines import MACHINES, Machine, course
from engine_processes import NOTHING
from machine import head
from peers import DICT, ENTRIES, TRANSITIONS
from tables import aims, table

AIMS = "aims; ratios of engines by their best rounds, on the machine where they are worse"


def as_json(figures: Figures) -> str:
    aims = [{**attrs.asdict(aim), "met": aim.met} for aim in figures.aims()]
    return json.dumps({**attrs.asdict(figures), "aims": aims}, indent=2, ensure_ascii=False) + "\n"


def as_text(figures: Figures) -> str:
    parts = [
        head(figures.date, figures.where),
        *(_race(machine, figures) for machine in MACHINES),
        _works(figures),
        _imports(figures),
        f"load and lint lifecycle/scheduler.yaml: {figures.lifecycle * 1e3:.1f} ms, median of {figures.effort.loads}",
        _scales(figures),
        aims(AIMS, figures.aims()),
    ]
    return "\n\n".join(parts)


def _race(machine: Machine, figures: Figures) -> str:
    _, entered = course(machine)[-1]
    guards = sum(row.guarded for row in machine.rows)
    title = (
        f"{machine.name}: {len(machine.states)} states, {len(machine.events)} event(s), {guards} guard(s); a lap of "
        f"{len(machine.lap)} events with {entered} entry actions\n"
        f"ns per event over {figures.effort.rounds} rounds, contestants in turn, no garbage collection while timed"
    )
    timings = figures.timings[machine.name]
    rows = [
        (
            name,
            f"{timing.best:,.0f}",
            f"{timing.median:,.0f}",
            f"{timing.best / timings[DICT].best:,.1f}",
            f"{timing.best / timings[TRANSITIONS].best:.3f}",
        )
        for name, timing in timings.items()
    ]
    return table(title, ("", "best", "median", "× dict", "× transitions"), rows)


def _works(figures: Figures) -> str:
    lines = ["what each does for one event; before the timing all visited the same states with the same actions"]
    present = {name for timings in figures.timings.values() for name in timings}
    lines += [f"  {entry.name}: {entry.work}" for entry in ENTRIES if entry.name in present]
    if figures.absent:
        lines.append(f"  left out, for it is not installed: {', '.join(figures.absent)} (pip install -e '.[bench]')")
    return "\n".join(lines)


def _imports(figures: Figures) -> str:
    nothing = figures.imports[NOTHING].median
    rows = [
        (name, f"{spent.best * 1e3:.1f}", f"{spent.median * 1e3:.1f}", f"{(spent.median - nothing) * 1e3:+.1f}")
        for name, spent in figures.imports.items()
    ]
    title = f"import in a fresh interpreter with its bytecode written, ms over {figures.effort.imports} runs, in turn"
    return table(title, ("", "best", "median", "above pass"), rows)


def _scales(figures: Figures) -> str:
    rows = [
        (
            f"{scale.states:,} × {scale.events}",
            f"{scale.bytes / 1024:,.0f}",
            f"{scale.cells:,}",
            f"{scale.seconds:.3f}",
            f"{scale.us_per_cell:.1f}",
            f"{scale.peak_kib / 1024:.0f}",
            f"{scale.before_kib / 1024:.0f}",
        )
        for scale in figures.scales
    ]
    title = f"load and lint generated definitions, each in a fresh process, median of {figures.effort.scales}"
    head = ("states × events", "KiB of YAML", "cells", "seconds", "µs a cell", "peak MiB", "MiB before")
    return table(title, head, rows)

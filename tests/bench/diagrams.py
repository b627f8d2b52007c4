"""How long each text format of `scxlife diagram` takes for the machines that are shipped and for long circles of
states, and how long the text is.

python tests/bench/diagrams.py
"""

from __future__ import annotations

import datetime
import os
import platform
import time
from pathlib import Path

from scxlife.fsm.definition import Definition
from scxlife.fsm.loader import load, loads
from scxlife.lifecycle.commands.diagram import TEXTS

ROOT = Path(__file__).parents[2]
SHIPPED = ("scheduler", "boot", "operations")
CIRCLES = (500, 1000, 2000)
ROUNDS = 20


def circle(states: int) -> Definition:
    """A machine whose states lead to one another in a circle, each also back to the first and across."""
    names = [f"s{number}" for number in range(states)]
    rows = "".join(
        f"  - {{in: {name}, on: go, to: {names[(index + 1) % states]}}}\n"
        f"  - {{in: {name}, on: back, to: s0}}\n"
        f"  - {{in: {name}, on: skip, to: {names[(7 * index + 3) % states]}}}\n"
        for index, name in enumerate(names)
    )
    declared = "".join(f"  {name}: {{no-deadline: it waits}}\n" for name in names)
    events = ", ".join(f"{name}: {{source: caller}}" for name in ("go", "back", "skip"))
    head = f"format: 1\nmachine: circle\nversion: 1\ninitial: s0\nevents: {{{events}}}\n"
    return loads(f"{head}states:\n{declared}rows:\n{rows}")


def main() -> None:
    print(f"{datetime.date.today()}, {os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}")
    print(f"best of {ROUNDS} (of a circle: once), milliseconds (and thousands of characters)")
    print(f"{'':12}" + "".join(f"{name:>16}" for name in TEXTS))
    machines = {name: load(ROOT / "lifecycle" / f"{name}.yaml") for name in SHIPPED}
    machines |= {f"{states} states": circle(states) for states in CIRCLES}
    for name, machine in machines.items():
        cells = []
        for write in TEXTS.values():
            took = []
            for _ in range(ROUNDS if name in SHIPPED else 1):
                begun = time.perf_counter()
                text = write(machine)
                took.append(time.perf_counter() - begun)
            cells.append(f"{min(took) * 1e3:.1f} ({len(text) / 1e3:.0f})")
        print(f"{name:12}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()

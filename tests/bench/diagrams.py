"""How long each text format of `scxlife diagram` takes for the machines that are shipped, and how long the text is.

python tests/bench/diagrams.py
"""

from __future__ import annotations

import datetime
import os
import platform
import time
from pathlib import Path

from scxlife.fsm.loader import load
from scxlife.lifecycle.commands.diagram import TEXTS

ROOT = Path(__file__).parents[2]
SHIPPED = ("scheduler", "boot", "operations")
ROUNDS = 20


def main() -> None:
    print(f"{datetime.date.today()}, {os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}")
    print(f"best of {ROUNDS}, milliseconds (and thousands of characters)")
    print(f"{'':12}" + "".join(f"{name:>16}" for name in TEXTS))
    for name in SHIPPED:
        machine = load(ROOT / "lifecycle" / f"{name}.yaml")
        cells = []
        for write in TEXTS.values():
            took = []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                text = write(machine)
                took.append(time.perf_counter() - begun)
            cells.append(f"{min(took) * 1e3:.1f} ({len(text) / 1e3:.0f})")
        print(f"{name:12}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()

"""What is measured in processes of their own: imports in a fresh interpreter, and loading large definitions."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs
from engine_machines import generated

from scxlife.fsm import load

NOTHING = "python -c pass"
DEPENDENCIES = "attrs, cattrs, PyYAML, transitions"
ALONE = "scxlife.fsm"
EVERYTHING = "scxlife.fsm: every public name"
IMPORTS = {
    NOTHING: "pass",
    "PyYAML": "import yaml",
    DEPENDENCIES: "import attrs, cattrs, yaml, transitions",
    ALONE: "import scxlife.fsm",
    "scxlife.fsm: load": "from scxlife.fsm import load",
    "scxlife.fsm: Runtime, Driver, Tape": "from scxlife.fsm import Driver, Runtime, Tape",
    EVERYTHING: "from scxlife.fsm import *",
}

# VmHWM and not getrusage: ru_maxrss begins with what the parent had, for it survives exec.
LOADING = """
import json, sys, time
from scxlife.fsm import load
def peak():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
before = peak()
start = time.perf_counter()
definition = load(sys.argv[1])
spent = time.perf_counter() - start
print(json.dumps([spent, len(definition.cells), peak(), before]))
"""


@attrs.frozen
class Spent:
    """Seconds, over several runs."""

    best: float
    median: float


@attrs.frozen
class Scale:
    """Loading and linting one generated definition: seconds, and kibibytes of resident memory at the peak, with
    what the interpreter and the imports had taken before."""

    states: int
    events: int
    bytes: int
    seconds: float
    cells: int
    peak_kib: int
    before_kib: int

    @property
    def us_per_cell(self) -> float:
        return self.seconds / self.cells * 1e6


def seconds_to_load(definition: Path, runs: int) -> float:
    """The median over `runs` of loading and linting `definition` in this process, in seconds."""
    samples = []
    for _ in range(runs):
        start = time.perf_counter()
        load(definition)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def seconds_to_import(runs: int) -> dict[str, Spent]:
    """What a fresh interpreter that does nothing but import takes over `runs`, in turn.

    Whatever the environment says of bytecode, all of it is written beforehand, ours and the libraries' alike, to a
    folder that goes again.
    """
    samples: dict[str, list[float]] = {name: [] for name in IMPORTS}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory(prefix="scxlife-bench-") as folder:
        environment["PYTHONPYCACHEPREFIX"] = folder
        for run in range(runs + 1):
            for name, code in IMPORTS.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, env=environment)
                if run > 0:  # the first run writes the bytecode
                    samples[name].append(time.perf_counter() - start)
    return {name: Spent(min(spent), statistics.median(spent)) for name, spent in samples.items()}


def scale(states: int, events: int, runs: int) -> Scale:
    """Load a generated definition in a fresh interpreter, `runs` times; the run with the median time counts."""
    text = generated(states, events).encode()
    with tempfile.TemporaryDirectory(prefix="scxlife-bench-") as folder:
        file = Path(folder, "generated.yaml")
        file.write_bytes(text)
        results = [
            json.loads(subprocess.run([sys.executable, "-c", LOADING, file], check=True, capture_output=True).stdout)
            for _ in range(runs)
        ]
    seconds, cells, peak, before = sorted(results)[len(results) // 2]
    return Scale(states, events, len(text), seconds, cells, peak, before)

"""The simulation held against real sched_ext kernels: the fixture scheduler in a guest, and the same simulated.

Both must go the same way through the table, to the same outcome and status, and as many generations.
Times are not compared: a guest under emulation has its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.schedulers.build import fault_scheduler

from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.vm.kernels import Kernel

from .schedulers import PAIRS

pytestmark = pytest.mark.guest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 200


@attrs.frozen
class Way:
    """The moves from state to state, and what came of it."""

    moves: tuple[tuple[str, str, str], ...]
    outcome: str
    exit: dict[str, int] | None
    generation: int


def seen_moves(records: list[dict[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    steps = [record for record in records if record["kind"] == "step" and record["to"] != record["state"]]
    return tuple((step["state"], step["event"], step["to"]) for step in steps)


def moves(records: list[dict[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    """As seen, but for a race that both win: whether a dying process's scheduler is seen to go before its process."""
    way: list[tuple[str, str, str]] = []
    for state, event, to in seen_moves(records):
        if way and way[-1] == ("running", "lost", "detached") and (state, event) == ("detached", "exited"):
            way[-1] = ("running", "exited", to)
        else:
            way.append((state, event, to))
    return tuple(way)


def simulated(told: Scenario) -> Way:
    done = run(told)
    assert violations(done) == []
    assert done.outcome is not None
    way = moves([dict(record) for record in done.records])
    ended = done.outcome.exit
    return Way(way, done.outcome.name, None if ended is None else dict(ended), done.outcome.generation)


def real(kernel: Kernel, sched_args: str, options: str, tape: Path) -> Way:
    words = ["--kernel", kernel.version, "--scheduler", str(fault_scheduler()), "--sched-args", sched_args]
    done = subprocess.run(
        [*SCXLIFE, "vm", "run", "--json", "--timeout", "90s", "--tape", str(tape), *words, *PATIENCE, *options.split()],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.stdout, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    records = [json.loads(line) for line in tape.read_text().splitlines()]
    return Way(moves(records), outcome["outcome"], outcome["exit"], outcome["generation"])


PATIENCE = ("--liveness", "20s")


@pytest.mark.parametrize("name", PAIRS)
def test_the_kernel_goes_the_way_that_the_simulation_goes(name: str, each_kernel: Kernel, tmp_path: Path) -> None:
    sched_args, options, told = PAIRS[name]
    series = ".".join(each_kernel.version.split(".")[:2])
    ideal = simulated(attrs.evolve(told, kernel=series if series in ("6.12", "7.2", "7.3") else "7.2"))
    assert real(each_kernel, sched_args, options, tmp_path / "tape") == ideal

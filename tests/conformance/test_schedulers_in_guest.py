"""The simulation held against real sched_ext kernels: the fixture scheduler in a guest, and the same simulated.

Both must go the same way through the table, to the same outcome and status, and as many generations. From one move to
the next the guest may take longer, for a load most of all, or less where the simulation has to guess how long that
takes; but no deadline comes too early.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.schedulers.build import fault_scheduler
from tests.vm.fates import left_behind
from tests.vm.lives import HERE, lead, story

from scxlife.lifecycle.simulated.beside import Move, Moves
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario, definition_of
from scxlife.platform.vm import guest
from scxlife.platform.vm.kernels import Kernel

from .random_schedulers import COUNT, hundred
from .schedulers import PAIRS

pytestmark = pytest.mark.guest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 700
PATIENCE = ("--liveness", "20s")
#: Seconds from one move to the next, more or less than simulated: a guest under emulation shares a processor, and the
#: verifier's work on a load is a second's where nobody else wants it.
TOLERANCE = 20.0
#: Seconds by which a deadline may seem to be early: its two ends are read apart.
EARLY = 0.05


@attrs.frozen
class Way:
    """The moves from state to state, and what came of it."""

    moves: list[Move]
    outcome: str
    exit: Mapping[str, int] | None
    generation: int


def settled(moves: Sequence[Move]) -> list[Move]:
    """But for a race that both win: whether a dying process's scheduler is seen to go before its process."""
    way: list[Move] = []
    for move in moves:
        former = way[-1] if way else None
        if former is not None and (former.state, former.event) == ("running", "lost") and move.event == "exited":
            way[-1] = attrs.evolve(move, state="running")
        else:
            way.append(move)
    return way


def simulated(told: Scenario) -> Way:
    done = run(told)
    assert violations(done) == []
    assert done.outcome is not None
    return Way(settled(Moves.of(done.records)), done.outcome.name, done.outcome.exit, done.outcome.generation)


def real(records: Sequence[Mapping[str, Any]], outcome: Mapping[str, Any]) -> Way:
    return Way(settled(Moves.of(records)), outcome["outcome"], outcome["exit"], outcome["generation"])


def out_of_time(told: Scenario, ideal: Way, seen: Way) -> list[str]:
    """The moves that came too late or too early behind the one before, in words."""
    events = definition_of(told).events
    wrong = []
    before = (0.0, 0.0)
    for wanted, made in zip(ideal.moves, seen.moves, strict=True):
        simulated_s, real_s = wanted.at - before[0], made.at - before[1]
        before = wanted.at, made.at
        early = events[made.event].timer is not None and real_s < simulated_s - EARLY
        if early or abs(real_s - simulated_s) > TOLERANCE:
            wrong.append(f"{made.state} {made.event} after {real_s:.3f} s, simulated after {simulated_s:.3f} s")
    return wrong


def as_on(kernel: Kernel, told: Scenario) -> Scenario:
    series = ".".join(kernel.version.split(".")[:2])
    return attrs.evolve(told, kernel=series if series in ("6.12", "7.2", "7.3") else "7.2")


def lived(kernel: Kernel, sched_args: str, options: str, tape: Path) -> Way:
    words = ["--kernel", kernel.version, "--scheduler", str(fault_scheduler()), "--sched-args", sched_args]
    done = subprocess.run(
        [
            *SCXLIFE,
            "vm",
            "run",
            "--json",
            "--timeout",
            "600s",
            "--tape",
            str(tape),
            *words,
            *PATIENCE,
            *options.split(),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.stdout, done.stderr
    records = [json.loads(line) for line in tape.read_text().splitlines()]
    return real(records, json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("how", ["warm", "cold"])
@pytest.mark.parametrize("name", PAIRS)
def test_the_kernel_goes_the_way_that_the_simulation_goes(
    name: str, how: str, each_kernel: Kernel, tmp_path: Path
) -> None:
    sched_args, options, told = PAIRS[name]
    ideal = simulated(as_on(each_kernel, told))
    seen = lived(each_kernel, sched_args, f"{options} --cold" if how == "cold" else options, tmp_path / "tape")
    assert seen == ideal
    assert out_of_time(told, ideal, seen) == []


def test_the_kernel_goes_the_way_of_a_hundred_random_scenarios_in_one_boot(
    each_kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    lives = hundred()
    led = lead(each_kernel, [life.told_to_guest() for life in lives], "default", tmp_path)
    reports = []
    ends: Counter[str] = Counter()
    for life, (said, tape) in zip(lives, led.told, strict=False):
        scenario = as_on(each_kernel, life.scenario)
        ideal = simulated(scenario)
        seen = real([json.loads(line) for line in tape.splitlines()], said["outcome"])
        ends[seen.outcome] += 1
        wrong = left_behind(said, descriptors=led.hello["descriptors"])
        if seen != ideal:
            wrong += [f"simulated {ideal}", f"real      {seen}"]
        else:
            wrong += out_of_time(scenario, ideal, seen)
        if wrong:
            reports.append("\n".join([f"{life.name}: {life.arguments} {life.when_ready}", *wrong, *story(said, tape)]))
    print(f"{each_kernel.version}: {dict(ends)}")
    assert not reports, "\n\n".join(reports)
    assert isinstance(led.result, guest.Completed), f"in life {len(led.told)}: {led.result}"
    assert len(led.told) == COUNT
    assert led.hello["refused"] == []

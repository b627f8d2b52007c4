"""Times the contestants in rounds: each takes its turn in every round, so what else the machine does meets all."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence

import attrs
from engine_machines import Machine, Step, course
from peers import ENTRIES, Contestant, Entry, World


class Disagreement(Exception):
    """A contestant visited other states than the rows say, or called the guard or the action too often or too
    seldom: its time would be the time of something else."""


@attrs.frozen
class Timing:
    """Nanoseconds for one event, over the rounds."""

    best: float
    median: float


class Runner:
    """A contestant that was verified, with as many laps as make a sample of the wanted length."""

    def __init__(self, entry: Entry, machine: Machine) -> None:
        self.entry = entry
        self._machine = machine
        self._world = World()
        self._contestant: Contestant = entry.build(machine, self._world)
        self._verify()
        self._steps: Sequence[Step] = machine.lap
        self.samples: list[float] = []

    def _verify(self) -> None:
        machine, world = self._machine, self._world
        for step, wanted in zip(machine.lap, course(machine), strict=True):
            try:
                self._contestant.walk((step,))
                found = self._contestant.state(), world.entered
            except Exception as error:  # an engine that does not know the event has its own class for that
                raise self._disagreement(f"{step[0]} raised {type(error).__name__}: {error}") from error
            if found != wanted:
                raise self._disagreement(f"{step[0]} led to {found} (state, entry actions so far), not to {wanted}")
        guarded = {row.event for row in machine.rows if row.guarded}
        asked = sum(event in guarded for event, _ in machine.lap)
        if not self.entry.pure and world.asked != asked:
            raise self._disagreement(f"the guard was asked {world.asked} times in a lap, not {asked}")

    def _disagreement(self, what: str) -> Disagreement:
        return Disagreement(f"{self.entry.name}, {self._machine.name}: {what}")

    def warm_up(self, sample: float) -> None:
        """Walk for about half of `sample` seconds, and fit the length of the walk to `sample`."""
        laps, end = 0, time.perf_counter() + sample / 2
        start = time.perf_counter()
        while laps < 2 or time.perf_counter() < end:
            self._contestant.walk(self._machine.lap)
            laps += 1
        each = (time.perf_counter() - start) / laps
        self._steps = self._machine.lap * max(1, round(sample / each))
        self._contestant.forget()

    def sample(self) -> None:
        """Time one walk. Garbage is collected before it and not in it, for every contestant alike."""
        laps = len(self._steps) // len(self._machine.lap)
        gc.collect()
        before = self._world.entered
        gc.disable()
        try:
            start = time.perf_counter_ns()
            self._contestant.walk(self._steps)
            spent = time.perf_counter_ns() - start
        finally:
            gc.enable()
        self._contestant.forget()
        self.samples.append(spent / len(self._steps))
        _, entered = course(self._machine)[-1]
        if self._contestant.state() != self._machine.initial:
            raise self._disagreement("a walk of whole laps did not lead back")
        if not self.entry.pure and self._world.entered - before != entered * laps:
            raise self._disagreement("entry actions were lost or doubled while it was timed")

    def timing(self) -> Timing:
        return Timing(min(self.samples), statistics.median(self.samples))


def line_up(machine: Machine) -> tuple[list[Runner], tuple[str, ...]]:
    """Every contestant, built and verified, and the distributions that are not installed. Raises Disagreement."""
    runners, absent = [], []
    for entry in ENTRIES:
        try:
            runners.append(Runner(entry, machine))
        except ModuleNotFoundError:
            if entry.distribution is None:
                raise
            absent.append(entry.distribution)
    return runners, tuple(absent)


def race(runners: Sequence[Runner], *, rounds: int, sample: float) -> dict[str, Timing]:
    """Each contestant's timing by name; `sample` is the length of one sample in seconds. Raises Disagreement when
    one loses its way while it is timed."""
    for runner in runners:
        runner.warm_up(sample)
    for turn in range(rounds):
        # Nobody always follows the same neighbour.
        first = turn % len(runners)
        for runner in (*runners[first:], *runners[:first]):
            runner.sample()
    return {runner.entry.name: runner.timing() for runner in runners}

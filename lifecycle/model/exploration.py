"""Every state that a machine over its world can reach, so that the way to each finding is a shortest one.

First all that can be reached without a fault is walked, breadth first; then what one fault adds to that, and so on.
So a way that is found has the fewest faults, and of those ways it is a shortest one.

Machines and worlds are numbered as they turn up, and a state is one number made of both. What the world does by itself
does not depend on the machine, what a delivery does depends on little of either, and what it means for the machine
depends on nothing else: each is worked out once and looked up ever after.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from scxlife.fsm.definition import GO, Definition

from .endings import round_trip
from .machine import Machine, Turn
from .nature import Happening, can_change
from .properties import broken_at_end, broken_at_rest
from .steps import Model, Move
from .world import World

_BITS = 24
_WORLD = (1 << _BITS) - 1
_KEY_BITS = 2 * _BITS
_KEY = (1 << _KEY_BITS) - 1
# What a beginning came from. No state has that number, for no machine is the last one that could be counted.
_BEGINNING = _KEY
# States between two looks at the clock.
_BETWEEN = 1 << 14

#: Steps to other states: a turn's number (none for nature) and a world's; with it, how many faults that takes.
_Free = tuple[int, int]
_Costly = tuple[int, int, int]
_Steps = tuple[tuple[_Free, ...], tuple[_Costly, ...]]
_NATURE = -1


class Progress(NamedTuple):
    """How far it is: `faults` and `depth` of the states that are walked now, `waiting` how many are still to be gone on
    from at this depth and the next. `seconds` since the beginning."""

    states: int
    transitions: int
    faults: int
    depth: int
    waiting: int
    seconds: float


class Finding(NamedTuple):
    """Where a property does not hold: it, the state of the machine, and the verdict there."""

    property: str
    state: str
    verdict: str


class Step(NamedTuple):
    """One step of a way: what nature did, or what the machine did, and what is behind it."""

    happening: Happening | None
    move: Move | None
    machine: Machine
    world: World


class Exploration:
    """The walk so far: `run` goes on to the end; when it is interrupted, what was found until then can be asked."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.faults = 0
        self.depth = self.deepest = 0
        self.transitions = 0
        self.complete = False
        self.seconds = 0.0
        self.found: dict[Finding, int] = {}
        #: The machine's states that follow on each, every deadline of theirs armed anew; and those it can rest in.
        self.after: dict[str, set[str]] = {}
        self.rests: set[str] = set()
        self._machines: list[Machine] = []
        self._machine_numbers: dict[Machine, int] = {}
        self._worlds: list[World] = []
        self._world_numbers: dict[World, int] = {}
        self._turns: list[Turn] = []
        self._turn_numbers: dict[Turn, int] = {}
        self._happenings: list[_Steps | None] = []
        self._heads: list[int] = []
        self._head_numbers: dict[tuple[object, ...], int] = {}
        self._moves: dict[int, _Steps] = {}
        self._afters: dict[int, int] = {}
        self._to_judge: list[bool] = []
        self._came_from: dict[int, int] = {}
        # By the number of faults: what is reached by one and not yet gone on from, with where it came from and, in the
        # bits above that, how deep it is.
        self._put_off: list[dict[int, int]] = [{} for _ in range(model.faults + 1)]
        for machine, world, needed in model.beginnings():
            if needed <= model.faults:
                self._put_off[needed][self._machine(machine) << _BITS | self._world(world)] = _BEGINNING

    @property
    def states(self) -> int:
        """How many distinct ones were reached."""
        return len(self._came_from)

    def reached(self) -> Iterator[tuple[Machine, World]]:
        """All states so far, in the order in which they were reached."""
        return ((self._machines[key >> _BITS], self._worlds[key & _WORLD]) for key in self._came_from)

    def run(self, at_most: int | None = None, tell: Callable[[Progress], object] = lambda progress: None) -> None:
        """Go on to the end, or no deeper than `at_most` steps. `tell` is called now and then."""
        began = time.monotonic()

        def progress(waiting: int) -> None:
            self.seconds = time.monotonic() - began
            tell(Progress(self.states, self.transitions, self.faults, self.depth, waiting, self.seconds))

        whole = True
        for faults in range(self.model.faults + 1):
            self.faults = faults
            whole = self._layer(at_most, progress) and whole
        self.seconds = time.monotonic() - began
        self.complete = whole
        if around := round_trip(self.after, self.rests):
            self.found.setdefault(Finding("ends", around[1], ""), self._first(*around[:2]))

    def _layer(self, at_most: int | None, tell: Callable[[int], object]) -> bool:
        """All that so many faults add. Whether there was no more to walk."""
        joining: dict[int, list[tuple[int, int]]] = {}
        for reached, packed in self._put_off[self.faults].items():
            if reached not in self._came_from:
                joining.setdefault(packed >> _KEY_BITS, []).append((reached, packed & _KEY))
        self._put_off[self.faults] = {}
        frontier: list[int] = []
        self.depth = 0
        while frontier or joining:
            for reached, key in joining.pop(self.depth, ()):
                if reached not in self._came_from:
                    self._came_from[reached] = key
                    frontier.append(reached)
            if self.depth == at_most:
                return not frontier
            frontier = self._level(frontier, tell)
            self.deepest = max(self.deepest, self.depth)
            self.depth += 1
        return True

    def _level(self, frontier: list[int], tell: Callable[[int], object]) -> list[int]:
        """All that is one step from the frontier, and new."""
        came_from, all_happenings, heads, all_moves, afters, machines_to_judge, worlds = (
            self._came_from, self._happenings, self._heads, self._moves, self._afters, self._to_judge, self._worlds,
        )  # fmt: skip
        last = self.faults == self.model.faults
        further: list[int] = []
        for count, key in enumerate(frontier):
            machine, world = key >> _BITS, key & _WORLD
            if (machines_to_judge[machine] or worlds[world].wrong) and self._judge(machine, world, key):
                continue
            happenings = all_happenings[world]
            if happenings is None:
                happenings = self._happen(world)
            for _, then in happenings[0]:
                reached = machine << _BITS | then
                if reached not in came_from:
                    came_from[reached] = key
                    further.append(reached)
            index = heads[machine] << _BITS | world
            moves = all_moves.get(index)
            if moves is None:
                moves = self._move(index, machine, world)
            for turn, then in moves[0]:
                index = machine << _BITS | turn
                after = afters.get(index)
                reached = (self._follow(index) if after is None else after) << _BITS | then
                if reached not in came_from:
                    came_from[reached] = key
                    further.append(reached)
            self.transitions += len(happenings[0]) + len(moves[0])
            if not last:
                self._postpone(key, happenings[1])
                self._postpone(key, moves[1])
            if not count % _BETWEEN:
                tell(len(frontier) - count + len(further))
        return further

    def _postpone(self, key: int, steps: tuple[_Costly, ...]) -> None:
        """What it takes a fault to reach is gone on from when all that takes fewer is known."""
        machine = key >> _BITS
        for turn, then, faults in steps:
            if self.faults + faults > self.model.faults:
                continue
            self.transitions += 1
            if turn == _NATURE:
                reached = machine << _BITS | then
            else:
                index = machine << _BITS | turn
                after = self._afters.get(index)
                reached = (self._follow(index) if after is None else after) << _BITS | then
            if reached not in self._came_from:
                later = self._put_off[self.faults + faults]
                packed = (self.depth + 1) << _KEY_BITS | key
                if packed < later.get(reached, packed + 1):
                    later[reached] = packed

    # -- numbers -----------------------------------------------------------------------------------------------

    def _machine(self, machine: Machine) -> int:
        number = self._machine_numbers.get(machine)
        if number is None:
            number = self._machine_numbers[machine] = len(self._machines)
            self._machines.append(machine)
            state = self.model.definition.states[machine.state]
            self._to_judge.append(
                bool(machine.wrong) or state.final is not None or not (machine.inbox or machine.armed)
            )
            # All of it that decides what can happen next: the event that waits, or else who is listened to.
            head: tuple[object, ...]
            if machine.inbox:
                head = (machine.state, machine.inbox[0], machine.broken)
            else:
                head = (state.sources, len(machine.armed), machine.broken)
            self._heads.append(self._head_numbers.setdefault(head, len(self._head_numbers)))
        return number

    def _world(self, world: World) -> int:
        number = self._world_numbers.get(world)
        if number is None:
            number = self._world_numbers[world] = len(self._worlds)
            assert number <= _WORLD, "more worlds than a state's number has room for"
            self._worlds.append(world)
            self._happenings.append(None)
        return number

    def _turn(self, turn: Turn) -> int:
        number = self._turn_numbers.get(turn)
        if number is None:
            number = self._turn_numbers[turn] = len(self._turns)
            self._turns.append(turn)
        return number

    # -- what is worked out once -------------------------------------------------------------------------------

    def _happen(self, world: int) -> _Steps:
        found = [(_NATURE, self._world(then.world), then.faults) for then in self.model.happenings(self._worlds[world])]
        self._happenings[world] = steps = _sorted_out(found)
        return steps

    def _move(self, index: int, machine: int, world: int) -> _Steps:
        found = [(self._turn(turn), self._world(then), turn.faults) for turn, then, _ in self._ways(machine, world)]
        self._moves[index] = steps = _sorted_out(found)
        return steps

    def _ways(self, machine: int, world: int) -> Iterator[Move]:
        here, there = self._machines[machine], self._worlds[world]
        if self.model.definition.states[here.state].final is not None:
            return iter(())
        return self.model.deliveries(here, there) if here.inbox else self.model.wakes(here, there)

    def _follow(self, index: int) -> int:
        machine, turn = self._machines[index >> _BITS], self._turns[index & _WORLD]
        after = self.model.after(machine, turn)
        decision = turn.decision
        if decision is not None and decision.kind == GO:
            bounded = any(name != decision.event for name in self.model.rules.deadlines_of(after))
            if not decision.internal or (decision.again and not bounded):
                self.after.setdefault(machine.state, set()).add(after.state)
        number = self._afters[index] = self._machine(after)
        return number

    # -- what is found -----------------------------------------------------------------------------------------

    def _judge(self, machine_number: int, world_number: int, key: int) -> bool:
        """Look for a broken property. Whether there is nothing to be gone on to from here."""
        machine, world = self._machines[machine_number], self._worlds[world_number]
        final = self.model.definition.states[machine.state].final is not None
        wrong = machine.wrong or world.wrong
        if not wrong and final:
            wrong = broken_at_end(self.model, machine, world)
        elif not wrong and not machine.inbox and not machine.armed and self.model.is_quiet(machine, world):
            self.rests.add(machine.state)
            wrong = broken_at_rest(self.model, machine, world)
        if wrong:
            self.found.setdefault(Finding(wrong, machine.state, machine.verdict), key)
        return bool(wrong) or (
            final and (bool(machine.inbox) or machine.verdict.startswith("left-running") or not can_change(world))
        )

    def _first(self, before: str, state: str) -> int:
        """The first that was reached in this state from that one."""
        return next(
            key
            for key, from_key in self._came_from.items()
            if from_key != _BEGINNING
            and self._machines[key >> _BITS].state == state
            and self._machines[from_key >> _BITS].state == before
        )

    def way(self, finding: Finding) -> list[Step]:
        """The way there, from a beginning."""
        keys = [self.found[finding]]
        while (before := self._came_from[keys[-1]]) != _BEGINNING:
            keys.append(before)
        keys.reverse()
        steps = [Step(None, None, self._machines[keys[0] >> _BITS], self._worlds[keys[0] & _WORLD])]
        return steps + [self._step(key, then) for key, then in pairwise(keys)]

    def _step(self, key: int, then: int) -> Step:
        """The step from one state to the other that takes the fewest faults."""
        machine, world = self._machines[then >> _BITS], self._worlds[then & _WORLD]
        here, there = self._machines[key >> _BITS], self._worlds[key & _WORLD]
        if machine == here:
            for happening in sorted(self.model.happenings(there), key=lambda happening: happening.faults):
                if happening.world == world:
                    return Step(happening, None, machine, world)
        moves = [move for move in self._ways(key >> _BITS, key & _WORLD) if move[1] == world]
        move = min(
            (move for move in moves if self.model.after(here, move[0]) == machine), key=lambda move: move[0].faults
        )
        return Step(None, move, machine, world)


def _sorted_out(found: Iterable[_Costly]) -> _Steps:
    once = dict.fromkeys(found)
    free = tuple((turn, then) for turn, then, faults in once if not faults)
    return free, tuple(step for step in once if step[2])


#: Bounds of waits that may start over, each with the deadline that does.
EXTENDED = {"attach_at_most": "attach_timeout", "detached_at_most": "reattach_grace"}


def shortened(definition: Definition) -> Definition:
    """The same machine, in which what may start over does so once: a wait that is extended once can do all that one
    extended often can."""
    bounds = {}
    for bound, deadline in EXTENDED.items():
        at_most, once = definition.settings[bound], definition.settings[deadline]
        if isinstance(at_most, float) and isinstance(once, float):
            bounds[bound] = min(at_most, 2 * once)
    return definition.with_settings(**bounds)

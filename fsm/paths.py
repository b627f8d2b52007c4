"""Shortest runs through a table that take every row of it, or every pair of rows in a row: test cases as data.

A path starts at the initial state. Each of its steps is one event with the answers that guards must give to it, and the
state that follows. It says what happens when every action succeeds; a failed one is the event `fault`, and a row for it
is taken by a step of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import attrs

from .decision import decide
from .definition import DEFER, FAULT, GO, Branch, Definition
from .events import Event
from .runtime import Observer, Runtime
from .step import Status

#: Of one definition, this many situations are looked at: states, each with what is deferred there.
MOST = 20_000
#: Events that a path has deferred at once, at most.
DEFERRED = 2


class Row(NamedTuple):
    """One branch of a cell: the `number`-th of state × event, counted from 0."""

    state: str
    event: str
    number: int

    def __str__(self) -> str:
        return f"{self.state} × {self.event}" + (f" ({self.number + 1})" if self.number else "")


@attrs.frozen
class Step:
    """One event: the `answers` of the guards that are asked, the `rows` that are taken, the `state` that follows.

    More than one row is taken where deferred events come back. `deadline`: it comes by itself once its time is over.
    """

    event: str
    answers: Mapping[str, bool]
    rows: tuple[Row, ...]
    state: str
    deadline: bool = False

    def __str__(self) -> str:
        said = ", ".join(name if holds else f"not {name}" for name, holds in self.answers.items())
        return f"{self.event}{f' [{said}]' if said else ''} → {self.state}"


@attrs.frozen
class Path:
    """Steps from the initial state on. `covers` are the rows, or pairs of rows, for which it was chosen."""

    start: str
    steps: tuple[Step, ...]
    covers: tuple[tuple[Row, ...], ...]

    def __str__(self) -> str:
        return " ".join([self.start, *map(str, self.steps)])


@attrs.frozen
class Paths:
    """The paths, the longest first, and the rows (or pairs) that none takes."""

    found: tuple[Path, ...]
    missed: tuple[tuple[Row, ...], ...]
    covered: int


class _Situation(NamedTuple):
    state: str
    deferred: tuple[str, ...] = ()


def paths(definition: Definition, *, pairs: bool = False) -> Paths:
    """Paths that take every row which goes somewhere or defers; with `pairs`, every two rows that can follow each
    other. Raises ValueError for a definition with more than MOST situations.
    """
    start = _Situation(definition.initial)
    before: dict[_Situation, tuple[_Situation, Step] | None] = {start: None}
    moves: dict[_Situation, list[tuple[Step, _Situation]]] = {}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        moves[here] = list(_moves(definition, here))
        for step, there in moves[here]:
            if there not in before:
                if len(before) >= MOST:
                    raise ValueError(f"{definition.name} has more than {MOST} situations, too many for paths")
                before[there] = here, step
                waiting.append(there)

    def to(situation: _Situation) -> list[Step]:
        steps = []
        while (came := before[situation]) is not None:
            situation, step = came
            steps.append(step)
        return steps[::-1]

    shortest: dict[tuple[Row, ...], list[Step]] = {}
    # In the order of the walk, so that the first is a shortest one.
    for here, all_here in moves.items():
        for step, there in all_here:
            if not pairs:
                shortest.setdefault(step.rows[:1], [*to(here), step])
                continue
            for following, _ in moves[there]:
                shortest.setdefault((step.rows[0], following.rows[0]), [*to(here), step, following])
    chosen, done = [], set()
    for wanted, steps in sorted(shortest.items(), key=lambda each: -len(each[1])):
        if wanted not in done:
            taken = [target for target in _targets(steps, pairs=pairs) if target not in done]
            done.update(taken)
            chosen.append(Path(definition.initial, tuple(steps), tuple(dict.fromkeys(taken))))
    missed = () if pairs else tuple((row,) for row in rows(definition) if (row,) not in done)
    return Paths(tuple(chosen), missed, len(done))


def play(
    definition: Definition,
    path: Path,
    actions: Mapping[str, Callable[[Event], None]],
    *,
    observer: Observer | None = None,
) -> Iterator[tuple[Step, str]]:
    """Run `path` on a Runtime with these actions, whose guards answer as it says: each step, and the state after it.

    A step by a deadline needs no waiting, and no other deadline comes before it. Raises as Runtime does.
    """
    answers: dict[str, bool] = {}
    guards = {name: lambda _, name=name: answers.get(name, False) for name in definition.guards}

    def made() -> Runtime:
        return Runtime(definition, actions=actions, guards=guards, clock=lambda: 0.0, observer=observer)

    runtime = made()
    runtime.start()
    runtime.deliver()
    for step in path.steps:
        answers.clear()
        answers.update(step.answers)
        if step.deadline:
            snapshot, runtime = attrs.evolve(runtime.snapshot(), deadlines=((0.0, step.event),)), made()
            runtime.restore(snapshot)
            runtime.expire(0.0)
            runtime.deliver()
        else:
            runtime.handle(Event(step.event))
        yield step, runtime.state


def rows(definition: Definition) -> list[Row]:
    """The rows that go somewhere or defer, in the order of the table."""
    return [
        Row(state, event, number)
        for (state, event), cell in definition.cells.items()
        for number, branch in enumerate(cell)
        if branch.decision.kind in (GO, DEFER)
    ]


def _targets(steps: Sequence[Step], *, pairs: bool) -> list[tuple[Row, ...]]:
    if not pairs:
        return [(row,) for step in steps for row in step.rows]
    return [(one.rows[0], other.rows[0]) for one, other in pairwise(steps)]


def _moves(definition: Definition, here: _Situation) -> Iterator[tuple[Step, _Situation]]:
    state = definition.states[here.state]
    if state.final is not None:
        return
    # Of two that are as short, a path without a failure is easier to play.
    for event in sorted(definition.events.values(), key=lambda event: event.name == FAULT):
        heard = event.source not in definition.sources or event.source in state.sources
        if not heard or (event.timer is not None and event.name not in state.deadlines):
            continue
        cell = definition.cells.get((here.state, event.name), ())
        for number, branch in enumerate(cell):
            if branch.decision.kind not in (GO, DEFER):
                continue
            # A second one of the same would go the same ways.
            full = event.name in here.deferred or len(here.deferred) == DEFERRED
            if branch.decision.kind == DEFER and full:
                continue
            answers = answers_for(definition, cell, number)
            if answers is not None and (made := _made(definition, here, event.name, answers)) is not None:
                yield made


def _made(
    definition: Definition, here: _Situation, name: str, answers: Mapping[str, bool]
) -> tuple[Step, _Situation] | None:
    """The step, and where it leads; None where deferred events that come back make an end of it that is a refusal."""
    status: Status[Event] = Status(definition)
    status.state, status.entered = here.state, 1
    for each in here.deferred:
        status.post(Event(each))
        status.deferred.append(status.take())
    status.post(Event(name))
    asked = _Asked(answers)
    taken = []
    while status.inbox and status.ending is None:
        waiting = status.take()
        if status.deaf(waiting) is not None:
            continue
        event = waiting[2].name
        decision = decide(definition, status.state, event, asked)
        cell = definition.cells[status.state, event]
        number = next(number for number, branch in enumerate(cell) if branch.decision is decision)
        if decision.kind in (GO, DEFER):
            taken.append(Row(status.state, event, number))
        status.step(waiting, decision)
        if status.refused is not None:
            return None
        status.settle(float)
        while status.actions:
            status.acted(failed=False)
            status.settle(float)
    deadline = definition.events[name].timer is not None
    step = Step(name, dict(asked.given), tuple(taken), status.state, deadline)
    return step, _Situation(status.state, tuple(sorted(waiting[2].name for waiting in status.deferred)))


class _Asked(dict[str, bool]):
    """Answers of guards, no where none was chosen; `given` has those that were asked for."""

    def __init__(self, answers: Mapping[str, bool]) -> None:
        super().__init__(answers)
        self.given: dict[str, bool] = {}

    def __getitem__(self, name: str) -> bool:
        self.given[name] = self.get(name, False)
        return self.given[name]


def answers_for(definition: Definition, cell: Sequence[Branch], number: int) -> dict[str, bool] | None:
    """Answers of the guards of `cell` by which its branch `number` is taken; None if there are none."""

    def fits(answers: Mapping[str, bool]) -> bool:
        return not any(answers.get(a) is x and answers.get(b) is y for (a, x), (b, y) in definition.exclusions)

    def missing(answers: dict[str, bool], index: int) -> dict[str, bool] | None:
        """`answers` with more of them, so that no branch from `index` up to `number` is taken."""
        if index == number:
            return answers
        guards = cell[index].guards
        if any(answers.get(name, wanted) is not wanted for name, wanted in guards):
            return missing(answers, index + 1)
        for name, wanted in guards:
            if name not in answers and fits(more := {**answers, name: not wanted}):
                found = missing(more, index + 1)
                if found is not None:
                    return found
        return None

    def whole(answers: dict[str, bool], names: Sequence[str]) -> dict[str, bool] | None:
        """`answers` with one for each of `names`: no, where that fits."""
        if not names:
            return answers
        for value in (False, True):
            if fits(more := {**answers, names[0]: value}) and (found := whole(more, names[1:])) is not None:
                return found
        return None

    wanted = dict(cell[number].guards)
    if not fits(wanted):
        return None
    found = missing(wanted, 0)
    if found is None:
        return None
    names = {name for branch in cell for name, _ in branch.guards}
    return whole(found, sorted(names - found.keys()))

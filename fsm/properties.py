"""Tries everything that can happen to a machine against properties of yours, and finds a shortest run that breaks one.

What is tried, after each other: every event that a caller may post or an open source may tell; every deadline, in the
order in which those of a state are due; every answer of the guards that the definition allows; every action done, with
one of its events or none, or failed. What an action does is left out, and so is a guard that fails. Of one step, two
actions post at most. An event from outside comes when nothing waits in the inbox.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import cache
from itertools import combinations, product
from typing import Any, NamedTuple

import attrs

from .definition import BY_CALLER, DEFER, FAULT, GO, IMPOSSIBLE, REJECT, Definition
from .events import Event
from .misuse import expect
from .paths import answers_for
from .runtime import Refused, Runtime
from .step import Status, failure
from .tape import Tape

#: Situations, each with what the properties remember, that are looked at.
MOST = 200_000
#: Of one event this many are deferred at once, and of all events together this many wait.
SAME, WAITING = 1, 4
DONE, FAILED, SKIPPED = "done", "failed", "skipped"


class Result(NamedTuple):
    """How an action went: `done`, `failed` or `skipped`; and the event that it posted."""

    action: str
    result: str
    posted: str | None = None


@attrs.frozen
class Move:
    """One event that was delivered. `outside`: it came from a caller, a source or a deadline, not from an action.

    `kind` is the cell's: go, ignore, defer, reject, impossible. `outcome` is that of the machine when it ended by this.
    """

    state: str
    event: str
    answers: Mapping[str, bool]
    kind: str
    to: str
    results: tuple[Result, ...] = ()
    outcome: str | None = None
    outside: bool = True
    deadline: bool = False

    def __str__(self) -> str:
        said = [name if holds else f"not {name}" for name, holds in self.answers.items()]
        went = [f"{each.action} posts {each.posted}" for each in self.results if each.posted]
        went += [f"{each.action} fails" for each in self.results if each.result == FAILED]
        told = [f"[{', '.join(said)}]"] if said else []
        did = [f"({', '.join(went)})"] if went else []
        return " ".join([self.event, *told, *did, f"→ {self.to}"])


#: What it returned for the move before (None at first), and a move; raises AssertionError when that must not be. What
#: it returns is hashable.
Property = Callable[[Any, Move], Hashable]


@attrs.frozen
class Violation:
    """A property that does not hold, what it said, and a shortest run that shows it."""

    property: str
    reason: str
    start: str
    moves: tuple[Move, ...]

    def __str__(self) -> str:
        return f"{self.property}: {self.reason or 'it does not hold'}: {' '.join([self.start, *map(str, self.moves)])}"

    def tape(self, definition: Definition) -> list[str]:
        """The run as the lines of a tape: `scxlife replay` and `scxlife timeline` read it."""
        return list(_tape(definition, self.moves))


@attrs.frozen
class Explored:
    """How many situations and moves were tried, and for each property that does not hold, a violation. `complete`:
    there was nothing more to try."""

    situations: int
    moves: int
    violations: tuple[Violation, ...]
    complete: bool


class _Situation(NamedTuple):
    state: str
    #: Events in their order. A deadline never waits: it is delivered at once, and the loader lets none be deferred.
    inbox: tuple[str, ...]
    deferred: tuple[str, ...]
    #: Seconds until each deadline of the state, and its event.
    armed: tuple[tuple[float, str], ...]
    verdict: tuple[str, str] | None


_Key = tuple[_Situation, tuple[Hashable, ...]]


def explore(definition: Definition, properties: Mapping[str, Property], *, most: int = MOST) -> Explored:
    """Try everything, breadth first. A property that was broken once is not asked any more.

    Raises Misuse for a property that returns what can't be hashed.
    """
    expect(isinstance(definition, Definition), "explore() wants a Definition, as load() gives it", definition)
    walk = _Walk(definition)
    names = list(properties)
    broken: dict[str, Violation] = {}
    before: dict[_Key, tuple[_Key, Move] | None] = {}
    waiting: deque[_Key] = deque()
    tried, complete = 0, True
    for move, situation in walk.starts():
        key: _Key = (situation, tuple(None for _ in names))
        if key not in before:
            before[key] = (key, move) if move.results else None
            waiting.append(key)
    while waiting:
        key = waiting.popleft()
        situation, memories = key
        for move, after in walk.moves(situation):
            tried += 1
            remembered: list[Hashable] = []
            for name, memory in zip(names, memories, strict=True):
                if name not in broken:
                    try:
                        memory = properties[name](memory, move)
                    except AssertionError as error:
                        run = (*_run(before, key), move)
                        broken[name] = Violation(name, str(error).partition("\n")[0], definition.initial, run)
                expect(
                    _hashable(memory),
                    f"what property {name!r} returns is hashable",
                    memory,
                )
                remembered.append(None if name in broken else memory)
            there: _Key = (after, tuple(remembered))
            if there not in before:
                if len(before) >= most:
                    complete = False
                    continue
                before[there] = key, move
                waiting.append(there)
    return Explored(len(before), tried, tuple(broken.values()), complete)


def _hashable(memory: object) -> bool:
    try:
        hash(memory)
    except TypeError:
        return False
    return True


def _run(before: Mapping[_Key, tuple[_Key, Move] | None], key: _Key) -> list[Move]:
    moves = []
    while (came := before[key]) is not None:
        moves.append(came[1])
        if came[0] == key:
            break
        key = came[0]
    return moves[::-1]


class _Walk:
    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.plans = cache(self._plans)
        self.answers = cache(self._answers)

    def starts(self) -> Iterator[tuple[Move, _Situation]]:
        """The situations after the start: its entry actions may go in several ways."""
        initial = self.definition.initial
        for plan in self.plans(self.definition.states[initial].entry):
            status: Status[Event] = Status(self.definition)
            status.start()
            if self._perform(status, plan, 0.0):
                yield Move(initial, "", {}, GO, initial, plan), _situation(status, 0.0)

    def moves(self, here: _Situation) -> Iterator[tuple[Move, _Situation]]:
        """Each event that can be delivered next, and where it leads."""
        state = self.definition.states[here.state]
        if state.final is not None:
            return
        if here.inbox:
            yield from self._delivered(here, here.inbox[0], outside=False)
            return
        for name, event in self.definition.events.items():
            listed = event.source == BY_CALLER or event.source in state.sources
            if name == FAULT:
                listed = bool(state.sources)  # a source may fail
            if event.timer is None and listed:
                yield from self._delivered(here, name, outside=True)
        if here.armed:
            # Of those that are due together, the one that the inbox puts first.
            due = min(here.armed, key=lambda each: (each[0], self.definition.events[each[1]].rank, each[1]))
            yield from self._delivered(here, due[1], outside=True)

    def _delivered(self, here: _Situation, name: str, *, outside: bool) -> Iterator[tuple[Move, _Situation]]:
        cell = self.definition.cells[here.state, name]
        deadline = outside and self.definition.events[name].timer is not None
        for number, branch in enumerate(cell):
            decision = branch.decision
            answers = self.answers(here.state, name, number)
            refused = decision.kind in (REJECT, IMPOSSIBLE)
            # A refused event changes nothing. An event that is deferred twice takes no new path.
            if answers is None or (refused and outside and not deadline):
                continue
            if decision.kind == DEFER and here.deferred.count(name) >= SAME:
                continue
            for plan in self.plans(decision.actions if decision.kind == GO else ()):
                status = _status(self.definition, here)
                now = min(here.armed)[0] if deadline else 0.0
                if deadline:
                    status.armed.remove((now, name))
                if outside:
                    status.post(Event(name))
                waiting = status.take()
                if status.deaf(waiting) is not None:
                    yield from self.moves(_situation(status, now))
                    return
                status.step(waiting, decision, now)
                if not self._perform(status, plan, now) or len(status.inbox) > WAITING:
                    continue
                outcome = None if status.ending is None else status.ending[1]
                asked = {guard: answers[guard] for each in cell[: number + 1] for guard, _ in each.guards}
                move = Move(here.state, name, asked, decision.kind, status.state, plan, outcome, outside, deadline)
                yield move, _situation(status, now)

    def _perform(self, status: Status[Event], plan: tuple[Result, ...], now: float) -> bool:
        """Whether the machine survives it: without an event `fault`, a failure raises."""
        status.settle(lambda: now)
        for name, result, posted in plan:
            if posted is not None:
                status.post(Event(posted))
            if result == FAILED:
                if FAULT not in self.definition.events:
                    return False
                status.post(failure("action", name, "RuntimeError: it was to fail"))
            status.acted(failed=result == FAILED)
            status.settle(lambda: now)
        return True

    def _plans(self, actions: tuple[str, ...]) -> tuple[tuple[Result, ...], ...]:
        """How these actions may go, one after the other."""

        def posting(names: tuple[str, ...], most: int) -> Iterator[tuple[Result, ...]]:
            speaking = [index for index, name in enumerate(names) if self._posts(name)]
            for count in range(most + 1):
                for chosen in combinations(speaking, count):
                    for events in product(*(self._posts(names[index]) for index in chosen)):
                        said = dict(zip(chosen, events, strict=True))
                        yield tuple(Result(name, DONE, said.get(index)) for index, name in enumerate(names))

        found = list(posting(actions, 2))
        for index, name in enumerate(actions):
            rest = tuple(Result(later, SKIPPED) for later in actions[index + 1 :])
            found += [(*begun, Result(name, FAILED), *rest) for begun in posting(actions[:index], 1)]
        return tuple(found)

    def _posts(self, action: str) -> tuple[str, ...]:
        return tuple(event for event in self.definition.actions[action].posts if event != FAULT)

    def _answers(self, state: str, event: str, number: int) -> dict[str, bool] | None:
        return answers_for(self.definition, self.definition.cells[state, event], number)


def _status(definition: Definition, here: _Situation) -> Status[Event]:
    status: Status[Event] = Status(definition)
    status.state, status.entered = here.state, 1
    for name in here.deferred:
        status.post(Event(name))
        status.deferred.append(status.take())
    for name in here.inbox:
        status.post(Event(name))
    status.armed = list(here.armed)
    status.verdict = here.verdict
    return status


def _situation(status: Status[Event], now: float) -> _Situation:
    return _Situation(
        status.state,
        tuple(each[2].name for each in sorted(status.inbox, key=lambda each: each[:2])),
        tuple(each[2].name for each in status.deferred),
        tuple(sorted((round(due - now, 9), name) for due, name in status.armed)),
        status.verdict,
    )


def _tape(definition: Definition, moves: tuple[Move, ...]) -> list[str]:
    lines: list[str] = []
    now = 0.0
    plan: deque[Result] = deque()
    answers: Mapping[str, bool] = {}
    stepped = False

    def act(name: str) -> Callable[[Event], None]:
        def perform(_: Event) -> None:
            result = plan.popleft()
            assert result.action == name
            if result.posted is not None:
                runtime.post(Event(result.posted))
            if result.result == FAILED:
                raise RuntimeError("it was to fail")

        return perform

    def ask(name: str) -> Callable[[Event], bool]:
        return lambda _: answers.get(name, False)

    tape = Tape(definition, lambda: now, lines.append)

    def observe(record: Mapping[str, Any]) -> None:
        nonlocal stepped
        stepped = stepped or record["kind"] == "step"
        tape(record)

    runtime = Runtime(
        definition,
        actions={name: act(name) for name in definition.actions},
        guards={name: ask(name) for name in definition.guards},
        clock=lambda: now,
        observer=observe,
    )
    if moves and not moves[0].event:
        plan.extend(moves[0].results)
        moves = moves[1:]
    runtime.start()
    for move in moves:
        plan, answers = deque(move.results), move.answers
        if move.deadline:
            # None: it was due together with the one before, and waits already.
            if (due := runtime.next_deadline()) is not None:
                now = due
                runtime.expire(now)
        elif move.outside:
            runtime.post(Event(move.event))
        stepped = False
        while not stepped:
            try:
                if not runtime.deliver_one():
                    raise AssertionError(f"nothing is delivered for {move}")
            except Refused:
                break
    return lines

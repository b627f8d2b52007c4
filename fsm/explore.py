"""Walks every way through a table, with what actions may post and what was deferred along.

It finds what no single cell shows: an `impossible` cell that can be reached, a deferred event that is never taken,
actions that post one another's events for ever, and an end without the verdict it needs. What a source or a caller
may send is not the definition's to know: there `impossible` is the author's word, and is believed. So is what the
definition declares of its guards: opposites never give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import attrs

from .definition import BY_CALLER, DEFER, FAULT, GO, IMPOSSIBLE, VERDICT, Action, Branch, Cell, Event, State
from .findings import Findings
from .table import Row

# A machine of a thousand states without deferred events takes two thousand; more than this is not walked.
MAX_CONFIGURATIONS = 200_000
# Of one event this many are carried along at once.
SAME = 2
# Of the events that a run of actions may post, so many crowds are looked at; above it, each event alone.
MAX_CROWDS = 256


@attrs.frozen(cache_hash=True, repr=False)
class Configuration:
    """Where a run can stand between two events. `pending` holds what actions posted, `returned` deferred events
    that came back (each with the state that deferred it), `deferred` those that are still kept."""

    state: str
    pending: tuple[str, ...] = ()
    returned: frozenset[tuple[str, str]] = frozenset()
    deferred: frozenset[tuple[str, str]] = frozenset()
    noted: bool = False


class _Step(NamedTuple):
    """An event on its way to a cell: the state that deferred it, if one did, and what is left when it is taken."""

    event: str
    origin: str
    rest: Configuration


class Exploration:
    """The walk and what it found. `complete` is false when there was more to walk than `MAX_CONFIGURATIONS`."""

    def __init__(
        self,
        initial: str,
        states: Mapping[str, State],
        events: Mapping[str, Event],
        actions: Mapping[str, Action],
        cells: Mapping[tuple[str, str], Cell],
    ) -> None:
        self.states, self.events, self.actions, self.cells = states, events, actions, cells
        self.came_from: dict[Configuration, tuple[Configuration, str] | None] = {}
        self.impossible: dict[tuple[str, str], Configuration] = {}
        self.without_verdict: dict[str, Configuration] = {}
        self.deferring: set[tuple[str, str]] = set()
        self.consumed: set[tuple[str, str]] = set()
        self.again: set[tuple[tuple[str, str], tuple[str, str]]] = set()
        self.at_once: dict[Configuration, list[tuple[Configuration, str]]] = {}
        self.complete = True
        self._sources = {name for state in states.values() for name in state.sources}
        self._outside = {name: tuple(self._outside_events(state)) for name, state in states.items()}
        self._postings: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {}
        # Events that come for certain when their action runs: it lists no other.
        self._certain = {action.posts[0] for action in actions.values() if len(action.posts) == 1} - {
            event for action in actions.values() if len(action.posts) > 1 for event in action.posts
        }
        self._walk(initial)

    # -- the walk ----------------------------------------------------------------------------------------------

    def _walk(self, initial: str) -> None:
        waiting: list[Configuration] = []

        def visit(configuration: Configuration, before: tuple[Configuration, str] | None) -> None:
            if configuration not in self.came_from:
                self.came_from[configuration] = before
                waiting.append(configuration)

        for posted in self._posted(self.states[initial].entry):
            visit(Configuration(initial, posted), None)
        # Breadth first, so that the way to each finding is a shortest one.
        for configuration in waiting:
            if len(self.came_from) > MAX_CONFIGURATIONS:
                self.complete = False
                return
            state = self.states[configuration.state]
            if state.final is not None:
                if state.final == VERDICT and not configuration.noted:
                    self.without_verdict.setdefault(state.name, configuration)
                continue
            for step in self._steps(configuration):
                for after in self._after(configuration, step):
                    visit(after, (configuration, step.event))

    def _outside_events(self, state: State) -> Iterator[str]:
        """Events from outside that change anything, or must not come, in this state."""
        for name, event in self.events.items():
            if event.timer is not None:
                comes = name in state.deadlines
            elif name == FAULT:
                comes = bool(state.sources)  # a source that fails is a fault of the state that listens to it
            else:
                comes = event.source == BY_CALLER or event.source in state.sources
            if comes and any(
                branch.decision.kind in (GO, DEFER)
                or (branch.decision.kind == IMPOSSIBLE and (event.timer is not None or name == FAULT))
                for branch in self.cells[state.name, name]
            ):
                yield name

    def _steps(self, at: Configuration) -> Iterator[_Step]:
        """What can be delivered next: what waits, by rank, and what may come from outside before it."""
        ranks = [self.events[name].rank for name in at.pending]
        ranks += [self.events[name].rank for name, _ in at.returned]
        first = min(ranks, default=None)
        for name in dict.fromkeys(at.pending):
            if self.events[name].rank == first:
                yield _Step(name, "", attrs.evolve(at, pending=_without(at.pending, name)))
        for name, origin in at.returned:
            if self.events[name].rank == first:
                yield _Step(name, origin, attrs.evolve(at, returned=at.returned - {(name, origin)}))
        for name in self._outside[at.state]:
            if first is None or self.events[name].rank <= first:
                yield _Step(name, "", at)

    def _after(self, at: Configuration, step: _Step) -> Iterator[Configuration]:
        """Where the event leads, by each branch of its cell."""
        event, state = self.events[step.event], self.states[at.state]
        waited = len(step.rest.pending) < len(at.pending)
        if step.origin and not self._returns(state, event):
            yield step.rest  # dropped: its deadline or its source went with the state
            return
        cell = self.cells[at.state, step.event]
        if FAULT in self.events and any(branch.guards for branch in cell) and FAULT not in step.rest.pending:
            # A guard that fails does not hold, and says so.
            faulty = attrs.evolve(step.rest, pending=_sorted(step.rest.pending, (FAULT,)))
            yield from self._after(at, step._replace(rest=faulty))
        for branch in cell:
            kind = branch.decision.kind
            if kind == GO:
                if step.origin:
                    self.consumed.add((step.origin, step.event))
                for after in self._gone(step.rest, branch):
                    if waited and step.event in self._certain and len(cell) == 1:
                        self.at_once.setdefault(at, []).append((after, step.event))
                    yield after
            elif kind == DEFER:
                self.deferring.add((at.state, step.event))
                if step.origin:
                    self.again.add(((step.origin, step.event), (at.state, step.event)))
                # One at a time is carried along: each deferred event is looked at, not each crowd of them.
                if not step.rest.deferred and not step.rest.returned:
                    yield attrs.evolve(step.rest, deferred=step.rest.deferred | {(step.event, at.state)})
            else:
                if kind == IMPOSSIBLE and (waited or event.timer is not None or step.event == FAULT or step.origin):
                    self.impossible.setdefault((at.state, step.event), at)
                elif step.origin and kind not in (IMPOSSIBLE, "ignore"):
                    self.consumed.add((step.origin, step.event))
                if step.rest is not at:
                    yield step.rest

    def _returns(self, state: State, event: Event) -> bool:
        """Whether a deferred event still counts when it comes back: not a deadline, nor one of a closed source."""
        return event.timer is None and (event.source not in self._sources or event.source in state.sources)

    def _gone(self, rest: Configuration, branch: Branch) -> Iterator[Configuration]:
        decision = branch.decision
        noted = rest.noted or decision.verdict is not None
        for posted in self._posted(decision.actions):
            if decision.internal:
                yield attrs.evolve(rest, pending=_sorted(rest.pending, posted), noted=noted)
            else:
                returned = rest.returned | rest.deferred
                yield Configuration(decision.target, _sorted(rest.pending, posted), returned, frozenset(), noted)

    def _posted(self, actions: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """What a run of these actions may leave in the inbox: each posts one of its events or none, and the rest is
        not run when it fails."""
        known = self._postings.get(actions)
        if known is None:
            found: dict[tuple[str, ...], None] = {}
            so_far: dict[tuple[str, ...], None] = {(): None}
            for name in actions:
                each: Iterable[tuple[str, ...]] = [(event,) for event in self.actions[name].posts]
                crowds = {_sorted(posted, more): None for posted in so_far for more in each}
                if FAULT in self.events:
                    found.update((_sorted(posted, (FAULT,)), None) for posted in (*so_far, *crowds))
                so_far |= crowds if len(crowds) + len(so_far) <= MAX_CROWDS else dict.fromkeys(each)
            known = self._postings[actions] = (*so_far, *found)
        return known

    # -- for a person ------------------------------------------------------------------------------------------

    def way(self, configuration: Configuration) -> str:
        """The shortest way to a configuration: `dark —press→ lit —out→ dark`."""
        steps: list[tuple[str, str]] = []
        at = configuration
        while (before := self.came_from[at]) is not None:
            if before[0].state != at.state:
                steps.append((before[1], at.state))
            at = before[0]
        return at.state + "".join(f" —{event}→ {state}" for event, state in reversed(steps))


def _sorted(some: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Both together, in an order of their own; of one event at most as many as make a difference."""
    both = sorted((*some, *more))
    return tuple(name for index, name in enumerate(both) if both[max(0, index - SAME) : index].count(name) < SAME)


def _without(some: tuple[str, ...], name: str) -> tuple[str, ...]:
    at = some.index(name)
    return (*some[:at], *some[at + 1 :])


def check_exploration(
    exploration: Exploration, origins: Mapping[tuple[str, str], tuple[Row | None, ...]], findings: Findings
) -> None:
    """Report what the walk found, each at the row that is contradicted."""
    cells = exploration.cells

    def place(key: tuple[str, str], kind: str) -> tuple[str | int, ...]:
        for branch, row in zip(cells[key], origins[key], strict=True):
            if branch.decision.kind == kind and row is not None:
                return row.path
        return ("states", key[0])

    for key, at in exploration.impossible.items():
        text = f"{key[0]} × {key[1]} is called impossible, and can come: {exploration.way(at)}, then {key[1]}"
        findings.add(place(key, IMPOSSIBLE), "impossible-reached", text)
    if exploration.complete:
        for key in sorted(exploration.deferring - _consumed(exploration)):
            text = f"{key[1]} deferred in {key[0]} is taken by no state that follows; ignore it, or handle it later"
            findings.add(place(key, DEFER), "never-consumed", text)
    for states, events in _cycles(exploration):
        circle = " ".join(f"{state} —{event}→" for state, event in zip(states, events, strict=True))
        text = f"what actions post leads round for ever: {circle} {states[0]}; wait in a state, or ask a guard"
        findings.add(place((states[0], events[0]), GO), "immediate-cycle", text)
    for state, at in exploration.without_verdict.items():
        text = f"{state!r} ends with the last verdict, and none was noted on the way {exploration.way(at)}"
        findings.add(("states", state, "final"), "no-verdict", text)


def _consumed(exploration: Exploration) -> set[tuple[str, str]]:
    """The deferring cells whose event is taken in the end, also where a later state deferred it again."""
    consumed = set(exploration.consumed)
    while more := {first for first, then in exploration.again if then in consumed} - consumed:
        consumed |= more
    return consumed


def _cycles(exploration: Exploration) -> Iterator[tuple[list[str], list[str]]]:
    """Each circle of configurations that goes on by posted events alone, as its states and events in order."""
    edges = exploration.at_once
    done: set[Configuration] = set()
    told: set[frozenset[str]] = set()
    for start in edges:
        path: list[tuple[Configuration, str]] = []
        on_path: dict[Configuration, int] = {}
        stack: list[tuple[Configuration, str, int]] = [(start, "", 0)]
        while stack:
            at, by, depth = stack.pop()
            for left, _ in path[depth:]:
                on_path.pop(left, None)
                done.add(left)
            del path[depth:]
            if at in on_path:
                circle = path[on_path[at] :]
                states = [configuration.state for configuration, _ in circle]
                events = [event for _, event in circle[1:]] + [by]
                if frozenset(states) not in told:
                    told.add(frozenset(states))
                    yield states, events
                continue
            if at in done:
                continue
            on_path[at] = len(path)
            path.append((at, by))
            stack.extend((after, event, len(path)) for after, event in edges.get(at, ()))
        done.update(configuration for configuration, _ in path)

"""A tape fed back through its definition: is each record what the definition says comes next?

Three things are taken from the tape, because only the run could know them: which events came and when, what the
guards answered, which actions failed. Everything else follows from the definition. So a replay keeps an account of
its own, with the state, the inbox, what is deferred and the armed deadlines, and holds each record against it; the
first that is another is told, and nothing behind it is believed.

`runtime` is the truth for the order of records, and none of its code runs here: a replay that shared it would agree
with its mistakes.
"""

from __future__ import annotations

import heapq
import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .decision import decide, stays_deferred
from .definition import DEFER, FAULT, GO, IMPOSSIBLE, REJECT, VERDICT, Decision, Definition
from .snapshot import SnapshotError, Waiting, from_data
from .tape_reader import MOST_BYTES, Header, NotATape, TapeReader

#: Why an event was dropped.
LEFT, CLOSED = "its state has been left", "its source was closed meanwhile"

_ABSENT = object()


@attrs.frozen
class Difference:
    """The first record that is not what the definition says. `line` counts from 1 and `record` is its text; `field`
    is what differs in it; `tape` and `definition` say in words what each of them has there."""

    line: int
    field: str
    tape: str
    definition: str
    record: str

    def __str__(self) -> str:
        return f"{self.field}: the tape has {self.tape}, the definition says {self.definition}"


@attrs.frozen
class Replay:
    """What came of a replay: records read, steps among them that were right, the state and the outcome reached.

    `complete` is true for a tape that is the same up to its `end` and behind it; `missing` says what another lacks.
    """

    lines: int
    steps: int
    state: str
    outcome: str | None
    difference: Difference | None
    complete: bool
    missing: str = ""


def replay(definition: Definition, tape: TapeReader) -> Replay:
    """Hold each record of `tape` against `definition`, up to the first that differs.

    The settings are the tape's own. Raises NotATape where a line is no record at all.
    """
    account = _Account(definition)
    difference: Difference | None = None
    try:
        account.header(tape.first, tape.header)
        for record in tape:
            account.feed(record, tape.line)
    except _Differs as found:
        difference = Difference(tape.line, found.field, found.tape, found.expected, tape.text)
    except RecursionError:
        raise NotATape(tape.line, "it is nested too deeply") from None
    missing = "" if difference is not None else account.missing(tape.missing)
    complete = difference is None and not missing
    return Replay(tape.line, account.steps, account.state, account.outcome, difference, complete, missing)


class _Differs(Exception):
    def __init__(self, field: str, tape: str, expected: str) -> None:
        self.field, self.tape, self.expected = field, tape, expected
        super().__init__(field)


@attrs.frozen(order=True)
class _Waiting:
    """An event in the inbox, with the line it came in on, and its cause and data as JSON. `entered` counts the states
    that had been entered by then: a deadline belongs to the last of them."""

    rank: int
    order: int
    name: str = attrs.field(order=False)
    line: int = attrs.field(order=False)
    cause: str = attrs.field(order=False)
    data: str = attrs.field(order=False)
    entered: int = attrs.field(order=False)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return 400 + len(self.cause) + len(self.data)


class _Guards(dict[str, bool]):
    """The answers of the guards that stand on the tape; `asked` gathers those that `decide` looked up."""

    def __init__(self, answers: Mapping[str, bool]) -> None:
        super().__init__(answers)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> bool:
        self.asked.add(name)
        return super().__getitem__(name)


class _Account:
    """The run as the definition has it, up to the record that was fed last."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.state = definition.initial
        self.outcome: str | None = None
        self.steps = 0
        self._seq = 0
        self._t = -math.inf
        self._line = 1
        self._started = False
        self._inbox: list[_Waiting] = []
        self._deferred: list[_Waiting] = []
        # Up to version 1 of the tape everything that was deferred came back.
        self._kept_deferred = True
        self._order = 0
        self._held = 0
        # Armed deadlines with their duration, and a moment at or before the one in which they were armed.
        self._armed: dict[str, float] = {}
        self._armed_after = 0.0
        self._entered = 0
        # What is still to come of the step before: its actions, the fault of a failed one, the arrival, the end.
        # Guards that did not hold may have failed: that is told right behind their step.
        self._unheld: set[str] = set()
        self._actions: deque[str] = deque()
        self._failed = False
        self._fault: Mapping[str, str] | None = None
        self._moving: tuple[str, str] | None = None
        self._end: tuple[str, str, str] | None = None
        self._verdict: tuple[str, str] | None = None
        self._refused: Decision | None = None
        self._kinds: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "start": self._start,
            "restore": self._restore,
            "guard": self._guard,
            "event": self._event,
            "step": self._step,
            "action": self._action,
            "drop": self._drop,
            "end": self._ending,
        }

    def header(self, record: Mapping[str, Any], header: Header) -> None:
        """The header is of this machine, and its settings are ones that it can run with."""
        definition = self.definition
        self._count(record)
        self._kept_deferred = header.version > 1
        _want(record, "machine", definition.name)
        _want(record, "definition", definition.version)
        names, declared = header.settings.keys(), definition.settings.keys()
        if names != declared:
            raise _Differs("settings", _shown(sorted(names)), _shown(sorted(declared)))
        for name, value in header.settings.items():
            if isinstance(value, (dict, list)):
                raise _Differs(f"setting {name}", _shown(value), "a plain value")
        for event in definition.events.values():
            duration = header.settings[event.timer] if event.timer is not None else None
            if duration is not None and _number(duration) is None:
                raise _Differs(f"setting {event.timer}", _shown(duration), "seconds, or null for never")
        self.definition = attrs.evolve(definition, settings=header.settings)

    def feed(self, record: Mapping[str, Any], line: int) -> None:
        """Go on by one record."""
        self._line = line
        self._count(record)
        kind = record.get("kind", _ABSENT)
        # A dot marks what a layer above the engine wrote: it has a number and a time, the rest is not ours to judge.
        if isinstance(kind, str) and "." in kind:
            return
        allowed, expected = self._next()
        if not isinstance(kind, str) or kind not in allowed:
            raise _Differs("kind", _shown(kind), expected)
        if kind != "guard" and self._fault is None:
            self._unheld = set()
            self._refused = None
        self._kinds[kind](record)
        self._settle()

    def missing(self, cut: str) -> str:
        """What a tape lacks that ends here; nothing when it is whole."""
        if cut:
            return cut
        if self.outcome is not None:
            return ""
        if self._refused is not None:
            decision, verb = self._refused, "rejects" if self._refused.kind == REJECT else "holds impossible"
            said = f"event {decision.event}, which state {decision.state} {verb}: {decision.reason}"
            return f"no end: the machine stopped at {said}"
        return f"no end: the next would be {self._next()[1]}"

    # -- what may come -----------------------------------------------------------------------------------------

    def _next(self) -> tuple[tuple[str, ...], str]:
        """The kinds that the next record may have, and the same in words."""
        if not self._started:
            return ("start", "restore"), "start or restore"
        if self._fault is not None:
            kind, name = next(iter(self._fault.items()))
            return ("event",), f"event {FAULT}, for {kind} {name} failed"
        allowed, expected = self._goes_on()
        return ((*allowed, "guard") if self._unheld else allowed), expected

    def _goes_on(self) -> tuple[tuple[str, ...], str]:
        if self._actions:
            return ("event", "action"), f"action {self._actions[0]}, or an event that it posts"
        if self._end is not None:
            return ("end",), "end"
        if self.outcome is not None:
            return ("event",), "an event that nobody hears any more, or nothing"
        if not self._inbox:
            return ("event",), "an event"
        first = self._inbox[0]
        kind = "step" if self._deaf(first) is None else "drop"
        if kind == "step" and self._may_fail(first):
            return ("event", "step", "drop"), f"step of {first.name} (line {first.line}), or an event"
        return ("event", kind), f"{kind} of {first.name} (line {first.line}), or an event"

    def _count(self, record: Mapping[str, Any]) -> None:
        _want(record, "seq", self._seq)
        self._seq += 1
        t = _number(record.get("t"))
        if t is None:
            raise _Differs("t", _shown(record.get("t", _ABSENT)), "seconds")
        if t < self._t:
            raise _Differs("t", _shown(t), f"that time does not go back behind {_shown(self._t)}")
        self._t = t

    # -- one method for each kind of record --------------------------------------------------------------------

    def _start(self, record: Mapping[str, Any]) -> None:
        _want(record, "state", self.state)
        _want(record, "machine", self.definition.name)
        _want(record, "version", self.definition.version)
        self._started = True
        self._actions.extend(self.definition.states[self.state].entry)
        self._moving = (self.state, self.state)

    def _restore(self, record: Mapping[str, Any]) -> None:
        elapsed = _number(record.get("elapsed"))
        if elapsed is None:
            raise _Differs("elapsed", _shown(record.get("elapsed", _ABSENT)), "seconds")
        try:
            snapshot = from_data(record.get("snapshot"), self.definition)
        except SnapshotError as error:
            raise _Differs("snapshot", "another", str(error)) from None
        self._started = True
        self.state, self._entered, self._order = snapshot.state, snapshot.entered, snapshot.order
        self._inbox = [self._kept(waiting) for waiting in snapshot.inbox]
        heapq.heapify(self._inbox)
        self._deferred = [self._kept(waiting) for waiting in snapshot.deferred]
        self._armed = {name: left - elapsed for left, name in snapshot.deadlines}
        self._armed_after = self._t
        self._verdict = snapshot.verdict
        if snapshot.ending is not None:
            self.outcome = snapshot.ending[1]

    def _kept(self, waiting: Waiting) -> _Waiting:
        event = waiting.event
        cause, data = _written(event.cause), _written(dict(event.data))
        return _Waiting(waiting.rank, waiting.order, event.name, self._line, cause, data, waiting.entry)

    def _guard(self, record: Mapping[str, Any]) -> None:
        """A guard of the step before failed: it did not hold, and its `fault` follows."""
        name, error = record.get("name", _ABSENT), record.get("error", _ABSENT)
        if name not in self._unheld:
            raise _Differs("name", _shown(name), f"one of {_shown(sorted(self._unheld))}, which did not hold")
        _want(record, "result", "failed")
        if not isinstance(error, str):
            raise _Differs("error", _shown(error), "the text of what failed")
        self._unheld.remove(str(name))
        self._fault = {"guard": str(name), "error": error}

    def _event(self, record: Mapping[str, Any]) -> None:
        name, data = record.get("event", _ABSENT), record.get("data", _ABSENT)
        cause = record.get("cause", _ABSENT)
        if not isinstance(name, str) or name not in self.definition.events:
            raise _Differs("event", _shown(name), "an event that it declares")
        event = self.definition.events[name]
        _want(record, "rank", event.rank)
        if not isinstance(cause, str):
            raise _Differs("cause", _shown(cause), "a text")
        if not isinstance(data, dict):
            raise _Differs("data", _shown(data), "a mapping")
        if self._fault is not None:
            _want(record, "event", FAULT)
            kind, failed = next(iter(self._fault.items()))
            _want(record, "cause", f"{kind} {failed} failed")
            _want(record, "data", self._fault)
            self._fault = None
        if event.timer is not None:
            self._expired(name)
        self._order += 1
        waiting = _Waiting(event.rank, self._order, name, self._line, _written(cause), _written(data), self._entered)
        self._held += waiting.size
        if self._held > MOST_BYTES:
            raise NotATape(self._line, f"more than {MOST_BYTES >> 20} MiB of events wait")
        heapq.heappush(self._inbox, waiting)

    def _expired(self, name: str) -> None:
        """A deadline is over: it was armed, is due, and no other one was due before it."""
        duration = self._armed.pop(name, None)
        if duration is None:
            raise _Differs("event", _shown(name), f"that no such deadline is armed in state {self.state}")
        due = self._armed_after + duration
        if self._t < due:
            raise _Differs("t", _shown(self._t), f"that {name} is not due before {_shown(due)}")
        # Two durations that are nearer than a float can tell at this moment may end together, in order of name.
        near = math.ulp(self._t)
        for other, length in self._armed.items():
            if length < duration - near or (length <= duration and other < name):
                raise _Differs("event", _shown(name), f"that {other} is due before it")

    def _step(self, record: Mapping[str, Any]) -> None:
        waiting = self._taken()
        self._first(record, waiting)
        decision = self._decided(record, waiting.name)
        _want(record, "cell", decision.kind)
        _want(record, "to", decision.target)
        _want(record, "do", decision.actions)
        _want(record, "verdict", decision.verdict)
        _want(record, "because", decision.reason)
        for field, came in (("cause", waiting.cause), ("data", waiting.data)):
            found = record.get(field, _ABSENT)
            if found is _ABSENT or _written(found) != came:
                raise _Differs(field, _shown(found), f"{_cut(came)}, as it came on line {waiting.line}")
        self.steps += 1
        if decision.verdict is not None:
            self._verdict = (decision.verdict, decision.state)
        self._failed = False
        if decision.again:
            duration = self.definition.settings[self.definition.events[decision.event].timer or ""]
            # A moment at or before the one in which it was armed, as for the others: all are reckoned from there.
            self._armed[decision.event] = self._t - self._armed_after + float(duration or 0.0)
        if decision.kind == GO:
            self._actions.extend(decision.actions)
            if not decision.internal:
                self._moving = (decision.state, decision.target)
        elif decision.kind == DEFER:
            self._deferred.append(waiting)
            self._held += waiting.size
        elif decision.kind in (REJECT, IMPOSSIBLE):
            self._refused = decision

    def _decided(self, record: Mapping[str, Any], event: str) -> Decision:
        answers = record.get("guards", _ABSENT)
        if not isinstance(answers, dict) or not all(type(answer) is bool for answer in answers.values()):
            raise _Differs("guards", _shown(answers), "a mapping of names to true or false")
        guards = _Guards(answers)
        try:
            decision = decide(self.definition, self.state, event, guards)
        except KeyError as error:
            raise _Differs("guards", _shown(answers), f"that {error.args[0]} is asked as well") from None
        idle = sorted(answers.keys() - guards.asked)
        if idle:
            raise _Differs("guards", _shown(answers), f"that {', '.join(map(_shown, idle))} is never asked")
        self._unheld = {name for name, answer in answers.items() if not answer}
        return decision

    def _taken(self) -> _Waiting:
        waiting = heapq.heappop(self._inbox)
        self._held -= waiting.size
        return waiting

    def _drop(self, record: Mapping[str, Any]) -> None:
        waiting = self._taken()
        because = self._deaf(waiting)
        self._first(record, waiting)
        if because is None:
            failed = [f"guard {name} failed" for name in self._may_fail(waiting)]
            if record.get("because") not in failed:
                raise _Differs("because", _shown(record.get("because", _ABSENT)), " or ".join(map(_shown, failed)))
            return
        _want(record, "because", because)

    def _first(self, record: Mapping[str, Any], waiting: _Waiting) -> None:
        found = record.get("event", _ABSENT)
        if found != waiting.name:
            raise _Differs("event", _shown(found), f"{waiting.name}, of rank {waiting.rank} since line {waiting.line}")
        _want(record, "state", self.state)

    def _deaf(self, waiting: _Waiting) -> str | None:
        """Why the present state does not hear the event any more, or None when it does."""
        event = self.definition.events[waiting.name]
        if event.timer is not None and waiting.entered != self._entered:
            return LEFT
        declared = event.source is not None and event.source in self.definition.sources
        if declared and event.source not in self.definition.states[self.state].sources:
            return CLOSED
        return None

    def _may_fail(self, waiting: _Waiting) -> tuple[str, ...]:
        """The guards of the event's cell, where a guard that fails is no `fault` because none is declared."""
        if FAULT in self.definition.events:
            return ()
        cell = self.definition.cells[self.state, waiting.name]
        return tuple(name for branch in cell for name, _ in branch.guards)

    def _action(self, record: Mapping[str, Any]) -> None:
        name, result = self._actions.popleft(), record.get("result", _ABSENT)
        _want(record, "name", name)
        if result != "failed" and "error" in record:
            raise _Differs("error", _shown(record["error"]), "that only a failed action has one")
        if self._failed:
            _want(record, "result", "skipped")
        elif result == "failed":
            error = record.get("error", _ABSENT)
            if not isinstance(error, str):
                raise _Differs("error", _shown(error), "the text of what failed")
            self._failed = True
            self._fault = {"action": name, "error": error}
        elif result != "done":
            raise _Differs("result", _shown(result), f"that action {name} is done or failed")

    def _ending(self, record: Mapping[str, Any]) -> None:
        assert self._end is not None
        for field, expected in zip(("state", "outcome", "noted_in"), self._end, strict=True):
            _want(record, field, expected)
        self.outcome = self._end[1]
        self._end = None

    # -- what follows without a record -------------------------------------------------------------------------

    def _settle(self) -> None:
        """Arrive, once the last action of a step is done with: deadlines are armed, what was deferred comes back
        unless it would only be deferred again."""
        if self._moving is None or self._actions or self._fault is not None:
            return
        (came_from, self.state), self._moving = self._moving, None
        self._entered += 1
        state = self.definition.states[self.state]
        self._armed = {}
        for name in state.deadlines:
            duration = self.definition.settings[self.definition.events[name].timer or ""]
            if duration is not None:
                self._armed[name] = float(duration)
        self._armed_after = self._t
        deferred, self._deferred = self._deferred, []
        for waiting in deferred:
            if self._kept_deferred and stays_deferred(self.definition, self.state, waiting.name):
                self._deferred.append(waiting)
            else:
                heapq.heappush(self._inbox, waiting)
        if state.final is not None:
            outcome, noted_in = state.final, came_from
            if state.final == VERDICT and self._verdict is not None:
                outcome, noted_in = self._verdict
            self._end = (self.state, outcome, noted_in)


def _want(record: Mapping[str, Any], field: str, expected: object) -> None:
    """That `record` has `expected` as its `field`, to the type: for JSON, `true` is not 1 and 1 is not 1.0."""
    found = record.get(field, _ABSENT)
    if found is _ABSENT or _written(found) != _written(expected):
        raise _Differs(field, _shown(found), _shown(expected))


_written = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


def _shown(value: object) -> str:
    return "nothing" if value is _ABSENT else _cut(_written(value))


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def _number(value: object) -> float | None:
    """`value` as a float when it is a finite number of JSON, otherwise None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

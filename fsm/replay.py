"""A tape fed back through its definition: is each record what the definition says comes next?

Three things are taken from the tape, because only the run could know them: which events came and when, what the
guards answered, which actions failed. Everything else follows from the definition: `decide` chooses the branch, and
`step` has what comes of it, as for the runtime. So a replay keeps a `Status` of its own and holds each record against
it; the first that is another is told, and nothing behind it is believed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .decision import decide
from .definition import DEFER, FAULT, REJECT, Decision, Definition
from .events import Event
from .snapshot import SnapshotError, from_data
from .step import Status, Waiting, failure
from .tape_reader import MOST_BYTES, Header, NotATape, TapeReader

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


@attrs.frozen
class _Letter:
    """An event with the line it came in on, and its cause and data as JSON."""

    name: str
    line: int
    cause: str
    data: str

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
        self.steps = 0
        self._status: Status[_Letter] = Status(definition)
        self._seq = 0
        self._t = -math.inf
        self._line = 1
        self._started = False
        self._held = 0
        # Guards that did not hold may have failed: that is told right behind their step.
        self._unheld: set[str] = set()
        # What has failed, until its event has come; whether the record of the end is still to come.
        self._fault: Event | None = None
        self._ends = False
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

    @property
    def state(self) -> str:
        return self._status.state

    @property
    def outcome(self) -> str | None:
        ending = self._status.ending
        return None if ending is None or self._ends else ending[1]

    def header(self, record: Mapping[str, Any], header: Header) -> None:
        """The header is of this machine, and its settings are ones that it can run with."""
        definition = self.definition
        self._count(record)
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
        self._status = Status(self.definition)
        if header.version == 1:
            # Then everything that was deferred came back.
            self._status.staying = dict.fromkeys(definition.states, frozenset())

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
            self._status.refused = None
        self._kinds[kind](record)
        self._settle()

    def missing(self, cut: str) -> str:
        """What a tape lacks that ends here; nothing when it is whole."""
        if cut:
            return cut
        if self.outcome is not None:
            return ""
        decision = self._status.refused
        if decision is not None:
            verb = "rejects" if decision.kind == REJECT else "holds impossible"
            said = f"event {decision.event}, which state {decision.state} {verb}: {decision.reason}"
            return f"no end: the machine stopped at {said}"
        return f"no end: the next would be {self._next()[1]}"

    # -- what may come -----------------------------------------------------------------------------------------

    def _next(self) -> tuple[tuple[str, ...], str]:
        """The kinds that the next record may have, and the same in words."""
        if not self._started:
            return ("start", "restore"), "start or restore"
        if self._fault is not None:
            return ("event",), f"event {FAULT}, for {self._fault.cause}"
        allowed, expected = self._goes_on()
        return ((*allowed, "guard") if self._unheld else allowed), expected

    def _goes_on(self) -> tuple[tuple[str, ...], str]:
        if self._status.actions:
            return ("event", "action"), f"action {self._status.actions[0]}, or an event that it posts"
        if self._ends:
            return ("end",), "end"
        if self.outcome is not None:
            return ("event",), "an event that nobody hears any more, or nothing"
        if not self._status.inbox:
            return ("event",), "an event"
        _, _, first, _ = waiting = self._status.first
        kind = "step" if self._status.deaf(waiting) is None else "drop"
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
        self._status.start()

    def _restore(self, record: Mapping[str, Any]) -> None:
        elapsed = _number(record.get("elapsed"))
        if elapsed is None:
            raise _Differs("elapsed", _shown(record.get("elapsed", _ABSENT)), "seconds")
        try:
            snapshot = from_data(record.get("snapshot"), self.definition)
        except SnapshotError as error:
            raise _Differs("snapshot", "another", str(error)) from None
        self._started = True
        kept = [each.event for each in (*snapshot.inbox, *snapshot.deferred)]
        letters = [_Letter(e.name, self._line, _written(e.cause), _written(dict(e.data))) for e in kept]
        self._status.restore(snapshot, letters, self._t, elapsed)

    def _guard(self, record: Mapping[str, Any]) -> None:
        """A guard of the step before failed: it did not hold, and its `fault` follows."""
        name, error = record.get("name", _ABSENT), record.get("error", _ABSENT)
        if name not in self._unheld:
            raise _Differs("name", _shown(name), f"one of {_shown(sorted(self._unheld))}, which did not hold")
        _want(record, "result", "failed")
        if not isinstance(error, str):
            raise _Differs("error", _shown(error), "the text of what failed")
        self._unheld.remove(str(name))
        self._fault = failure("guard", str(name), error)

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
            _want(record, "event", self._fault.name)
            _want(record, "cause", self._fault.cause)
            _want(record, "data", self._fault.data)
            self._fault = None
        if event.timer is not None:
            self._expired(name)
        letter = _Letter(name, self._line, _written(cause), _written(data))
        self._held += letter.size
        if self._held > MOST_BYTES:
            raise NotATape(self._line, f"more than {MOST_BYTES >> 20} MiB of events wait")
        self._status.post(letter)

    def _expired(self, name: str) -> None:
        """A deadline is over: it was armed, is due, and no other one was due before it."""
        armed = self._status.armed
        due = next((at for at, other in armed if other == name), None)
        if due is None:
            raise _Differs("event", _shown(name), f"that no such deadline is armed in state {self.state}")
        if self._t < due:
            raise _Differs("t", _shown(self._t), f"that {name} is not due before {_shown(due)}")
        armed.remove((due, name))
        # Two durations that are nearer than a float can tell at this moment may end together, in order of name. They
        # are reckoned from another moment than in the run, which may round each to the other side.
        near = 2 * math.ulp(self._t)
        for at, other in armed:
            if at < due - near or (at <= due and other < name):
                raise _Differs("event", _shown(name), f"that {other} is due before it")

    def _step(self, record: Mapping[str, Any]) -> None:
        waiting = self._taken()
        letter = waiting[2]
        self._first(record, waiting)
        decision = self._decided(record, letter.name)
        _want(record, "cell", decision.kind)
        _want(record, "to", decision.target)
        _want(record, "do", decision.actions)
        _want(record, "verdict", decision.verdict)
        _want(record, "because", decision.reason)
        for field, came in (("cause", letter.cause), ("data", letter.data)):
            found = record.get(field, _ABSENT)
            if found is _ABSENT or _written(found) != came:
                raise _Differs(field, _shown(found), f"{_cut(came)}, as it came on line {letter.line}")
        self.steps += 1
        if decision.kind == DEFER:
            self._held += letter.size
        self._status.step(waiting, decision, self._t)

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

    def _taken(self) -> Waiting[_Letter]:
        waiting = self._status.take()
        self._held -= waiting[2].size
        return waiting

    def _drop(self, record: Mapping[str, Any]) -> None:
        waiting = self._taken()
        because = self._status.deaf(waiting)
        self._first(record, waiting)
        if because is None:
            failed = [f"guard {name} failed" for name in self._may_fail(waiting[2])]
            if record.get("because") not in failed:
                raise _Differs("because", _shown(record.get("because", _ABSENT)), " or ".join(map(_shown, failed)))
            return
        _want(record, "because", because)

    def _first(self, record: Mapping[str, Any], waiting: Waiting[_Letter]) -> None:
        rank, _, letter, _ = waiting
        found = record.get("event", _ABSENT)
        if found != letter.name:
            raise _Differs("event", _shown(found), f"{letter.name}, of rank {rank} since line {letter.line}")
        _want(record, "state", self.state)

    def _may_fail(self, letter: _Letter) -> tuple[str, ...]:
        """The guards of the event's cell, where a guard that fails is no `fault` because none is declared."""
        if FAULT in self.definition.events:
            return ()
        cell = self.definition.cells[self.state, letter.name]
        return tuple(name for branch in cell for name, _ in branch.guards)

    def _action(self, record: Mapping[str, Any]) -> None:
        name, result = self._status.actions[0], record.get("result", _ABSENT)
        _want(record, "name", name)
        if result != "failed" and "error" in record:
            raise _Differs("error", _shown(record["error"]), "that only a failed action has one")
        if self._status.failed:
            _want(record, "result", "skipped")
        elif result == "failed":
            error = record.get("error", _ABSENT)
            if not isinstance(error, str):
                raise _Differs("error", _shown(error), "the text of what failed")
            self._fault = failure("action", name, error)
        elif result != "done":
            raise _Differs("result", _shown(result), f"that action {name} is done or failed")
        self._status.acted(failed=result == "failed")

    def _ending(self, record: Mapping[str, Any]) -> None:
        assert self._status.ending is not None
        for field, expected in zip(("state", "outcome", "noted_in"), self._status.ending, strict=True):
            _want(record, field, expected)
        self._ends = False

    # -- what follows without a record -------------------------------------------------------------------------

    def _settle(self) -> None:
        """Go on as far as no action has to run. A deadline is armed at this moment or later."""
        if self._fault is None and self._status.ending is None:
            self._status.settle(lambda: self._t)
            self._ends = self._status.ending is not None


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

"""Random machines through random days: the runtime and the reference agree on everything that can be seen of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from hypothesis import given, note, settings
from hypothesis import strategies as st

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import FAULT, VERDICT, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.replay import Difference, replay
from scxlife.fsm.runtime import Ending, MachineError, PastFault, Runtime
from scxlife.fsm.snapshot import from_data
from scxlife.fsm.tape import Tape
from scxlife.fsm.tape_reader import TapeReader

from .definitions import Draft, Numbers, Sketch, sketches, texts, yaml_of
from .reference import Reference

# The same examples in every run, so that CI says the same twice.
settled = settings(derandomize=True, database=None, deadline=None)

STEPS = ("nothing", "tell", "tell", "tell", "post", "post", "deliver", "wait", "wait", "due", "move")
TIMES = (0.5, 1.0, 1.5, 3.0)
ACTS = ("done", "done", "done", "slow", "post", "post", "post any", "fail")


@attrs.frozen
class Script:
    """What happens on a day: two bytes for each step, one for each answer of a guard, two for each act."""

    steps: bytes
    answers: bytes
    acts: bytes


scripts = st.builds(
    Script,
    steps=st.binary(min_size=60, max_size=60),
    answers=st.binary(min_size=24, max_size=24),
    acts=st.binary(min_size=48, max_size=48),
)


class World:
    """What is around one machine: a clock, guards and actions that do as the script says, and a note of all of it.

    The n-th question has the n-th answer, whoever is asked: one question too many shifts all that follow.
    """

    def __init__(self, definition: Definition, script: Script) -> None:
        self.definition = definition
        self.now = 0.0
        self.post: Callable[[Event], None] = lambda event: None
        self.records: list[dict[str, Any]] = []
        self.calls: list[tuple[str, Event]] = []
        self.around: dict[str, Any] = {
            "actions": {name: self._action(name) for name in definition.actions},
            "guards": {name: self._guard(name) for name in definition.guards},
            "clock": lambda: self.now,
            "observer": lambda record: self.records.append(dict(record)),
        }
        self._answers = Numbers(script.answers)
        self._acts = Numbers(script.acts)

    def _guard(self, name: str) -> Callable[[Event], bool]:
        def ask(event: Event) -> bool:
            self.calls.append((name, event))
            answer = self._answers.below(16)
            if answer == 15:
                raise LookupError(f"nobody knows {name}")
            return answer >= 7

        return ask

    def _action(self, name: str) -> Callable[[Event], None]:
        own, every = self.definition.actions[name].posts, list(self.definition.events)

        def act(event: Event) -> None:
            self.calls.append((name, event))
            what, number = self._acts.one(ACTS), self._acts.below(256)
            if what == "fail":
                raise OSError(5, f"{name} failed")
            if what == "slow":
                self.now += 0.5
            names = every if what == "post any" else own if what == "post" else ()
            if names:
                said = Event(names[number % len(names)], {"said": len(self.calls)}, f"{name} said so")
                try:
                    self.post(said)
                except KeyError:
                    raise ValueError(f"{said.name} is not for {name} to say") from None

        return act


class SideBySide:
    """The runtime and the reference of one definition, each in a world of its own."""

    def __init__(self, definition: Definition, script: Script, say: Callable[[str], None] = note) -> None:
        self.definition = definition
        self.say = say
        self.ours, self.theirs = World(definition, script), World(definition, script)
        self.runtime = Runtime(definition, **self.ours.around)
        self.reference = Reference(definition, **self.theirs.around)
        self.ours.post, self.theirs.post = self.runtime.post, self.reference.post
        self.checked = 0

    def both(self, what: str, *arguments: object) -> str:
        """Have both do it, and compare all that can be seen. What came of it: nothing, or the error's name."""
        self.say(f"{what} {', '.join(map(str, arguments))}")
        came = [_outcome(machine, what, arguments) for machine in (self.runtime, self.reference)]
        assert came[0] == came[1]
        self.compare()
        return came[0]

    def move(self) -> None:
        """The runtime goes on elsewhere, from its snapshot; the reference just goes on."""
        self.say("move")
        data = json.loads(json.dumps(self.runtime.snapshot().as_data()))
        self.runtime = Runtime(self.definition, **self.ours.around)
        self.runtime.restore(from_data(data, self.definition))
        self.ours.post = self.runtime.post
        assert self.ours.records.pop()["kind"] == "restore"
        self.compare()

    def compare(self) -> None:
        ours, theirs, runtime, reference = self.ours, self.theirs, self.runtime, self.reference
        assert ours.records == theirs.records
        assert ours.calls == theirs.calls
        assert ours.now == theirs.now
        assert runtime.state == reference.state
        assert runtime.next_deadline() == reference.next_deadline()
        assert (runtime.ending and attrs.astuple(runtime.ending)) == reference.ending
        assert str(runtime.fault) == str(reference.fault)
        assert isinstance(runtime.fault, (type(reference.fault), PastFault))
        for record in ours.records[self.checked :]:
            if record["kind"] == "step":
                decision = decide(self.definition, record["state"], record["event"], record["guards"])
                assert (record["cell"], record["to"]) == (decision.kind, decision.target)
                assert (record["do"], record["verdict"]) == (decision.actions, decision.verdict)
                assert record["because"] == decision.reason
        self.checked = len(ours.records)


def _outcome(machine: Runtime | Reference, what: str, arguments: tuple[object, ...]) -> str:
    try:
        getattr(machine, what)(*arguments)
    except MachineError as error:
        return type(error).__name__
    return ""


def play(definition: Definition, script: Script) -> Counter[str]:
    """Both through the whole script. What kinds of things happened on the way."""
    pair = SideBySide(definition, script)
    seen = Counter([pair.both("start")])
    numbers = Numbers(script.steps)
    for _ in range(len(script.steps) // 2):
        step, number = numbers.one(STEPS), numbers.below(256)
        if step in ("tell", "post"):
            name = _next_event(definition, pair.reference.state, number)
            seen[pair.both("post", Event(name, {"told": len(pair.ours.records)}, "somebody told"))] += 1
        if step in ("wait", "due"):
            due = pair.reference.next_deadline()
            later = pair.ours.now + TIMES[number % len(TIMES)]
            pair.ours.now = pair.theirs.now = later if step == "wait" or due is None else max(pair.ours.now, due)
            seen[pair.both("expire", pair.ours.now)] += 1
        if step in ("tell", "deliver", "wait"):
            seen[pair.both("deliver")] += 1
        if step == "move":
            pair.move()
            seen["moved"] += 1
    seen[pair.both("deliver")] += 1
    seen.update(_kinds(definition, pair.ours.records))
    assert replayed(definition, pair.ours.records) is None
    return seen


def replayed(definition: Definition, records: list[dict[str, Any]]) -> Difference | None:
    """What differs when the records of a run, since it moved last, are fed back through the definition."""
    since = max((index for index, record in enumerate(records) if record["kind"] == "restore"), default=0)
    lines: list[str] = []
    tape = Tape(definition, lambda: records[since]["t"], lines.append)
    for record in records[since:]:
        tape(record)
    return replay(definition, TapeReader(iter(line.encode() + b"\n" for line in lines))).difference


def _next_event(definition: Definition, state: str, number: int) -> str:
    """Mostly one that can come in the state from outside, now and then any."""
    open_now = (*definition.states[state].sources, "caller")
    heard = [name for name, event in definition.events.items() if event.source in open_now or name == FAULT]
    names = list(definition.events) if number % 8 == 7 else heard
    return names[number // 8 % len(names)]


# -- what was seen ---------------------------------------------------------------------------------------------

KINDS = """deadline starts over,
go, go back into itself, go and stay, ignore, defer, reject, impossible, Refused, MachineError, moved,
guard true, guard false, guard fails, two guards asked, said by an action, overtaken,
fault at the start, fault in exit, fault in row, fault in entry, skipped, fault goes on, fault ignored,
deferred and taken, deferred again, source closed,
deadline goes on, late deadline, deadline dropped, several deadlines at once, two deadlines of one moment,
ended, ended by the last verdict, verdict noted before"""


def _kinds(definition: Definition, records: list[dict[str, Any]]) -> Iterator[str]:
    """The kinds of things that a run's records tell of."""
    step: dict[str, Any] = {}
    acted = 0
    waiting: list[tuple[str, str]] = []
    for before, record in zip([{"kind": ""}, *records], records, strict=False):
        kind = record["kind"]
        if kind == "event":
            waiting.append((record["event"], str(record["data"])))
            yield from _kinds_of_event(before, record)
        elif kind == "drop":
            yield "deadline dropped" if "left" in record["because"] else "source closed"
            lost = next((letter for letter in waiting if letter[0] == record["event"]), None)
            if lost is not None:
                waiting.remove(lost)
        elif kind == "step":
            step, acted = record, 0
            letter = (record["event"], str(record["data"]))
            yield from _kinds_of_step(definition, record)
            if letter in waiting:
                if waiting[0] != letter:
                    yield "overtaken"
                waiting.remove(letter)
            elif record["cell"] in ("go", "reject"):
                yield "deferred and taken"
            elif record["cell"] == "defer":
                yield "deferred again"
        elif kind == "action":
            if record["result"] == "failed":
                yield f"fault {_place(definition, step, acted)}"
            elif record["result"] == "skipped":
                yield "skipped"
            acted += 1
        elif kind == "end":
            yield "ended"
            if definition.states[record["state"]].final == VERDICT:
                yield "ended by the last verdict"
                if step["state"] != record["noted_in"]:
                    yield "verdict noted before"


def _kinds_of_event(before: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    if "guard" in record["data"]:
        yield "guard fails"
    if "said" in record["data"]:
        yield "said by an action"
    if record["cause"].startswith("deadline"):
        if "late" in record["cause"]:
            yield "late deadline"
        if before["kind"] == "event" and before["cause"].startswith("deadline"):
            yield "several deadlines at once"
            if before["cause"] == record["cause"]:
                yield "two deadlines of one moment"


def _kinds_of_step(definition: Definition, record: Mapping[str, Any]) -> Iterator[str]:
    cell, event = record["cell"], record["event"]
    if cell != "go":
        yield cell
    elif _stays(definition, record):
        yield "go and stay"
        if decide(definition, record["state"], event, record["guards"]).again:
            yield "deadline starts over"
    else:
        yield "go" if record["to"] != record["state"] else "go back into itself"
    yield from (f"guard {str(answer).lower()}" for answer in record["guards"].values())
    if len(record["guards"]) > 1:
        yield "two guards asked"
    if event == FAULT and cell in ("go", "ignore"):
        yield "fault goes on" if cell == "go" else "fault ignored"
    if definition.events[event].timer is not None and cell == "go":
        yield "deadline goes on"


def _stays(definition: Definition, record: Mapping[str, Any]) -> bool:
    return decide(definition, record["state"], record["event"], record["guards"]).internal


def _place(definition: Definition, step: Mapping[str, Any], number: int) -> str:
    """Where the numbered action of the step belongs."""
    if not step:
        return "at the start"
    if _stays(definition, step):
        return "in row"
    if number < len(definition.states[step["state"]].exit):
        return "in exit"
    entered = len(step["do"]) - len(definition.states[step["to"]].entry)
    return "in row" if number < entered else "in entry"


# -- the tests -------------------------------------------------------------------------------------------------


@settings(settled, max_examples=500)
@given(sketches)
def test_a_sound_definition_is_accepted_and_its_table_says_what_its_rows_say(sketch: Sketch) -> None:
    draft = Draft(sketch)
    text = yaml_of(draft.document())
    note(text)
    cells = loads(text).cells
    for (state, event), rows in draft.cells().items():
        if draft.hears(state, event):
            says = [
                (row.kind, row.to or state, list(row.do) if row.to is None else draft.does(state, row)) for row in rows
            ]
            table = [branch.decision for branch in cells[state, event]]
            assert [(decision.kind, decision.target, list(decision.actions)) for decision in table] == says


def test_runtime_and_reference_agree_on_all_that_can_be_seen_of_them() -> None:
    seen: Counter[str] = Counter()

    @settings(settled, max_examples=1500)
    @given(texts(), scripts)
    def holds(text: str, script: Script) -> None:
        note(text)
        seen.update(play(loads(text), script))

    holds()
    # What no run ever came to would be agreed on for want of trying.
    assert [kind for kind in KINDS.replace("\n", " ").split(", ") if not seen[kind]] == []


BRIEF = """\
format: 1
machine: brief
version: 1
initial: over
outcomes: {well: {}}
actions: {wave: to whoever looks}
events: {fault: {source: action}}
states: {over: {final: well, entry: wave}}
"""


def test_a_machine_that_begins_at_its_end_has_ended_at_once() -> None:
    pair = SideBySide(loads(BRIEF), Script(b"", b"", acts=bytes([ACTS.index("fail")])), say=print)
    assert pair.both("start") == ""
    assert pair.both("deliver") == ""
    assert pair.runtime.ending == Ending("over", "well", "over")


GATE = """\
format: 1
machine: gate
version: 1
initial: shut
sources: {bell: bell}
events:
  open: {source: caller}
  lock: {source: caller}
  ring: {source: bell}
states:
  shut: {sources: bell, no-deadline: it rests}
  ajar: {sources: bell, no-deadline: it rests}
  locked: {no-deadline: it rests}
rows:
  - {in: shut, on: open, to: ajar}
  - {in: shut, on: lock, to: locked}
  - {in: [ajar, locked], on: open, to: shut}
  - {in: ajar, on: ring}
defer: [{in: shut, on: ring, because: nobody is there to hear it}]
ignore: [{in: "*", on: lock, because: it is not shut}]
"""


def test_what_was_deferred_is_dropped_where_its_source_is_closed() -> None:
    pair = SideBySide(loads(GATE), Script(b"", b"", b""), say=print)
    pair.both("start")
    for event in ("ring", "lock"):
        pair.both("post", Event(event))
        pair.both("deliver")
    assert (pair.runtime.state, pair.ours.records[-1]["kind"]) == ("locked", "drop")

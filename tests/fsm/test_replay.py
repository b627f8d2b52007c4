"""What the runtime writes replays as the same; what it would not have written is found, and at its line."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import (
    BY_ACTION,
    BY_CALLER,
    FAULT,
    GO,
    KINDS,
    Action,
    Branch,
    Cell,
    Decision,
    Definition,
    State,
    Value,
)
from scxlife.fsm.definition import Event as DeclaredEvent
from scxlife.fsm.driver import Driver
from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.replay import Replay, replay
from scxlife.fsm.runtime import MachineError, Runtime
from scxlife.fsm.tape import Tape
from scxlife.fsm.tape_reader import LONGEST_LINE, NotATape, TapeReader, lines_of
from scxlife.lifecycle.options import shipped

SCHEDULER = shipped()

DOOR = loads("""\
format: 1
machine: door
version: 3
initial: shut
settings: {patience: {value: 2s}, alarm: {value: 1s}, never: {value: null}, colour: {value: red}}
sources: {bell: bell}
outcomes: {open: {}, forced: {}, worn: {}}
guards: {known: the one who knocks is known}
actions:
  ring: {doc: make a sound, posts: echo}
  mute: make none
  note: write it down
  unlock: turn the key
events:
  fault: {source: action}
  echo: {source: action}
  knock: {source: bell}
  key: {source: caller}
  kick: {source: caller, rank: -5}
  annoyed: {timer: patience}
  alarmed: {timer: alarm}
  worn_out: {timer: never}
states:
  shut: {sources: bell, entry: note, no-deadline: doors rest}
  asked: {sources: bell, entry: ring, exit: mute, deadlines: [annoyed, alarmed, worn_out]}
  broken: {no-deadline: it waits for the owner}
  opened: {entry: unlock, final: verdict}
  dust: {final: worn}
rows:
  - {in: shut, on: knock, if: known, to: asked}
  - {in: asked, on: key, if: known, to: opened, verdict: open}
  - {in: asked, on: annoyed, to: asked, note: it rings again}
  - {in: asked, on: [alarmed, echo], do: note}
  - {in: asked, on: worn_out, to: dust}
  - {in: asked, on: fault, to: shut}
  - {in: [shut, asked], on: kick, to: broken, verdict: forced}
  - {in: broken, on: key, to: opened}
defer:
  - {in: asked, on: key, because: not before somebody known has come}
reject:
  - {in: broken, on: kick, because: it is broken enough}
ignore:
  - {in: shut, on: [knock, key, echo, fault], because: nobody is there}
  - {in: asked, on: knock, because: it was heard}
  - {in: broken, on: [fault, echo], because: nothing works any more}
""")

Lines = list[str]
Record = dict[str, Any]


class Session:
    """A runtime on a clock that is set by hand, and its tape. `failing` actions fail, `posting` ones post events."""

    def __init__(self, definition: Definition, now: float = 100.0) -> None:
        self.now = now
        self.lines: Lines = []
        self.failing: set[str] = set()
        self.posting: dict[str, str] = {}
        self.guards: dict[str, bool] = {}
        self.runtime = Runtime(
            definition,
            actions={name: partial(self.act, name) for name in definition.actions},
            guards={name: partial(self.answer, name) for name in definition.guards},
            clock=self.clock,
            observer=Tape(definition, self.clock, self.lines.append),
        )

    def clock(self) -> float:
        return self.now

    def act(self, name: str, event: Event) -> None:
        if name in self.posting:
            self.runtime.post(Event(self.posting[name], {"by": name}, "said so"))
        if name in self.failing:
            raise OSError(5, f"no luck with {name}")

    def answer(self, name: str, event: Event) -> bool:
        return self.guards.get(name, False)


def the_door() -> Lines:
    """A run of the door with every kind of record, and of each kind every variant."""
    door = Session(DOOR)
    runtime = door.runtime
    door.posting = {"ring": "echo"}
    runtime.start()
    runtime.handle(Event("knock", {"how": "loud"}, "heard"))
    door.guards = {"known": True}
    runtime.handle(Event("knock"))
    door.guards = {"known": False}
    runtime.handle(Event("key", cause="found"))
    door.now += 1
    door.failing = {"note", "mute"}
    runtime.expire(door.now)
    runtime.deliver()
    door.failing, door.guards = set(), {"known": True}
    runtime.handle(Event("knock"))
    door.now += 2
    runtime.post(Event("kick"))
    runtime.expire(door.now)
    runtime.deliver()
    runtime.handle(Event("knock"))
    with pytest.raises(MachineError, match="enough"):
        runtime.handle(Event("kick"))
    runtime.handle(Event("key"))
    runtime.post(Event("key", cause="too late"))
    return door.lines


def replayed(lines: Iterable[str | bytes], definition: Definition = DOOR) -> Replay:
    return replay(definition, TapeReader(lines))


def is_the_same(lines: Lines, definition: Definition) -> None:
    result = replayed(lines, definition)
    assert result.difference is None
    assert result.lines == len(lines)


def records(lines: Lines) -> list[Record]:
    return [json.loads(line) for line in lines]


def written(told: Iterable[Record]) -> Lines:
    return [json.dumps(record) for record in told]


def numbered(told: Iterable[Record]) -> Lines:
    return written({**record, "seq": number} for number, record in enumerate(told))


def nth(told: list[Record], number: int, **facts: object) -> int:
    """The index of the `number`th record (from 0) that has these facts."""
    return [i for i, record in enumerate(told) if facts.items() <= record.items()][number]


# -- what the runtime writes -------------------------------------------------------------------------------------


def test_a_run_with_every_kind_of_record_is_the_same_to_its_end() -> None:
    lines = the_door()
    told = records(lines)
    assert {record["kind"] for record in told} == {"tape", "start", "event", "step", "action", "drop", "end"}
    assert {record["cell"] for record in told if record["kind"] == "step"} == {"go", "ignore", "defer", "reject"}
    assert {record["result"] for record in told if record["kind"] == "action"} == {"done", "failed", "skipped"}
    assert {record["because"] for record in told if record["kind"] == "drop"} == {
        "its state has been left",
        "its source was closed meanwhile",
    }
    steps = sum(record["kind"] == "step" for record in told)
    assert replayed(lines) == Replay(len(lines), steps, "opened", "forced", None, complete=True)


class Luck(Session):
    """A session whose actions, guards, clock and callers do what `luck` says."""

    def __init__(self, definition: Definition, luck: Random) -> None:
        self.luck = luck
        self.posted = 0
        self.told = sorted(name for name, event in definition.events.items() if event.timer is None)
        super().__init__(definition, luck.choice((0.0, 0.1, 7.3, 1e6 + 1 / 3, 2.5e9)))

    def clock(self) -> float:
        self.now += self.luck.choice((0.0, 0.0, 0.0, 1e-9, 0.001, 0.3))
        return self.now

    def post(self) -> None:
        self.posted += 1
        # What JSON carries another way (a tuple, a name that is no UTF-8) is on the tape as it is written there.
        data = {"number": self.posted, "pair": (1, 1.0, True), "name": "caf\xe9 \udcff", "of": {"b": None, "a": 2**70}}
        self.runtime.post(Event(self.luck.choice(self.told), data, f"post {self.posted}"))

    def act(self, name: str, event: Event) -> None:
        while self.luck.random() < 0.2:
            self.post()
        if self.luck.random() < 0.15:
            raise RuntimeError(f"{name}: bad luck \udcff")

    def answer(self, name: str, event: Event) -> bool:
        return self.luck.random() < 0.5

    def live(self, moves: int) -> Lines:
        self.runtime.start()
        for _ in range(moves):
            move = self.luck.random()
            if move < 0.4:
                self.post()
            elif move < 0.6:
                due = self.runtime.next_deadline()
                self.now += self.luck.choice((0.0, 0.4, 1.0, 5.0))
                if due is not None and self.luck.random() < 0.5:
                    self.now = max(self.now, due)
                self.runtime.expire(self.now)
            else:
                try:
                    self.runtime.deliver_one()
                except MachineError:
                    assert json.loads(self.lines[-1])["cell"] in ("reject", "impossible")
        return self.lines


def any_definition(luck: Random) -> Definition:
    """A definition with cells of every kind, whose every reason is another, so that no two decisions are equal."""
    durations: list[Value] = [None, 0, 0.5, 1, 1.0, math.nextafter(1.0, 2.0), 1.0000001, 2.5]
    timers = {f"timer{i}": luck.choice(durations) for i in range(luck.randint(1, 4))}
    sources = ("near", "far")
    events = [DeclaredEvent(FAULT, luck.randint(-3, 0), BY_ACTION)]
    for i in range(luck.randint(2, 5)):
        source = luck.choice((BY_ACTION, BY_CALLER, *sources))
        events.append(DeclaredEvent(f"event{i}", luck.randint(-1, 1), source))
    events += [DeclaredEvent(f"late{i}", luck.choice((0, 100)), timer=timer) for i, timer in enumerate(timers)]
    actions = [f"action{i}" for i in range(luck.randint(1, 4))]
    guards = [f"guard{i}" for i in range(3)]

    def some(names: Iterable[str], most: int = 3) -> tuple[str, ...]:
        names = list(names)
        return tuple(luck.sample(names, min(len(names), luck.randint(0, most))))

    states = {}
    for i in range(luck.randint(2, 5)):
        final = luck.choice(("over", "verdict")) if i and luck.random() < 0.25 else None
        states[f"state{i}"] = State(
            f"state{i}",
            sources=() if final else some(sources),
            entry=some(actions),
            exit=() if final else some(actions),
            deadlines=() if final else some(event.name for event in events if event.timer),
            final=final,
        )
    reasons = iter(range(10_000))

    def decision(state: State, event: str) -> Decision:
        kind = luck.choice(KINDS[1:]) if state.final or luck.random() < 0.4 else GO
        reason = f"reason {next(reasons)}"
        if kind != GO:
            return Decision(state.name, event, kind, state.name, True, (), None, reason)
        do, verdict = some(actions), luck.choice((None, None, "over", "won"))
        if luck.random() < 0.3:
            return Decision(state.name, event, kind, state.name, True, do, verdict, reason)
        target = luck.choice(list(states.values()))
        return Decision(state.name, event, kind, target.name, False, (*state.exit, *do, *target.entry), verdict, reason)

    def cell(state: State, event: str) -> Cell:
        asked = [tuple((name, luck.random() < 0.5) for name in some(guards)) for _ in range(luck.randint(0, 2))]
        return tuple(Branch(names, decision(state, event)) for names in (*filter(None, asked), ()))

    return Definition(
        name="any",
        version=luck.randint(1, 3),
        doc="",
        initial="state0",
        states=states,
        events={event.name: event for event in events},
        cells={(state.name, event.name): cell(state, event.name) for state in states.values() for event in events},
        settings={**timers, "colour": "red"},
        sources=dict.fromkeys(sources, "kind"),
        guards=dict.fromkeys(guards, ""),
        actions={name: Action(name) for name in actions},
        outcomes={"over": "", "won": ""},
    )


seeds = st.integers(0, 2**64).map(Random)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(seeds, st.integers(0, 80))
def test_whatever_a_runtime_of_any_definition_writes_is_the_same(luck: Random, moves: int) -> None:
    definition = any_definition(luck)
    is_the_same(Luck(definition, luck).live(moves), definition)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from([DOOR, SCHEDULER, SCHEDULER.with_settings(run_for=1.5, liveness=0.0)]), seeds)
def test_whatever_a_runtime_of_a_written_definition_writes_is_the_same(definition: Definition, luck: Random) -> None:
    session = Luck(definition, luck)
    lines = session.live(60)
    is_the_same(lines, definition)
    result = replayed(lines, definition)
    ending = session.runtime.ending
    assert (result.state, result.outcome) == (session.runtime.state, None if ending is None else ending.outcome)
    assert result.complete is (ending is not None)


class Once:
    """A source with one thing to say, at a moment of its own."""

    def __init__(self, at: float, name: str, now: Callable[[], float]) -> None:
        self.at, self.name, self.now = at, name, now

    def open(self) -> None:
        """Nothing is needed."""

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return self.at

    def drain(self) -> list[Event]:
        due = self.at <= self.now()
        self.at = math.inf if due else self.at
        return [Event(self.name)] if due else []

    def close(self) -> None:
        """Nothing is held."""


class Jumping:
    """A clock that is at the next thing due as soon as somebody waits for it."""

    now = 50.0

    def monotonic(self) -> float:
        return self.now

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        assert timeout is not None
        self.now += timeout
        return []


def test_the_tape_of_a_driver_with_a_source_and_deadlines_is_the_same() -> None:
    world, lines = Jumping(), list[str]()
    definition = DOOR.with_settings(patience=None, never=4.5)
    runtime = Runtime(
        definition,
        actions=dict.fromkeys(DOOR.actions, lambda event: None),
        guards={"known": lambda event: True},
        clock=world.monotonic,
        observer=Tape(definition, world.monotonic, lines.append),
    )
    ending = Driver(runtime, {"bell": lambda: Once(53.0, "knock", world.monotonic)}, world).run()
    assert (ending.outcome, world.now) == ("worn", 57.5)
    result = replayed(lines)
    assert (result.state, result.steps, result.complete) == ("dust", 3, True)


# -- what it would not have written -----------------------------------------------------------------------------

TOLD = records(the_door())


def altered(index: int, **facts: object) -> list[Record]:
    return [*TOLD[:index], {**TOLD[index], **facts}, *TOLD[index + 1 :]]


FIRST_STEP = nth(TOLD, 0, kind="step")
TO_ASKED = nth(TOLD, 0, kind="step", to="asked")
ALARMED = nth(TOLD, 0, kind="event", event="alarmed")
FAILED = nth(TOLD, 0, kind="action", result="failed")
SKIPPED = nth(TOLD, 0, kind="action", result="skipped")
LEFT = nth(TOLD, 0, kind="drop", event="alarmed")
CLOSED = nth(TOLD, 0, kind="drop", event="knock")
END = nth(TOLD, 0, kind="end")


@pytest.mark.parametrize(
    ("index", "facts", "field"),
    [
        (0, {"machine": "window"}, "machine"),
        (0, {"definition": 4}, "definition"),
        (0, {"settings": {"patience": 2.0}}, "settings"),
        (0, {"settings": {**TOLD[0]["settings"], "patience": "long"}}, "setting patience"),
        (0, {"settings": {**TOLD[0]["settings"], "patience": True}}, "setting patience"),
        (0, {"settings": {**TOLD[0]["settings"], "patience": 10**400}}, "setting patience"),
        (0, {"settings": {**TOLD[0]["settings"], "colour": ["red"]}}, "setting colour"),
        (0, {"seq": 1}, "seq"),
        (1, {"seq": True}, "seq"),
        (1, {"seq": 1.0}, "seq"),
        (1, {"t": None}, "t"),
        (1, {"t": "100"}, "t"),
        (1, {"t": 99.9}, "t"),
        (1, {"kind": "begin"}, "kind"),
        (1, {"kind": ["start"]}, "kind"),
        (1, {"kind": "event"}, "kind"),
        (1, {"state": "asked"}, "state"),
        (1, {"machine": "window"}, "machine"),
        (1, {"version": 4}, "version"),
        (2, {"name": "ring"}, "name"),
        (2, {"kind": "start"}, "kind"),
        (2, {"result": "well"}, "result"),
        (2, {"result": "skipped"}, "result"),
        (2, {"result": "failed"}, "error"),
        (2, {"result": "failed", "error": 5}, "error"),
        (2, {"error": "OSError"}, "error"),
        (3, {"event": "nock"}, "event"),
        (3, {"event": {}}, "event"),
        (3, {"rank": 1}, "rank"),
        (3, {"cause": None}, "cause"),
        (3, {"data": []}, "data"),
        (FIRST_STEP, {"kind": "drop", "because": "its state has been left"}, "kind"),
        (FIRST_STEP, {"event": "key"}, "event"),
        (FIRST_STEP, {"state": "asked"}, "state"),
        (FIRST_STEP, {"cell": "go"}, "cell"),
        (FIRST_STEP, {"to": "asked"}, "to"),
        (FIRST_STEP, {"guards": {"known": True}}, "cell"),
        (FIRST_STEP, {"guards": {}}, "guards"),
        (FIRST_STEP, {"guards": {"known": 0}}, "guards"),
        (FIRST_STEP, {"guards": ["known"]}, "guards"),
        (FIRST_STEP, {"guards": {"known": False, "rich": True}}, "guards"),
        (FIRST_STEP, {"do": ["note"]}, "do"),
        (FIRST_STEP, {"verdict": "open"}, "verdict"),
        (FIRST_STEP, {"because": "why not"}, "because"),
        (FIRST_STEP, {"cause": "seen"}, "cause"),
        (FIRST_STEP, {"data": {"how": "soft"}}, "data"),
        (TO_ASKED, {"guards": {"known": False}}, "cell"),
        (TO_ASKED, {"do": []}, "do"),
        (ALARMED, {"event": "annoyed"}, "t"),
        (ALARMED, {"event": "worn_out"}, "event"),
        (FAILED + 1, {"event": "echo"}, "event"),
        (FAILED + 1, {"cause": "bad luck"}, "cause"),
        (FAILED + 1, {"data": {"action": "note", "error": "OSError"}}, "data"),
        (FAILED + 1, {"kind": "step"}, "kind"),
        (SKIPPED, {"result": "done"}, "result"),
        (LEFT, {"because": "its source was closed meanwhile"}, "because"),
        (LEFT, {"kind": "step"}, "kind"),
        (LEFT, {"state": "asked"}, "state"),
        (CLOSED, {"because": "its state has been left"}, "because"),
        (CLOSED, {"event": "key"}, "event"),
        (END, {"kind": "event"}, "kind"),
        (END, {"state": "dust"}, "state"),
        (END, {"outcome": "open"}, "outcome"),
        (END, {"noted_in": "broken"}, "noted_in"),
        (END + 1, {"kind": "step"}, "kind"),
        (END + 1, {"kind": "end"}, "kind"),
    ],
)
def test_a_record_that_is_another_is_told_with_its_line_and_field(
    index: int, facts: dict[str, object], field: str
) -> None:
    lines = written(altered(index, **facts))
    result = replayed(lines)
    assert result.difference is not None
    assert (result.difference.line, result.difference.field) == (index + 1, field)
    assert result.difference.record == lines[index]
    assert (result.lines, result.complete, result.missing) == (index + 1, False, "")


def test_a_difference_says_what_stands_there_and_what_was_expected() -> None:
    difference = replayed(written(altered(TO_ASKED, to="broken"))).difference
    assert str(difference) == 'to: the tape has "broken", the definition says "asked"'


def test_what_is_long_is_shown_by_its_first_two_hundred_characters() -> None:
    for length, shown in ((198, f'"{"x" * 198}"'), (199, f'"{"x" * 199}…')):
        difference = replayed(written(altered(TO_ASKED, to="x" * length))).difference
        assert difference is not None
        assert difference.tape == shown


@pytest.mark.parametrize("field", ["seq", "t", "kind", "state", "event", "guards", "cell", "do", "verdict", "cause"])
def test_a_field_that_lacks_is_told_as_nothing(field: str) -> None:
    told = [dict(record) for record in TOLD]
    del told[FIRST_STEP][field]
    difference = replayed(written(told)).difference
    assert difference is not None
    assert (difference.line, difference.field, difference.tape) == (FIRST_STEP + 1, field, "nothing")


def test_of_two_that_wait_the_lower_rank_has_to_be_first() -> None:
    door = Session(DOOR)
    door.runtime.start()
    door.runtime.post(Event("key"))
    door.runtime.post(Event("kick"))
    told = records(door.lines)
    ignored = {"kind": "step", "t": 100.0, "state": "shut", "event": "key", "cell": "ignore", "to": "shut"}
    difference = replayed(numbered([*told, ignored])).difference
    assert difference is not None
    assert (difference.field, difference.tape) == ("event", '"key"')
    assert difference.definition == "kick, of rank -5 since line 5"


def deadlines(*moments: tuple[float, str], settings: dict[str, Value] | None = None) -> Replay:
    """The replay of a door that is asked at 100 s and has these deadlines posted at these moments."""
    definition = DOOR.with_settings(**(settings or {}))
    door = Session(definition)
    door.guards = {"known": True}
    door.runtime.start()
    door.runtime.handle(Event("knock"))
    base = {"kind": "event", "cause": "deadline", "data": {}, "rank": 100}
    posted = [{**base, "t": moment, "event": name} for moment, name in moments]
    return replayed(numbered([*records(door.lines), *posted]))


def test_a_deadline_is_not_believed_before_it_is_due() -> None:
    assert deadlines((101.0, "alarmed")).difference is None
    early = deadlines((100.999, "alarmed")).difference
    assert early is not None
    assert (early.field, early.definition) == ("t", "that alarmed is not due before 101.0")


def test_a_deadline_comes_once_and_never_when_its_setting_is_null() -> None:
    again = deadlines((101.0, "alarmed"), (101.0, "alarmed")).difference
    assert again is not None
    assert again.definition == "that no such deadline is armed in state asked"
    assert deadlines((1e9, "alarmed"), (1e9, "annoyed"), (1e9, "worn_out")).difference is not None


def test_the_deadline_that_was_due_before_has_to_come_first() -> None:
    assert deadlines((105.0, "alarmed"), (105.0, "annoyed")).difference is None
    turned = deadlines((105.0, "annoyed"), (105.0, "alarmed")).difference
    assert turned is not None
    assert turned.definition == "that alarmed is due before it"
    later: dict[str, Value] = {"alarm": 3.0}
    assert deadlines((105.0, "annoyed"), (105.0, "alarmed"), settings=later).difference is None
    assert deadlines((105.0, "alarmed"), (105.0, "annoyed"), settings=later).difference is not None


def test_the_settings_of_the_tape_say_when_a_deadline_is_due() -> None:
    assert deadlines((100.25, "alarmed"), settings={"alarm": 0.25}).difference is None
    assert deadlines((101.0, "alarmed"), settings={"alarm": 60.0}).difference is not None


def test_deadlines_that_are_due_together_come_in_the_order_of_their_names() -> None:
    together: dict[str, Value] = {"alarm": 2.0}
    assert deadlines((102.0, "alarmed"), (102.0, "annoyed"), settings=together).difference is None
    assert deadlines((102.0, "annoyed"), (102.0, "alarmed"), settings=together).difference is not None


def test_a_deadline_is_armed_again_by_a_state_that_is_entered_again() -> None:
    door = Session(DOOR)
    door.guards = {"known": True}
    door.runtime.start()
    door.runtime.handle(Event("knock"))
    door.now = 102.0
    door.runtime.expire(door.now)
    door.runtime.deliver()
    assert replayed(door.lines).difference is None
    early = {"kind": "event", "t": 102.5, "event": "alarmed", "rank": 100, "cause": "deadline", "data": {}}
    difference = replayed(numbered([*records(door.lines), early])).difference
    assert difference is not None
    assert difference.definition == "that alarmed is not due before 103.0"


def test_a_hole_in_the_numbers_is_a_difference_where_it_is() -> None:
    difference = replayed(written([*TOLD[:7], *TOLD[8:]])).difference
    assert difference is not None
    assert (difference.line, difference.field, difference.tape, difference.definition) == (8, "seq", "8", "7")


def test_what_a_layer_above_wrote_is_counted_and_not_judged() -> None:
    note = {"kind": "lifecycle.attached", "t": 100.0, "owner": {"pid": 1}}
    told = [record for each in TOLD[:9] for record in (each, note)] + TOLD[9:]
    assert replayed(numbered(told)).complete
    back = {**note, "t": 1.0}
    assert replayed(numbered([*TOLD[:9], back, *TOLD[9:]])).difference is not None


def test_a_field_that_a_later_writer_added_is_not_judged() -> None:
    assert replayed(written({**record, "thread": 7} for record in TOLD)).complete


def test_the_order_of_the_keys_of_an_object_says_nothing() -> None:
    door = Session(DOOR)
    door.runtime.start()
    door.runtime.handle(Event("knock", {"how": "loud", "by": "hand"}))
    step = json.loads(door.lines[-1])
    assert list(step["data"]) == ["how", "by"]
    lines = [*door.lines[:-1], json.dumps(step, sort_keys=True)]
    assert replayed(lines).difference is None


# -- a tape that is cut off --------------------------------------------------------------------------------------


def test_a_tape_cut_off_anywhere_behind_its_header_is_the_same_so_far() -> None:
    whole = "".join(line + "\n" for line in the_door()).encode()
    header = whole.index(b"\n")
    for end in range(header, len(whole)):
        result = replayed(io.BytesIO(whole[:end]))
        assert result.difference is None, end
        assert result.lines >= whole[:end].count(b"\n")
        until_end = result.lines > END
        assert result.complete is (until_end and (whole[end - 1 : end] == b"\n" or whole[end : end + 1] == b"\n"))
        assert bool(result.missing) is not result.complete


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (1, "no end: the next would be start or restore"),
        (2, "no end: the next would be action note, or an event that it posts"),
        (3, "no end: the next would be an event"),
        (4, "no end: the next would be step of knock (line 4), or an event"),
        (FAILED + 1, "no end: the next would be event fault, for action note failed"),
        (LEFT, f"no end: the next would be drop of alarmed (line {nth(TOLD, 1, event='alarmed', kind='event') + 1}), "
               "or an event"),
        (nth(TOLD, 0, cell="reject") + 1, "no end: the machine stopped at event kick, which state broken rejects: "
                                          "it is broken enough"),
        (END, "no end: the next would be end"),
    ],
)  # fmt: skip
def test_what_a_tape_without_an_end_lacks_is_said(lines: int, missing: str) -> None:
    result = replayed(written(TOLD[:lines]))
    assert (result.difference, result.complete, result.missing) == (None, False, missing)


def test_a_machine_that_stopped_at_the_impossible_says_so() -> None:
    session = Session(SCHEDULER)
    session.runtime.start()
    with pytest.raises(MachineError):
        session.runtime.handle(Event("located"))
    why = "only the start's own actions say so"
    stopped = f"no end: the machine stopped at event located, which state idle holds impossible: {why}"
    assert replayed(session.lines, SCHEDULER).missing == stopped


def test_a_last_line_that_is_torn_within_a_character_is_torn() -> None:
    lines: list[str | bytes] = [*written(TOLD[:4]), '{"seq": 4, "cause": "caf\xe9'.encode()[:-1]]
    assert replayed(lines).missing == "its last line is cut off"


# -- what is no tape ---------------------------------------------------------------------------------------------

HEADER = json.dumps(TOLD[0]).encode()
DEEP = b'{"seq": 1, "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("tape", "line", "words"),
    [
        (b"", 1, "the tape is empty"),
        (b"\n", 1, "not JSON"),
        (b"\x7fELF\x02\x01\x00\xff\xfe\n", 1, "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n", 1, "not UTF-8"),
        (b'{"seq": 0, "kind": "ta', 1, "the header is cut off"),
        (b"[]\n", 1, "not a JSON object"),
        (b"3\n", 1, "not a JSON object"),
        (b"{}\n", 1, "not the header"),
        (b'{"kind": "event"}\n', 1, "not the header"),
        (b'{"kind": "tape"}\n', 1, "which version"),
        (b'{"kind": "tape", "version": true}\n', 1, "which version"),
        (b'{"kind": "tape", "version": [[1]]}\n', 1, "which version"),
        (b'{"kind": "tape", "version": 3}\n', 1, "version 3; only versions 1 to 2"),
        (b'{"kind": "tape", "version": 1, "machine": 5, "definition": 1, "settings": {}}\n', 1, "needs the machine"),
        (b'{"kind": "tape", "version": 1, "machine": "m", "definition": "1", "settings": {}}\n', 1, "needs the mach"),
        (b'{"kind": "tape", "version": 1, "machine": "m", "definition": 1, "settings": []}\n', 1, "needs the machine"),
        (HEADER + b"\nseq 1\n" + HEADER, 2, "not JSON: Expecting value at column 1"),
        (HEADER + b"\n\n", 2, "not JSON"),
        (HEADER + b'\n{"seq": 1, "ki\n', 2, "not JSON"),
        (HEADER + b'\n{"seq": 1, "ki\n' + HEADER + b"\n", 2, "not JSON"),
        (HEADER + b"\n\x00\x00\x00\x00", 2, "not JSON"),
        (HEADER + b'\n{"seq": NaN}\n', 2, "NaN is no value of JSON"),
        (HEADER + b'\n{"seq": -Infinity}\n', 2, "-Infinity is no value of JSON"),
        (HEADER + b'\n{"seq": 1, "seq": 1}\n', 2, "a key stands there twice"),
        (HEADER + b'\n{"seq": ' + b"9" * 5000 + b"}\n", 2, "not JSON"),
        (HEADER + b"\n" + DEEP, 2, "nested too deeply"),
        (DEEP.replace(b'"seq": 1', b'"kind": "tape"'), 1, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_tape_is_told_with_its_line(tape: bytes, line: int, words: str) -> None:
    with pytest.raises(NotATape, match=words) as told:
        replayed(lines_of(io.BytesIO(tape)))
    assert told.value.line == (line if b"seq 1" not in tape else 2)


def test_only_the_last_line_can_be_torn() -> None:
    with pytest.raises(NotATape, match="not JSON") as told:
        replayed([HEADER, b'{"seq": 1, "ki', HEADER])
    assert told.value.line == 2


def test_at_every_depth_a_record_is_judged_or_nested_too_deeply() -> None:
    """Where the parser has just enough room left, what compares its result must not run out of it."""

    def outcome(depth: int) -> str:
        told = [*TOLD[:FIRST_STEP], {**TOLD[FIRST_STEP], "because": "DEEP"}]
        lines = [line.replace('"DEEP"', "[" * depth + "]" * depth) for line in written(told)]
        try:
            difference = replayed(lines).difference
        except NotATape as error:
            assert error.line == FIRST_STEP + 1
            return error.reason
        assert difference is not None
        return difference.field

    limit = sys.getrecursionlimit()
    assert {outcome(depth) for depth in (1, *range(limit - 200, limit + 10))} <= {"because", "it is nested too deeply"}
    assert outcome(1) == "because"


def test_a_line_longer_than_the_bound_is_not_read_to_its_end() -> None:
    file = io.BytesIO(HEADER + b"\n" + b" " * (LONGEST_LINE + 100) + b"\n")
    with pytest.raises(NotATape, match="longer than 16 MiB") as told:
        replayed(lines_of(file))
    assert told.value.line == 2
    assert file.tell() == len(HEADER) + 1 + LONGEST_LINE + 1


def test_a_number_that_no_float_holds_is_a_difference() -> None:
    for t in ("1e999", "9" * 400):
        lines = [*written(TOLD[:1]), json.dumps(TOLD[1]).replace("100.0", t)]
        difference = replayed(lines).difference
        assert difference is not None
        assert (difference.line, difference.field, difference.definition) == (2, "t", "seconds")


# -- fuzzing -----------------------------------------------------------------------------------------------------

POOL: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    7,
    1.5,
    1e300,
    "",
    "x",
    "done",
    "failed",
    "skipped",
    "go",
    [],
    {},
    ["x"],
]
DROP, DOUBLE, SWAP, CHANGE, REMOVE = "drop", "double", "swap", "change", "remove"


def free(told: list[Record], changed: list[Record], index: int, field: str, definition: Definition) -> bool:
    """Whether a change of this field can go unnoticed: docs/tape.md lists them."""
    record, later = told[index], told[index + 1 :]
    if field == "guards":
        answers = record["guards"], changed[index]["guards"]
        one, other = (decide(definition, record["state"], record["event"], each) for each in answers)
        return one == other
    if field == "t":
        return True
    if field == "error":
        return not later
    if record["kind"] != "event" or field not in ("event", "cause", "data"):
        return False
    if told[index - 1].get("result") == "failed":
        return False
    name = record["event"]
    if field == "event":
        return not any(other["kind"] in ("step", "drop") and other["event"] == name for other in later)
    # One deadline is as another; every other event of a session has a number of its own.
    numbered = definition.events[name].timer is None
    return not (numbered and any(step["kind"] == "step" and step["data"] == record["data"] for step in later))


def mutated(told: list[Record], how: str, index: int, luck: Random, definition: Definition) -> tuple[list[Record], str]:
    record = told[index]
    if how == DROP:
        return [*told[:index], *told[index + 1 :]], ""
    if how == DOUBLE:
        return [*told[: index + 1], *told[index:]], ""
    if how == SWAP:
        return [*told[:index], *told[index : index + 2][::-1], *told[index + 2 :]], ""
    field = luck.choice(sorted(record))
    if how == REMOVE:
        return [*told[:index], {key: value for key, value in record.items() if key != field}, *told[index + 1 :]], field
    names = [*definition.states, *definition.events, *definition.actions]
    kinds = ["tape", "start", "event", "step", "action", "drop", "end"]
    others = [choice for choice in (*POOL, *names, *kinds) if json.dumps(choice) != json.dumps(record[field])]
    value = luck.choice(others)
    if field == "guards" and record["guards"]:
        name = luck.choice(sorted(record["guards"]))
        value = {**record["guards"], name: not record["guards"][name]}
    if field == "t" and luck.random() < 0.5:
        value = record["t"] + luck.choice((-1.0, -1e-3, 1e-3, 1.0))
    return [*told[:index], {**record, field: value}, *told[index + 1 :]], field


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(seeds, st.integers(0, 40), st.sampled_from([DROP, DOUBLE, SWAP, CHANGE, CHANGE, CHANGE, REMOVE]), st.booleans())
def test_one_mutation_is_found_where_it_is_or_behind_it(luck: Random, moves: int, how: str, mended: bool) -> None:
    definition = luck.choice((DOOR, SCHEDULER, any_definition(luck)))
    told = records(Luck(definition, luck).live(moves))
    index = luck.randrange(len(told))
    if how == SWAP and index == len(told) - 1:
        return
    changed, field = mutated(told, how, index, luck, definition)
    # Numbers that were made whole again hide the loss of what nothing follows from, and only that.
    lines = numbered(changed) if mended and how in (DROP, DOUBLE, SWAP) else written(changed)
    try:
        result = replayed(lines, definition)
    except NotATape as error:
        assert error.line >= index + 1
        return
    if result.difference is not None:
        assert result.difference.line >= index + 1
    elif how == DROP:
        assert mended or index == len(told) - 1
    elif how in (DOUBLE, SWAP):
        assert mended
    else:
        assert free(told, changed, index, field, definition), (how, told[index], field)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_a_byte_that_is_another_never_ends_in_anything_but_a_difference_or_no_tape(data: st.DataObject) -> None:
    whole = bytearray("".join(line + "\n" for line in the_door()).encode())
    at = data.draw(st.integers(0, len(whole) - 1))
    line = whole[:at].count(b"\n") + 1
    whole[at] = data.draw(st.integers(0, 255))
    try:
        result = replayed(lines_of(io.BytesIO(bytes(whole))))
    except NotATape as error:
        assert error.line >= line
    else:
        assert result.difference is None or result.difference.line >= line


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(POOL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({field for record in TOLD for field in record})


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.sampled_from(FIELDS), values),
    st.lists(
        st.dictionaries(st.sampled_from(FIELDS), values).flatmap(
            lambda facts: st.sampled_from(TOLD).map(lambda record: {**record, **facts})
        ),
        max_size=4,
    ),
)
@example({"settings": {"self": 1}}, [])
def test_any_types_in_any_field_are_told_and_never_raised(header: Record, more: list[Record]) -> None:
    try:
        replayed(numbered([{**TOLD[0], **header}, *more]))
    except NotATape as error:
        assert error.line == 1

"""A runtime that was put to rest and woken up again is the one that never slept."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scxlife.fsm.definition import Definition
from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.replay import Replay, replay
from scxlife.fsm.runtime import MachineError, Runtime
from scxlife.fsm.snapshot import SnapshotError, from_data
from scxlife.fsm.tape import Tape
from scxlife.fsm.tape_reader import TapeReader

PUMP = loads("""\
format: 1
machine: pump
version: 4
initial: off
settings: {warm: {value: 2s}, dry: {value: 7s}}
outcomes: {worn: {}, burnt: {}}
actions: {start_motor: {doc: it turns, posts: turns}, note: it is written down}
guards: {primed: there is water in it}
events:
  fault: {source: action, rank: -20}
  turns: {source: action}
  press: {source: caller}
  flood: {source: caller, rank: -1}
  warmed: {timer: warm}
  ran_dry: {timer: dry}
states:
  off: {no-deadline: it rests}
  starting: {entry: start_motor, deadlines: [warmed, ran_dry]}
  pumping: {deadlines: ran_dry, exit: note}
  broken: {final: verdict}
rows:
  - {in: off, on: press, to: starting}
  - {in: starting, on: turns, do: note}
  - {in: starting, on: warmed, if: primed, to: pumping}
  - {in: starting, on: warmed, to: off}
  - {in: [starting, pumping], on: ran_dry, to: broken, verdict: worn}
  - {in: pumping, on: press, to: off}
  - {in: pumping, on: flood, to: pumping}
  - {in: "*", on: fault, to: broken, verdict: burnt}
defer:
  - {in: starting, on: flood, because: only a running pump helps}
reject:
  - {in: starting, on: press, because: patience}
ignore:
  - {in: off, on: flood, because: nobody looks}
impossible:
  - {in: [off, pumping], on: turns, because: only starting says so}
""")


class Bench:
    """A runtime whose actions do what they are told, on a clock that is set by hand."""

    def __init__(self, definition: Definition, offset: float = 0.0) -> None:
        self.now = 0.0
        self.offset = offset
        self.primed = False
        self.fails = False
        self.records: list[dict[str, Any]] = []
        self.runtime = Runtime(
            definition,
            actions={"start_motor": self.start_motor, "note": self.note},
            guards={"primed": lambda event: self.primed},
            clock=lambda: self.now + self.offset,
            observer=lambda record: self.records.append(dict(record)),
        )

    def start_motor(self, event: Event) -> None:
        if self.fails:
            raise OSError(5, "no current")
        self.runtime.post(Event("turns", {"speed": 3}, "tachometer"))

    def note(self, event: Event) -> None:
        """Nothing but a record."""

    def step(self, move: tuple[str, bool, bool]) -> str:
        what, self.primed, self.fails = move
        try:
            if what == "wait":
                self.now += 1.5
                self.runtime.expire(self.now + self.offset)
            elif what == "deliver":
                self.runtime.deliver()
            else:
                self.runtime.post(Event(what, {"by": ["somebody", 1]}))
        except MachineError as error:
            return str(error)
        return ""

    def woken(self) -> Bench:
        """Another one that goes on from a snapshot which went through JSON, on a clock of another boot."""
        data = json.loads(json.dumps(self.runtime.snapshot().as_data()))
        other = Bench(PUMP, offset=self.offset + 1000.0)
        other.now = self.now
        other.runtime.restore(from_data(data, PUMP))
        return other

    def told(self, since: int = 0) -> list[dict[str, Any]]:
        return [{key: value for key, value in record.items() if key != "t"} for record in self.records[since:]]


RARELY = st.sampled_from((False,) * 5 + (True,))


def replayed(bench: Bench) -> Replay:
    """The records of a run as a tape, fed back through the definition."""
    lines: list[str] = []
    tape = Tape(PUMP, lambda: bench.records[0]["t"], lines.append)
    for record in bench.records:
        tape(record)
    return replay(PUMP, TapeReader(iter(line.encode() + b"\n" for line in lines)))


MOVES = st.tuples(st.sampled_from(("press", "flood", "wait", "deliver", "deliver")), st.booleans(), RARELY)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(MOVES, max_size=25), st.lists(MOVES, max_size=25))
def test_a_woken_runtime_goes_on_as_the_one_that_never_slept(before: list[Any], after: list[Any]) -> None:
    awake = Bench(PUMP)
    awake.runtime.start()
    for move in before:
        awake.step(move)
    since = len(awake.records)
    woken = awake.woken()
    assert woken.runtime.snapshot() == awake.runtime.snapshot()
    for move in [*after, ("deliver", True, False)]:
        assert woken.step(move) == awake.step(move)
        assert woken.runtime.state == awake.runtime.state
        left = [bench.runtime.next_deadline() for bench in (woken, awake)]
        assert (left[0] is None) == (left[1] is None)
        assert left[0] is None or left[1] is None or left[0] - left[1] == pytest.approx(1000.0)
    assert woken.told(1) == awake.told(since)
    assert woken.runtime.ending == awake.runtime.ending
    for bench in (awake, woken):
        assert replayed(bench).difference is None


def test_time_that_passed_while_it_slept_counts_when_it_is_told() -> None:
    bench = Bench(PUMP)
    bench.runtime.start()
    bench.runtime.handle(Event("press"))
    other = Bench(PUMP)
    other.runtime.restore(bench.runtime.snapshot(), elapsed=1.5)
    assert other.runtime.next_deadline() == 0.5
    late = Bench(PUMP)
    late.runtime.restore(bench.runtime.snapshot(), elapsed=60.0)
    assert late.runtime.expire(0.0)
    late.runtime.deliver()
    dropped = [record["event"] for record in late.records if record["kind"] == "drop"]
    assert (late.runtime.state, dropped) == ("off", ["ran_dry"]), "both were due, and the earlier one went first"


def test_a_failure_is_remembered_as_its_text() -> None:
    bench = Bench(PUMP)
    bench.runtime.start()
    bench.fails = True
    bench.runtime.handle(Event("press"))
    assert isinstance(bench.runtime.fault, OSError)
    woken = bench.woken()
    assert "no current" in str(woken.runtime.fault)
    assert woken.runtime.ending == bench.runtime.ending


def test_half_a_transition_is_not_kept() -> None:
    bench = Bench(PUMP)
    seen: list[str] = []

    def start_motor(event: Event) -> None:
        with pytest.raises(MachineError, match="start_motor is running"):
            bench.runtime.snapshot()
        seen.append(event.name)

    bench.runtime = Runtime(
        PUMP,
        actions={"start_motor": start_motor, "note": bench.note},
        guards={"primed": lambda event: True},
        clock=lambda: 0.0,
    )
    bench.runtime.start()
    bench.runtime.handle(Event("press"))
    assert seen == ["press"]


def test_only_a_fresh_runtime_can_be_restored() -> None:
    bench = Bench(PUMP)
    bench.runtime.start()
    with pytest.raises(MachineError, match="runs already"):
        bench.runtime.restore(bench.runtime.snapshot())


def good() -> Any:
    bench = Bench(PUMP)
    bench.runtime.start()
    bench.runtime.handle(Event("press"))
    bench.runtime.handle(Event("flood"))
    bench.runtime.post(Event("press"))
    return json.loads(json.dumps(bench.runtime.snapshot().as_data()))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("format",), 2, "format 1, not 2"),
        (("machine",), "lamp", "of machine lamp 4, the definition is pump 4"),
        (("version",), 3, "of machine pump 3"),
        (("state",), "of", "snapshot.state: the definition has no 'of' there"),
        (("entered",), "1", "snapshot.entered: a whole number is wanted"),
        (("inbox",), {}, "snapshot.inbox: a list is wanted"),
        (("inbox", 0, "event"), "pres", "snapshot.inbox[0].event: the definition has no 'pres' there"),
        (("inbox", 0, "data"), 1, "snapshot.inbox[0].data: an object is wanted"),
        (("deferred", 0, "rank"), True, "snapshot.deferred[0].rank: a whole number is wanted"),
        (("deadlines", 0, "left"), float("nan"), "snapshot.deadlines[0].left: a number is wanted"),
        (("deadlines", 0, "event"), "press", "snapshot.deadlines[0].event: the definition has no 'press' there"),
        (("verdict",), ["worn"], "snapshot.verdict: 2 texts are wanted"),
        (("fault",), 1, "snapshot.fault: a text is wanted"),
    ],
)
def test_what_does_not_fit_is_named(path: tuple[str | int, ...], value: object, says: str) -> None:
    data = good()
    from_data(data, PUMP)
    broken = copy.deepcopy(data)
    owner = broken
    for part in path[:-1]:
        owner = owner[part]
    owner[path[-1]] = value
    with pytest.raises(SnapshotError) as caught:
        from_data(broken, PUMP)
    assert says in str(caught.value)
    del owner[path[-1]]
    if isinstance(path[-1], str):
        with pytest.raises(SnapshotError, match="is missing"):
            from_data(broken, PUMP)


@pytest.mark.parametrize("data", [None, [], "", 1, {}])
def test_what_is_no_snapshot_is_refused(data: object) -> None:
    with pytest.raises(SnapshotError):
        from_data(data, PUMP)

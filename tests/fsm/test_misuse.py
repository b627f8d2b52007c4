"""Calls that can't be meant: each gets an error of ours that says what is wanted, and leaves the machine as it was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from scxlife.fsm import (
    Driver,
    Event,
    MachineError,
    Misuse,
    Runtime,
    SelectWaiter,
    SnapshotError,
    Sources,
    Tape,
    UnknownName,
    loads,
)
from scxlife.fsm.snapshot import from_data

DEFINITION = loads("""\
format: 1
machine: door
version: 1
initial: shut
settings: {patience: {value: 1s}}
sources: {bell: bell}
guards: {locked: there is a key in it}
actions: {creak: it makes a noise}
events:
  push: {source: caller}
  ring: {source: bell}
  late: {timer: patience}
  fault: {source: action}
states:
  shut: {sources: bell, deadlines: late}
  open: {no-deadline: it rests}
  broken: {final: broken}
outcomes: {broken: {}}
rows:
  - {in: shut, on: push, unless: locked, to: open, do: creak}
  - {in: open, on: push, to: shut}
  - {in: shut, on: late, to: open}
  - {in: "*", on: fault, to: broken}
ignore:
  - {in: "*", on: "*", because: it is a door}
""")


def door(creak: Any = None, locked: Any = None, **more: Any) -> Runtime:
    return Runtime(
        DEFINITION,
        actions={"creak": (lambda event: None) if creak is None else creak},
        guards={"locked": (lambda event: False) if locked is None else locked},
        clock=lambda: 0.0,
        **more,
    )


def started(**around: Any) -> Runtime:
    runtime = door(**around)
    runtime.start()
    return runtime


# -- a step inside a step --------------------------------------------------------------------------------------

NESTED: dict[str, Callable[[Runtime], object]] = {
    "handle()": lambda runtime: runtime.handle(Event("push")),
    "deliver()": lambda runtime: runtime.deliver(),
    "start()": lambda runtime: runtime.start(),
    "restore()": lambda runtime: runtime.restore(started().snapshot()),
    "expire()": lambda runtime: runtime.expire(9.0),
}


@pytest.mark.parametrize("call", NESTED)
def test_an_action_that_begins_another_step_has_failed(call: str) -> None:
    runtime = started(creak=lambda event: NESTED[call](runtime))
    runtime.handle(Event("push"))
    assert isinstance(runtime.fault, MachineError)
    assert f"action 'creak' calls {call}" in str(runtime.fault)
    assert runtime.ending is not None
    assert (runtime.ending.outcome, runtime.ending.noted_in) == ("broken", "open")


@pytest.mark.parametrize("call", NESTED)
def test_a_guard_that_begins_another_step_has_failed(call: str) -> None:
    runtime = started(locked=lambda event: NESTED[call](runtime))
    runtime.handle(Event("push"))
    assert f"guard 'locked' calls {call}" in str(runtime.fault)


@pytest.mark.parametrize("call", NESTED)
def test_an_observer_can_not_begin_another_step(call: str) -> None:
    def observe(record: Any) -> None:
        if record["kind"] == "step":
            NESTED[call](runtime)

    runtime = started(observer=observe)
    with pytest.raises(MachineError, match=r"an observer calls \w+\(\) while an event is delivered"):
        runtime.handle(Event("push"))


def test_an_entry_action_can_not_start_its_machine_again() -> None:
    definition = loads("""\
format: 1
machine: lamp
version: 1
initial: lit
actions: {shine: it is lit}
events: {fault: {source: action}}
states: {lit: {entry: shine, no-deadline: it rests}}
ignore: [{in: "*", on: fault, because: it is a lamp}]
""")
    runtime = Runtime(definition, actions={"shine": lambda event: runtime.start()}, guards={}, clock=lambda: 0.0)
    runtime.start()
    assert "calls start()" in str(runtime.fault)
    assert runtime.entered == 1


def test_after_an_observer_has_raised_the_next_step_is_a_whole_one() -> None:
    full = [True]

    def observe(record: Any) -> None:
        if record["kind"] == "step" and full[0]:
            raise OSError(28, "no space left")

    done: list[Event] = []
    runtime = started(creak=done.append, observer=observe)
    with pytest.raises(OSError, match="no space left"):
        runtime.handle(Event("push"))
    assert runtime.state == "shut"
    full[0] = False
    runtime.handle(Event("push"))
    assert (runtime.state, runtime.entered, len(done)) == ("open", 2, 1)


# -- what does not run when it is called -----------------------------------------------------------------------


async def waits(event: Event) -> bool:
    return False


def yields(event: Event) -> Any:
    yield event


class Waits:
    async def __call__(self, event: Event) -> bool:
        return False

    async def method(self, event: Event) -> bool:
        return False


@pytest.mark.parametrize("kind", ["creak", "locked"])
@pytest.mark.parametrize("function", [waits, yields, Waits(), Waits().method, functools.partial(waits)])
def test_what_a_call_would_not_run_is_refused_when_it_is_given(kind: str, function: Any) -> None:
    with pytest.raises(Misuse, match=f"'{kind}' is an `async def` or a generator"):
        door(**{kind: function})


@pytest.mark.parametrize("kind", ["creak", "locked"])
def test_what_gives_something_to_await_has_failed(kind: str) -> None:
    runtime = started(**{kind: lambda event: waits(event)})
    runtime.handle(Event("push"))
    assert isinstance(runtime.fault, Misuse)
    assert runtime.ending is not None


# -- each public function --------------------------------------------------------------------------------------

SNAPSHOT = started().snapshot()
SOME: Any = object()
PARTS: dict[str, Any] = {"actions": {"creak": print}, "guards": {"locked": print}, "clock": print}


def kept(**changes: Any) -> dict[str, Any]:
    return {**SNAPSHOT.as_data(), **changes}


def letter(**changes: Any) -> dict[str, Any]:
    return {"event": "push", "data": {}, "cause": "", "rank": 0, "order": 1, "entry": 0, **changes}


CALLS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "Runtime of a file's name": (lambda: Runtime(SOME, **PARTS), Misuse, "wants a Definition"),
    "clock that is a number": (lambda: Runtime(DEFINITION, **{**PARTS, "clock": 1.0}), Misuse, "clock= is a function"),
    "observer that is a list": (lambda: door(observer=[]), Misuse, "observer= is a function"),
    "actions in a list": (lambda: Runtime(DEFINITION, **{**PARTS, "actions": [print]}), Misuse, "actions= maps"),
    "guards that are None": (lambda: Runtime(DEFINITION, **{**PARTS, "guards": None}), Misuse, "guards= maps"),
    "an action that is a text": (lambda: door(creak="creak"), Misuse, "action 'creak' is to be a function"),
    "an action too many": (
        lambda: Runtime(DEFINITION, **{**PARTS, "actions": {"creak": print, 5: print}}),
        UnknownName,
        "'5' is given and not declared",
    ),
    "post of a name": (lambda: started().post("push"), Misuse, r"post\(Event\('push'\)\)"),  # type: ignore[arg-type]
    "post of None": (lambda: started().post(SOME), Misuse, r"post\(Event\(\"name\"\)\)"),
    "handle of a name": (lambda: started().handle("push"), Misuse, "Event"),  # type: ignore[arg-type]
    "an event with no name": (lambda: started().post(Event([])), Misuse, "name of an event"),  # type: ignore[arg-type]
    "an event with a list": (lambda: started().post(Event("push", [])), Misuse, "data of event 'push'"),  # type: ignore[arg-type]
    "expire without a moment": (lambda: started().expire(SOME), Misuse, "monotonic seconds"),
    "expire at no number": (lambda: started().expire(float("nan")), Misuse, "monotonic seconds"),
    "expire at too much": (lambda: started().expire(10**400), Misuse, "monotonic seconds"),
    "restore of data": (lambda: door().restore(kept()), Misuse, "from_data"),  # type: ignore[arg-type]
    "elapsed that is a text": (lambda: door().restore(SNAPSHOT, elapsed="1s"), Misuse, "elapsed="),  # type: ignore[arg-type]
    "snapshot without definition": (lambda: from_data(kept(), SOME), Misuse, "definition"),
    "snapshot before any state": (lambda: from_data(kept(entered=0), DEFINITION), SnapshotError, "entered"),
    "snapshot of another rank": (lambda: from_data(kept(inbox=[letter(rank=1)]), DEFINITION), SnapshotError, "rank"),
    "snapshot with one number twice": (
        lambda: from_data(kept(order=2, inbox=[letter()], deferred=[letter()]), DEFINITION),
        SnapshotError,
        "a number of its own",
    ),
    "snapshot with an endless time": (
        lambda: from_data(kept(deadlines=[{"event": "late", "left": 10**400}]), DEFINITION),
        SnapshotError,
        "a number is wanted",
    ),
    "Sources of a definition": (lambda: Sources(DEFINITION, {}), Misuse, "want a Runtime"),  # type: ignore[arg-type]
    "sources in a list": (lambda: Sources(door(), []), Misuse, "sources= maps"),  # type: ignore[arg-type]
    "a source that is misspelt": (lambda: Sources(door(), {"bel": SOME}), UnknownName, "did you mean 'bell'"),
    "a source instead of its factory": (lambda: Sources(door(), {"bell": SOME}), Misuse, "factory of source 'bell'"),
    "delivered that is None": (lambda: Sources(door(), {}, delivered=SOME), Misuse, "delivered="),
    "wake without a moment": (lambda: Sources(door(), {}).wake((), SOME), Misuse, "monotonic seconds"),
    "begin with a name": (lambda: Sources(door(), {}).begin("push"), Misuse, "Event"),  # type: ignore[arg-type]
    "Driver without a waiter": (lambda: Driver(door(), {}, SOME), Misuse, "SelectWaiter"),
    "Driver with a class": (lambda: Driver(door(), SOME, SelectWaiter()), Misuse, "sources= maps"),
    "Tape of a file": (lambda: Tape(SOME, lambda: 0.0), Misuse, "definition"),
    "Tape without a clock": (lambda: Tape(DEFINITION, SOME), Misuse, "monotonic seconds"),
    "Tape into a list": (lambda: Tape(DEFINITION, lambda: 0.0, []), Misuse, "reads a tape"),  # type: ignore[arg-type]
    "a record without a kind": (lambda: Tape(DEFINITION, lambda: 0.0)({"t": 0.0}), Misuse, "record"),
    "a record without a moment": (lambda: Tape(DEFINITION, lambda: 0.0)({"kind": "note"}), Misuse, "record"),
    "wake without descriptors": (lambda: Sources(door(), {}).wake(SOME, 0.0), Misuse, "descriptors"),
    "a snapshot made by hand": (
        lambda: door().restore(attrs.evolve(SNAPSHOT, inbox=(SOME,))),
        SnapshotError,
        "not made by snapshot",
    ),
    "a snapshot of another machine": (
        lambda: door().restore(attrs.evolve(SNAPSHOT, machine="gate")),
        SnapshotError,
        "of machine gate",
    ),
    "a record that is a line": (lambda: Tape(DEFINITION, lambda: 0.0)("{}"), Misuse, "record"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", CALLS)
def test_misuse_says_what_is_wanted(call: str) -> None:
    wrong, error, text = CALLS[call]
    with pytest.raises(error, match=text) as raised:
        wrong()
    assert "\n" not in str(raised.value)


def test_what_was_refused_leaves_the_machine_as_it_was() -> None:
    records: list[Any] = []
    runtime = started(observer=records.append)
    before, told = runtime.snapshot(), len(records)
    for wrong in ("push", Event("pusch"), Event("push", []), Event("late")):  # type: ignore[arg-type]
        with pytest.raises((Misuse, KeyError, MachineError)):
            runtime.handle(wrong)  # type: ignore[arg-type]
    assert runtime.snapshot() == before
    assert len(records) == told

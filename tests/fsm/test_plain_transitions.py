"""`transitions` used plainly: where the runtime does the same, and each place where it does not, on purpose."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from transitions import Machine, State
from transitions import MachineError as PlainError
from transitions.extensions.states import Timeout, add_state_features

from scxlife.fsm.definition import IMPOSSIBLE, REJECT, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.problems import DefinitionError
from scxlife.fsm.runtime import MachineError, Runtime

from .definitions import texts


class Thing:
    """What a plain machine works on."""

    state: str


# -- the same --------------------------------------------------------------------------------------------------


def plainly(definition: Definition, call: Callable[[str], None], holds: Callable[[str], bool]) -> tuple[Machine, Any]:
    """A `transitions.Machine` that is built from the definition as its own documentation shows it, and its model."""

    def calls(names: Iterable[str]) -> list[Any]:
        return [partial(call, name) for name in names]

    thing = Thing()
    machine = Machine(
        thing,
        [State(state.name, calls(state.entry), calls(state.exit)) for state in definition.states.values()],
        initial=definition.initial,
        auto_transitions=False,
        ignore_invalid_triggers=False,
    )
    for (state, event), cell in definition.cells.items():
        for branch in cell:
            decision = branch.decision
            if decision.kind in (REJECT, IMPOSSIBLE):
                continue  # what is not there is refused
            machine.add_transition(
                event,
                state,
                None if decision.internal else decision.target,
                conditions=[partial(holds, name) for name, wanted in branch.guards if wanted],
                unless=[partial(holds, name) for name, wanted in branch.guards if not wanted],
                before=calls(decision.actions) if decision.internal else [],
            )
    return machine, thing


def test_both_go_the_same_way_call_the_same_and_refuse_the_same() -> None:
    seen: Counter[str] = Counter()

    @settings(derandomize=True, database=None, deadline=None, max_examples=400)
    @given(texts(plain=True), st.lists(st.binary(min_size=2, max_size=2), min_size=5, max_size=30))
    def holds(text: str, day: list[bytes]) -> None:
        note(text)
        seen.update(same_day(loads(text), day))

    holds()
    assert all(seen[kind] for kind in ("went", "came back", "stayed", "refused", "refused by its guards", "ended")), (
        seen
    )


def same_day(definition: Definition, day: list[bytes]) -> list[str]:
    """Events and the guards' answers, told to both. What kinds of things happened."""
    answers: dict[str, bool] = {}
    ours: list[str] = []
    theirs: list[str] = []
    runtime = Runtime(
        definition,
        actions={name: lambda event, name=name: ours.append(name) for name in definition.actions},  # type: ignore[misc]
        guards={name: lambda event, name=name: answers[name] for name in definition.guards},  # type: ignore[misc]
        clock=lambda: 0.0,
    )
    machine, thing = plainly(definition, theirs.append, answers.__getitem__)
    runtime.start()
    ours.clear()  # transitions does not enter the initial state
    seen = []
    for number, bits in day:
        event = list(definition.events)[number % len(definition.events)]
        answers.update({name: bool(bits >> n & 1) for n, name in enumerate(definition.guards)})
        note(f"{event} {answers}")
        before = runtime.state
        refused = kind = ""
        try:
            runtime.handle(Event(event))
        except MachineError:
            refused = "refused"
        try:
            if event not in machine.events:  # no transition names it, and transitions calls it unknown
                raise PlainError(event)
            kind = "" if thing.trigger(event) else "refused by its guards"
        except PlainError:
            kind = "refused"
        assert (runtime.state, ours, bool(refused)) == (thing.state, theirs, bool(kind))
        row = definition.cells[before, event][-1].decision
        stayed = "stayed" if row.internal else "came back"
        seen.append(kind or ("went" if runtime.state != before else stayed))
        if runtime.ending is not None:
            return [*seen, "ended"]
    return seen


# -- not the same ----------------------------------------------------------------------------------------------

LIGHT = """\
format: 1
machine: light
version: 1
initial: dark
settings: {patience: {value: 1000s}}
actions:
  glow: it lights up
  fade: less light
events:
  fault: {source: action, rank: 10}
  seen: {source: caller}
  warm: {source: caller}
  press: {source: caller}
  late: {timer: patience}
states:
  dark: {entry: fade, no-deadline: it rests}
  lit: {entry: glow, exit: fade, deadlines: late}
  broken: {no-deadline: it rests}
rows:
  - {in: dark, on: press, to: lit}
  - {in: lit, on: press, to: lit}
  - {in: lit, on: late, to: dark}
  - {in: lit, on: fault, to: broken}
  - {in: broken, on: press, to: dark}
ignore:
  - {in: "*", on: [fault, seen, warm], because: nothing follows}
"""


class Light:
    """A runtime of the light; `glow` does as it is told, and all that is delivered is noted."""

    def __init__(self, *glow: Callable[[Light], None]) -> None:
        self.done: list[str] = []
        self.delivered: list[str] = []

        def glows(event: Event) -> None:
            self.done.append("glow")
            for part in glow:
                part(self)

        self.runtime = Runtime(
            loads(LIGHT),
            actions={"glow": glows, "fade": lambda event: self.done.append("fade")},
            guards={},
            clock=lambda: 0.0,
            observer=lambda record: self.delivered.append(record["event"]) if record["kind"] == "step" else None,
        )
        self.runtime.start()


def says(name: str) -> Callable[[Light], None]:
    return lambda light: light.runtime.post(Event(name))


def fails(light: Light) -> None:
    raise OSError(5, "no bulb")


def test_an_exception_on_entering_leaves_a_transition_half_made() -> None:
    """The state is the new one, what stands behind it was not done, and nobody but the caller knows."""

    def glow() -> None:
        raise OSError(5, "no bulb")

    done: list[str] = []
    thing: Any = Thing()
    machine = Machine(thing, [State("dark"), State("lit", on_enter=[glow])], initial="dark")
    machine.add_transition("press", "dark", "lit", after=[lambda: done.append("after")])
    with pytest.raises(OSError, match="no bulb"):
        thing.press()
    assert (thing.state, done) == ("lit", [])

    light = Light(fails)
    light.runtime.handle(Event("press"))
    assert light.delivered == ["press", "fault"]
    assert light.runtime.state == "broken"


def test_a_queue_loses_every_event_behind_an_exception() -> None:
    thing: Any = Thing()

    def glow() -> None:
        thing.seen()
        thing.warm()
        raise OSError(5, "no bulb")

    machine = Machine(thing, [State("dark"), State("lit", on_enter=[glow]), "hot"], initial="dark", queued=True)
    machine.add_transition("press", "dark", "lit")
    machine.add_transition("seen", "lit", "hot")
    machine.add_transition("warm", "*", "hot")
    with pytest.raises(OSError, match="no bulb"):
        thing.press()
    assert thing.state == "lit"

    light = Light(says("seen"), says("warm"), fails)
    light.runtime.handle(Event("press"))
    assert light.delivered == ["press", "seen", "warm", "fault"]


def test_the_queue_is_the_machines_and_not_the_models() -> None:
    """What one model is told waits for the other's transition, and is lost with it."""
    first: Any = Thing()
    second: Any = Thing()
    answers: list[object] = []

    def glow() -> None:
        if first.state == "lit" and not answers:
            answers.append((second.press(), second.state))
            raise OSError(5, "no bulb")

    machine = Machine([first, second], [State("dark"), State("lit", on_enter=[glow])], initial="dark", queued=True)
    machine.add_transition("press", "dark", "lit")
    with pytest.raises(OSError, match="no bulb"):
        first.press()
    assert answers == [(True, "dark")]
    assert second.state == "dark"

    neighbour = Light()
    states: list[str] = []

    def tell_the_neighbour(light: Light) -> None:
        neighbour.runtime.handle(Event("press"))
        states.append(neighbour.runtime.state)

    light = Light(tell_the_neighbour, fails)
    light.runtime.handle(Event("press"))
    assert states == ["lit"]
    assert (light.runtime.state, neighbour.runtime.state) == ("broken", "lit")


def test_a_name_that_is_nowhere_is_accepted_until_it_is_fired() -> None:
    thing: Any = Thing()
    machine = Machine(thing, ["dark", State("lit", on_enter=["glwo"])], initial="dark")
    machine.add_transition("press", "dark", "lti")
    machine.add_transition("push", "dark", "lit")
    with pytest.raises(ValueError, match="lti"):
        thing.press()
    with pytest.raises(AttributeError, match="glwo"):
        thing.push()
    assert thing.state == "lit"

    with pytest.raises(DefinitionError, match="unknown state 'lti'; did you mean 'lit'"):
        loads(LIGHT.replace("{in: dark, on: press, to: lit}", "{in: dark, on: press, to: lti}"))
    with pytest.raises(KeyError, match="glow"):
        Runtime(loads(LIGHT), actions={"glwo": print, "fade": print}, guards={}, clock=lambda: 0.0)


def test_of_two_transitions_for_one_event_the_first_is_taken_without_a_word() -> None:
    thing: Any = Thing()
    machine = Machine(thing, ["dark", "lit", "broken"], initial="dark")
    machine.add_transition("press", "dark", "lit")
    machine.add_transition("press", "dark", "broken")
    thing.press()
    assert thing.state == "lit"

    twice = LIGHT.replace("rows:\n", "rows:\n  - {in: dark, on: press, to: broken}\n")
    with pytest.raises(DefinitionError, match="overlapping-rows"):
        loads(twice)


def test_conditions_that_leave_nothing_to_do_are_a_return_value() -> None:
    thing: Any = Thing()
    machine = Machine(thing, ["dark", "lit"], initial="dark")
    machine.add_transition("press", "dark", "lit", conditions=[lambda: False])
    assert thing.press() is False

    guarded = LIGHT.replace("{in: dark, on: press, to: lit}", "{in: dark, on: press, if: plugged, to: lit}")
    with pytest.raises(DefinitionError, match="no row when not plugged"):
        loads(guarded.replace("actions:", "guards: {plugged: is it?}\nactions:"))


def test_a_timeout_is_a_thread_for_each_entering() -> None:
    @add_state_features(Timeout)
    class Timed(Machine):
        pass

    thing: Any = Thing()
    states: list[dict[str, Any]] = [{"name": "dark"}, {"name": "lit", "timeout": 1000, "on_timeout": [lambda: None]}]
    machine = Timed(thing, states, initial="dark")
    machine.add_transition("press", "dark", "lit")
    before = set(threading.enumerate())
    thing.press()
    started = set(threading.enumerate()) - before
    thing.to_dark()  # leaving cancels it
    for thread in started:
        thread.join()
    assert len(started) == 1

    light = Light()
    before = set(threading.enumerate())
    light.runtime.handle(Event("press"))
    assert set(threading.enumerate()) == before
    assert light.runtime.next_deadline() == 1000.0


def test_every_event_and_state_puts_names_on_the_model_and_leaves_alone_what_is_there() -> None:
    class Switch(Thing):
        def press(self) -> str:
            return "a method of its own"

    thing: Any = Switch()
    machine = Machine(thing, ["dark", "lit"], initial="dark")
    machine.add_transition("press", "dark", "lit")
    assert {"to_lit", "is_lit", "may_press", "trigger"} <= set(vars(thing))
    assert (thing.press(), thing.state) == ("a method of its own", "dark")

    machine = Machine(Thing(), ["dark", "lit"], initial="dark")
    with pytest.raises(ValueError, match="Trigger name cannot be same as model attribute"):
        machine.add_transition("state", "dark", "lit")

    text = LIGHT.replace("press", "post").replace("broken", "trigger").replace("late", "state")
    runtime = Runtime(
        loads(text), actions={"glow": lambda event: None, "fade": lambda event: None}, guards={}, clock=lambda: 0.0
    )
    assert {name for name in vars(runtime) if not name.startswith("_")} == {"definition", "ending", "fault", "wake"}
    runtime.start()
    runtime.handle(Event("post"))
    runtime.expire(1000.0)
    runtime.deliver()
    assert runtime.state == "dark"


def test_the_initial_state_is_not_entered() -> None:
    done: list[str] = []
    Machine(Thing(), [State("dark", on_enter=[lambda: done.append("fade")])], initial="dark")
    assert done == []

    assert Light().done == ["fade"]


def test_a_transition_into_the_same_state_leaves_and_enters_it_and_one_to_nowhere_does_not() -> None:
    """Alike in both; only that `dest=None` and `dest="="` are easily mistaken for each other: here it is whether the
    row has a `to`."""
    done: list[str] = []
    thing: Any = Thing()
    lit = State("lit", on_enter=[lambda: done.append("glow")], on_exit=[lambda: done.append("fade")])
    machine = Machine(thing, [lit], initial="lit")
    machine.add_transition("press", "lit", "=")
    machine.add_transition("touch", "lit", None)
    thing.touch()
    assert done == []
    thing.press()
    assert done == ["fade", "glow"]

    light = Light()
    light.runtime.handle(Event("press"))
    light.done.clear()
    light.runtime.handle(Event("press"))
    assert light.done == ["fade", "glow"]
    stays = loads(LIGHT.replace("{in: lit, on: press, to: lit}", "{in: lit, on: press, do: fade}"))
    assert [branch.decision.actions for branch in stays.cells["lit", "press"]] == [("fade",)]

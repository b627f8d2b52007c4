"""The runtime on transitions, held against the pure `decide` of the same definition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import Definition
from scxlife.fsm.events import Event
from scxlife.fsm.frozen import freeze, thaw
from scxlife.fsm.loader import loads
from scxlife.fsm.runtime import MAX_IMMEDIATE, MachineError, Refused, Runtime, UnknownName
from scxlife.lifecycle.options import shipped

SCHEDULER = shipped()


class Bench:
    """A runtime with a clock that is set by hand, actions that are only written down, guards that are given."""

    def __init__(self, definition: Definition, failing: str = "") -> None:
        self.now = 0.0
        self.records: list[dict[str, Any]] = []
        self.guards: dict[str, bool] = dict.fromkeys(definition.guards, False)
        self.done: list[str] = []

        def action(name: str) -> Any:
            def act(event: Event) -> None:
                self.done.append(name)
                if name == failing:
                    raise OSError(5, "no luck")

            return act

        self.runtime = Runtime(
            definition,
            actions={name: action(name) for name in definition.actions},
            guards={name: lambda event, name=name: self.guards[name] for name in definition.guards},
            clock=lambda: self.now,
            observer=lambda record: self.records.append(dict(record)),
        )
        self.runtime.start()

    def dropped(self) -> list[str]:
        return [record["event"] for record in self.records if record["kind"] == "drop"]


TIME_PASSES = "time passes"
MOVES = [*sorted(name for name, event in SCHEDULER.events.items() if event.timer is None), TIME_PASSES]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(MOVES), st.fixed_dictionaries(
            {name: st.booleans() for name in SCHEDULER.guards}
        )),
        max_size=30,
    )
)  # fmt: skip
def test_the_live_machine_and_decide_agree_on_every_step(sequence: list[tuple[str, dict[str, bool]]]) -> None:
    bench = Bench(SCHEDULER)
    runtime = bench.runtime
    runtime.handle(Event("start"))
    for name, guards in sequence:
        if runtime.ending is not None:
            break
        bench.guards = guards
        before, heard = runtime.state, len(bench.records)
        try:
            if name == TIME_PASSES:
                bench.now = runtime.next_deadline() or bench.now
                runtime.expire(bench.now)
                runtime.deliver()
            else:
                runtime.handle(Event(name, {"exit": None}))
        except MachineError:
            assert decide(SCHEDULER, before, name, guards).kind in ("impossible", "reject")
        for step in (record for record in bench.records[heard:] if record["kind"] == "step"):
            decision = decide(SCHEDULER, step["state"], step["event"], guards)
            expected = (decision.kind, decision.target, decision.actions, decision.verdict)
            assert (step["cell"], step["to"], step["do"], step["verdict"]) == expected
            before = step["to"]
        assert runtime.state == before


def test_a_frozen_definition_thaws_to_its_equal() -> None:
    assert thaw(freeze(SCHEDULER)) == SCHEDULER


LAMP = """\
format: 1
machine: lamp
version: 1
initial: dark
settings: {burn: {value: 2s}, never: {value: null}}
sources: {wall: switch}
outcomes: {dead: {}}
actions: {glow: light, cool: less light, buzz: noise}
events:
  fault: {source: action}
  press: {source: caller}
  hit: {source: caller, rank: -1}
  spark: {source: wall}
  out: {timer: burn}
  bored: {timer: never}
states:
  dark: {sources: wall, exit: buzz, no-deadline: it rests}
  lit: {entry: glow, exit: cool, deadlines: [out, bored]}
  shaken: {no-deadline: it recovers when pressed}
  gone: {final: dead}
rows:
  - {in: dark, on: press, to: lit}
  - {in: dark, on: spark, to: lit}
  - {in: lit, on: press, to: dark, do: buzz}
  - {in: lit, on: out, to: dark}
  - {in: lit, on: bored, to: gone}
  - {in: dark, on: hit, to: gone}
  - {in: lit, on: fault, to: shaken}
  - {in: shaken, on: press, to: dark}
defer:
  - {in: lit, on: hit, because: later}
reject:
  - {in: shaken, on: hit, because: enough}
ignore:
  - {in: [dark, shaken], on: fault, because: nothing acts}
"""
LAMP_DEFINITION = loads(LAMP)


def test_actions_run_in_the_order_exit_row_entry() -> None:
    bench = Bench(LAMP_DEFINITION)
    bench.runtime.handle(Event("press"))
    bench.runtime.handle(Event("press"))
    assert bench.done == ["buzz", "glow", "cool", "buzz"]


def test_a_deadline_fires_once_and_is_cancelled_by_leaving() -> None:
    bench = Bench(LAMP_DEFINITION)
    runtime = bench.runtime
    runtime.handle(Event("press"))
    assert runtime.next_deadline() == 2.0
    bench.now = 1.0
    runtime.handle(Event("press"))
    assert runtime.next_deadline() is None
    runtime.handle(Event("press"))
    assert runtime.next_deadline() == 3.0
    assert not runtime.expire(2.9)
    assert runtime.expire(3.0)
    runtime.deliver()
    assert runtime.state == "dark"


def test_a_deadline_that_waits_in_the_inbox_is_dropped_when_its_state_is_left_first() -> None:
    """Death beats deadline even when both are already in the inbox."""
    bench = Bench(LAMP_DEFINITION)
    bench.runtime.handle(Event("press"))
    bench.runtime.post(Event("press"))
    bench.runtime.expire(2.0)
    bench.runtime.deliver()
    assert (bench.runtime.state, bench.dropped()) == ("dark", ["out"])


def test_a_deadline_may_start_over_under_one_that_does_not() -> None:
    definition = loads("""\
format: 1
machine: wait
version: 1
initial: waiting
settings: {look: {value: 2s}, at_most: {value: 5s}}
guards: {busy: something moves}
events: {looked: {timer: look}, over: {timer: at_most}}
outcomes: {idle: {}, late: {}}
states:
  waiting: {deadlines: [looked, over]}
  idle: {final: idle}
  late: {final: late}
rows:
  - {in: waiting, on: looked, if: busy, again: true}
  - {in: waiting, on: looked, to: idle}
  - {in: waiting, on: over, to: late}
""")
    for busy_until, ending in ((1.0, (2.0, "idle")), (3.0, (4.0, "idle")), (99.0, (5.0, "late"))):
        bench = Bench(definition)
        while bench.runtime.ending is None:
            bench.now = bench.runtime.next_deadline() or 0.0
            bench.guards["busy"] = bench.now < busy_until
            bench.runtime.expire(bench.now)
            bench.runtime.deliver()
        assert (bench.now, bench.runtime.ending.outcome) == ending


def test_the_lower_rank_goes_first_whatever_came_first() -> None:
    bench = Bench(LAMP_DEFINITION)
    bench.runtime.post(Event("press"))
    bench.runtime.post(Event("hit"))
    bench.runtime.deliver()
    assert bench.runtime.state == "gone"


def test_a_deferred_event_comes_back_when_the_state_changes() -> None:
    bench = Bench(LAMP_DEFINITION)
    bench.runtime.handle(Event("press"))
    bench.runtime.handle(Event("hit"))
    assert bench.runtime.state == "lit"
    bench.runtime.handle(Event("press"))
    assert bench.runtime.ending is not None


def test_an_event_whose_source_was_closed_meanwhile_is_dropped() -> None:
    bench = Bench(LAMP_DEFINITION)
    bench.runtime.post(Event("press"))
    bench.runtime.post(Event("spark"))
    bench.runtime.deliver()
    assert (bench.runtime.state, bench.dropped()) == ("lit", ["spark"])


def test_a_failing_action_is_a_fault_of_the_state_it_led_to() -> None:
    bench = Bench(LAMP_DEFINITION, failing="glow")
    bench.runtime.post(Event("press"))
    bench.runtime.deliver()
    assert bench.runtime.state == "shaken"
    assert isinstance(bench.runtime.fault, OSError)
    assert [r["result"] for r in bench.records if r["kind"] == "action"] == ["done", "failed", "done"]


def test_what_stands_behind_a_failed_action_is_not_done() -> None:
    bench = Bench(LAMP_DEFINITION, failing="cool")
    bench.runtime.handle(Event("press"))
    bench.runtime.handle(Event("press"))
    assert bench.done == ["buzz", "glow", "cool"]
    assert [r["result"] for r in bench.records if r["kind"] == "action"][-2:] == ["failed", "skipped"]


def test_a_rejected_event_raises_and_changes_nothing() -> None:
    bench = Bench(LAMP_DEFINITION, failing="glow")
    bench.runtime.handle(Event("press"))
    with pytest.raises(Refused, match="enough"):
        bench.runtime.handle(Event("hit"))
    assert bench.runtime.state == "shaken"


def test_a_guard_that_fails_does_not_hold_and_is_a_fault() -> None:
    definition = loads(LAMP.replace("actions:", "guards: {warm: it is not winter}\nactions:").replace(
        "on: press, to: lit}", "on: press, if: warm, to: lit}").replace(
        "ignore:", "ignore:\n  - {in: dark, on: press, because: it is winter}"))  # fmt: skip
    bench = Bench(definition)
    bench.guards.clear()
    bench.runtime.handle(Event("press"))
    assert bench.runtime.state == "dark"
    assert isinstance(bench.runtime.fault, KeyError)
    kinds = [(record["kind"], record.get("event") or record.get("name")) for record in bench.records[2:]]
    assert kinds == [("step", "press"), ("guard", "warm"), ("event", "fault"), ("step", "fault")]


def test_a_guard_that_fails_where_no_fault_is_declared_changes_nothing() -> None:
    definition = loads("""\
format: 1
machine: door
version: 1
initial: shut
guards: {unlocked: the key was turned}
events: {push: {source: caller}}
states: {shut: {no-deadline: it stays}, open: {no-deadline: it stays}}
rows:
  - {in: shut, on: push, if: unlocked, to: open}
  - {in: open, on: push, to: shut}
ignore: [{in: shut, on: push, because: it is locked}]
""")
    runtime = Runtime(definition, actions={}, guards={"unlocked": lambda event: bool(1 / 0)}, clock=lambda: 0.0)
    runtime.start()
    with pytest.raises(MachineError, match="guard unlocked failed") as caught:
        runtime.handle(Event("push"))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert runtime.state == "shut"


def test_an_action_posts_only_what_it_lists() -> None:
    text = LAMP.replace("buzz: noise}", "buzz: {doc: noise, posts: echo}}")
    text = text.replace("  spark:", "  echo: {source: action}\n  spark:")
    text = text.replace("ignore:", "ignore:\n  - {in: '*', on: echo, because: who listens}")
    definition = loads(text)
    runtimes: list[Runtime] = []

    def speak(event: Event) -> None:
        runtimes[-1].post(Event("echo"))

    for name, kept in (("buzz", True), ("cool", False)):
        silent = dict.fromkeys(definition.actions, lambda event: None)
        runtime = Runtime(definition, actions={**silent, name: speak}, guards={}, clock=lambda: 0.0)
        runtimes.append(runtime)
        runtime.start()
        runtime.handle(Event("press"))
        runtime.handle(Event("press"))
        assert (runtime.fault is None) == kept
        assert kept or "'cool' posts 'echo'" in str(runtime.fault)


def test_a_misspelt_event_says_which_was_meant() -> None:
    bench = Bench(LAMP_DEFINITION)
    with pytest.raises(UnknownName, match=r"no event 'pres' in machine lamp; did you mean 'press'\?"):
        bench.runtime.handle(Event("pres"))


def test_nothing_is_delivered_before_the_start_and_there_is_one_start() -> None:
    silent = dict.fromkeys(LAMP_DEFINITION.actions, lambda event: None)
    runtime = Runtime(LAMP_DEFINITION, actions=silent, guards={}, clock=lambda: 0.0)
    with pytest.raises(MachineError, match="call start"):
        runtime.handle(Event("press"))
    runtime.start()
    with pytest.raises(MachineError, match="already"):
        runtime.start()


def test_events_without_end_are_told_and_a_long_life_is_not() -> None:
    """The bound is on events in one go: between two of these the inbox was empty."""
    bench = Bench(LAMP_DEFINITION)
    for _ in range(MAX_IMMEDIATE):
        bench.runtime.post(Event("press"))
    bench.runtime.deliver()
    for _ in range(MAX_IMMEDIATE + 1):
        bench.runtime.post(Event("press"))
        assert bench.runtime.deliver_one()
        assert not bench.runtime.deliver_one()
    for _ in range(2):
        for _ in range(MAX_IMMEDIATE):
            bench.runtime.post(Event("press"))
        bench.runtime.deliver()
    for _ in range(2 * MAX_IMMEDIATE + 1):
        bench.runtime.post(Event("press"))
    with pytest.raises(MachineError, match="and no end"):
        bench.runtime.deliver()
    # Who goes on all the same has as many again.
    for _ in range(MAX_IMMEDIATE):
        assert bench.runtime.deliver_one()
    with pytest.raises(MachineError, match="and no end"):
        bench.runtime.deliver_one()


def test_a_name_without_a_callable_is_refused_before_it_runs() -> None:
    with pytest.raises(KeyError, match="buzz"):
        Runtime(LAMP_DEFINITION, actions={}, guards={}, clock=lambda: 0.0)


def test_leaving_actions_see_the_old_state_and_entry_actions_the_new_one() -> None:
    definition = loads("""\
format: 1
machine: lamp
version: 1
initial: dark
actions: {cool: on leaving, turn: on the way, shine: on entering}
events: {press: {source: caller}, fault: {source: action}}
states: {dark: {exit: cool, no-deadline: it rests}, lit: {entry: shine, no-deadline: it rests}}
rows:
  - {in: dark, on: press, to: lit, do: turn}
  - {in: lit, on: press, to: dark}
ignore: [{in: "*", on: fault, because: it is a lamp}]
""")
    seen: list[tuple[str, str]] = []

    def note(name: str) -> Any:
        return lambda event: seen.append((name, runtime.state))

    runtime = Runtime(definition, actions={name: note(name) for name in definition.actions}, guards={}, clock=float)
    runtime.start()
    runtime.handle(Event("press"))
    assert seen == [("cool", "dark"), ("turn", "dark"), ("shine", "lit")]

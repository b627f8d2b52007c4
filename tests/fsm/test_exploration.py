"""What walking a machine finds, and that a machine without findings does not contradict itself when it runs."""

from __future__ import annotations

from random import Random

import pytest

from scxlife.fsm.codes import ERROR
from scxlife.fsm.definition import Definition
from scxlife.fsm.events import Event
from scxlife.fsm.lint import check_text
from scxlife.fsm.problems import Problem
from scxlife.fsm.runtime import MachineError, Runtime

HEAD = "format: 1\nmachine: thing\nversion: 1\ninitial: idle\n"
# Work that posts `done`, or fails. Each test says what `done` and `fault` mean where.
WORK = (
    HEAD
    + """\
events: {go: {source: caller}, done: {source: action}, fault: {source: action}}
actions: {work: {posts: done}}
states: {idle: {no-deadline: x}, busy: {no-deadline: x, entry: work}, broken: {no-deadline: x}}
rows:
  - {in: [idle, broken], on: go, to: busy}
  - {in: busy, on: fault, to: broken}
"""
)


def problems(text: str) -> list[Problem]:
    return list(check_text(text).problems)


def errors(text: str) -> list[Problem]:
    return [problem for problem in problems(text) if problem.severity == ERROR]


def codes(text: str) -> list[str]:
    return [problem.code for problem in problems(text)]


def only(text: str) -> Problem:
    (found,) = problems(text)
    return found


# -- impossible, and reached ---------------------------------------------------------------------------------------


def test_what_an_action_posts_reaches_the_state_that_it_leads_to() -> None:
    found = only(
        WORK
        + "ignore: [{in: busy, on: go, because: x}, {in: [idle, broken], on: [done, fault], because: x}]\n"
        + "impossible:\n  - {in: busy, on: done, because: x}\n"
    )
    assert found.code == "impossible-reached"
    assert "idle —go→ busy, then done" in found.message


def test_a_second_post_arrives_where_the_first_has_led() -> None:
    text = (
        HEAD
        + """\
events: {go: {source: caller}, half: {source: action}, done: {source: action}, fault: {source: action}}
actions: {first: {posts: half}, second: {posts: done}}
states: {idle: {no-deadline: x}, busy: {no-deadline: x, entry: [first, second]}, halfway: {no-deadline: x}}
rows:
  - {in: idle, on: go, to: busy}
  - {in: busy, on: [done, fault], to: idle}
  - {in: busy, on: half, to: halfway}
  - {in: halfway, on: [go, fault], to: idle}
ignore:
  - {in: busy, on: go, because: x}
  - {in: idle, on: [half, done, fault], because: x}
  - {in: halfway, on: half, because: x}
impossible:
  - {in: halfway, on: done, because: x}
"""
    )
    assert "busy —half→ halfway, then done" in only(text).message


def test_a_deadline_comes_where_it_is_armed() -> None:
    found = only(
        HEAD
        + """\
events: {go: {source: caller}, out: {timer: t}}
settings: {t: {value: 1s}}
guards: {g: x}
states: {idle: {no-deadline: x}, busy: {deadlines: out}}
rows:
  - {in: idle, on: go, to: busy}
  - {in: busy, on: go, to: idle}
  - {in: busy, on: out, if: g, to: idle}
impossible:
  - {in: busy, on: out, because: g always holds}
"""
    )
    assert (found.code, found.place.line) == ("impossible-reached", 14)
    assert "then out" in found.message


@pytest.mark.parametrize("where", ["entry: work", "exit: work"])
def test_an_action_may_fail_wherever_it_runs(where: str) -> None:
    text = (
        HEAD
        + f"""\
events: {{go: {{source: caller}}, fault: {{source: action}}}}
actions: {{work: x}}
states: {{idle: {{no-deadline: x}}, busy: {{no-deadline: x, {where}}}}}
rows: [{{in: idle, on: go, to: busy}}, {{in: busy, on: go, to: idle}}]
impossible: [{{in: "*", on: fault, because: nothing fails here}}]
"""
    )
    then = "idle —go→ busy, then fault" if "entry" in where else "busy —go→ idle, then fault"
    assert then in only(text).message


def test_a_fault_that_can_not_come_may_be_called_impossible() -> None:
    text = (
        HEAD
        + """\
events: {go: {source: caller}, stop: {source: caller}, fault: {source: action}}
actions: {work: x}
states: {idle: {no-deadline: x}, busy: {no-deadline: x}}
rows:
  - {in: idle, on: go, to: busy, do: work}
  - {in: busy, on: [stop, fault], to: idle}
  - {in: busy, on: go, to: busy}
ignore: [{in: idle, on: stop, because: x}]
impossible: [{in: idle, on: fault, because: nothing acts on the way here}]
"""
    )
    assert problems(text) == []


def test_a_source_that_fails_is_a_fault_of_the_state_that_listens_to_it() -> None:
    text = (
        HEAD
        + """\
events: {ding: {source: bell}, fault: {source: action}}
sources: {bell: gpio}
states: {idle: {no-deadline: x, sources: bell}, busy: {no-deadline: x, sources: bell}}
rows: [{in: idle, on: ding, to: busy}, {in: busy, on: [ding, fault], to: idle}]
impossible: [{in: idle, on: fault, because: a bell never fails}]
"""
    )
    assert only(text).code == "impossible-reached"


def test_a_deferred_event_comes_back_where_it_was_called_impossible() -> None:
    text = (
        HEAD
        + """\
events: {go: {source: caller}, ding: {source: caller}, stop: {source: caller}}
states: {idle: {no-deadline: x}, busy: {no-deadline: x}, rest: {no-deadline: x}}
rows:
  - {in: idle, on: [go, ding], to: busy}
  - {in: busy, on: go, to: rest}
  - {in: busy, on: stop, to: idle}
  - {in: rest, on: [go, stop], to: idle}
defer: [{in: busy, on: ding, because: later}]
ignore: [{in: idle, on: stop, because: x}]
impossible: [{in: rest, on: ding, because: nobody rings while it rests}]
"""
    )
    assert "busy —go→ rest, then ding" in only(text).message


def test_an_action_may_fail_after_it_has_posted() -> None:
    """It posts `done` and fails: `done` leads to idle, and there the fault arrives."""
    text = (
        WORK
        + "  - {in: busy, on: done, to: idle}\n"
        + "ignore: [{in: busy, on: go, because: x}, {in: idle, on: done, because: x}]\n"
        + "impossible:\n  - {in: broken, on: done, because: x}\n  - {in: [idle, broken], on: fault, because: x}\n"
    )
    found = [problem.message for problem in problems(text) if problem.code == "impossible-reached"]
    assert any("idle × fault" in message for message in found), found


SOLD = (
    WORK
    + "  - {in: busy, on: done, to: idle}\n"
    + "ignore: [{in: busy, on: go, because: x}, {in: [idle, broken], on: fault, because: x},"
    + " {in: broken, on: done, because: x}]\n"
    + "impossible: [{in: idle, on: done, because: it comes once}]\n"
)


def test_an_action_posts_one_event_each_time_it_runs() -> None:
    """The runtime refuses a second one, so it is not walked for."""
    assert codes(SOLD) == []


def test_two_actions_may_post_the_same_event() -> None:
    text = SOLD.replace("actions: {work:", "actions: {more: {posts: done}, work:").replace(
        "entry: work", "entry: [work, more]"
    )
    assert codes(text) == ["impossible-reached"]


def test_of_several_events_an_action_posts_one() -> None:
    text = (
        SOLD.replace("done: {source: action}", "done: {source: action}, half: {source: action}")
        .replace("posts: done", "posts: [done, half]")
        .replace("in: idle, on: done, because: it comes once", "in: idle, on: half, because: x")
        .replace("ignore: [", "ignore: [{in: [busy, broken], on: half, because: x}, {in: idle, on: done, because: x}, ")
    )
    assert codes(text) == []


# -- deferred, and never taken -------------------------------------------------------------------------------------

KEPT = (
    HEAD
    + """\
events: {go: {source: caller}, ding: {source: caller}}
states: {idle: {no-deadline: x}, busy: {no-deadline: x}, rest: {no-deadline: x}}
rows:
  - {in: idle, on: go, to: busy}
  - {in: busy, on: go, to: rest}
  - {in: rest, on: go, to: idle}
"""
)


def test_what_is_deferred_twice_in_a_row_and_then_taken_is_no_finding() -> None:
    text = KEPT + "  - {in: idle, on: ding, to: busy}\ndefer: [{in: [busy, rest], on: ding, because: later}]\n"
    assert problems(text) == []


def test_what_is_deferred_twice_in_a_row_and_then_ignored_is_one() -> None:
    text = (
        KEPT
        + "defer: [{in: [busy, rest], on: ding, because: later}]\nignore: [{in: idle, on: ding, because: asleep}]\n"
    )
    assert codes(text) == ["never-consumed", "never-consumed"]


def test_what_every_state_defers_is_never_taken() -> None:
    assert set(codes(KEPT + "defer: [{in: '*', on: ding, because: later}]\n")) == {"never-consumed"}


def test_what_one_of_two_ways_takes_is_taken() -> None:
    text = (
        KEPT.replace("{go: ", "{stop: {source: caller}, go: ")
        + "  - {in: busy, on: stop, to: idle}\n  - {in: idle, on: ding, to: busy}\n"
        + "defer: [{in: busy, on: ding, because: later}]\n"
        + "ignore: [{in: rest, on: ding, because: x}, {in: [idle, rest], on: stop, because: x}]\n"
    )
    assert problems(text) == []


def test_a_deferred_event_is_dropped_where_its_source_is_closed() -> None:
    text = (
        HEAD
        + """\
events: {go: {source: caller}, ding: {source: bell}}
sources: {bell: gpio}
states: {idle: {no-deadline: x}, busy: {no-deadline: x, sources: bell}}
rows: [{in: idle, on: go, to: busy}, {in: busy, on: go, to: idle}]
defer: [{in: busy, on: ding, because: later}]
"""
    )
    assert codes(text) == ["never-consumed"]


def test_a_deferred_deadline_is_never_taken() -> None:
    text = (
        HEAD
        + """\
events: {go: {source: caller}, out: {timer: t}}
settings: {t: {value: 1s}}
guards: {g: x}
states: {idle: {deadlines: out}, busy: {deadlines: out}}
rows:
  - {in: idle, on: [go, out], to: busy}
  - {in: busy, on: go, to: idle}
  - {in: busy, on: out, if: g, to: idle}
defer: [{in: busy, on: out, because: later}]
"""
    )
    assert codes(text) == ["never-consumed"]


def test_more_events_than_are_carried_along_at_once_are_each_looked_at() -> None:
    names = [f"e{number}" for number in range(5)]
    text = (
        HEAD
        + f"events: {{go: {{source: caller}}, {', '.join(f'{name}: {{source: caller}}' for name in names)}}}\n"
        + "states: {idle: {no-deadline: x}, busy: {no-deadline: x}}\n"
        + "rows: [{in: idle, on: '*', to: busy}, {in: busy, on: go, to: idle}]\n"
        + "defer: [{in: busy, on: '*', because: one after the other}]\n"
    )
    assert problems(text) == []


# -- round and round -----------------------------------------------------------------------------------------------

ROUND = (
    HEAD
    + """\
events: {go: {source: caller}, ping: {source: action}, pong: {source: action}, fault: {source: action}}
guards: {tired: x}
actions: {serve: {posts: ping}, return: {posts: pong}}
states: {idle: {no-deadline: x}, left: {no-deadline: x, entry: serve}, right: {no-deadline: x, entry: return}}
ignore:
  - {in: [left, right], on: go, because: x}
  - {in: idle, on: [ping, pong, fault], because: x}
  - {in: left, on: pong, because: x}
  - {in: right, on: ping, because: x}
rows:
  - {in: [left, right], on: fault, to: idle}
  - {in: idle, on: go, to: left}
  - {in: left, on: ping, to: right}
"""
)


def test_two_states_whose_actions_lead_to_one_another_spin() -> None:
    (found,) = (
        problem for problem in problems(ROUND + "  - {in: right, on: pong, to: left}\n") if problem.severity == "error"
    )
    assert found.code == "immediate-cycle"
    assert "left —ping→ right —pong→ left" in found.message


def test_a_guard_may_end_the_round() -> None:
    rows = "  - {in: right, on: pong, if: tired, to: idle}\n  - {in: right, on: pong, to: left}\n"
    assert problems(ROUND + rows) == []


def test_a_deadline_in_between_is_no_spinning() -> None:
    text = (
        ROUND.replace("guards: {tired: x}\n", "settings: {t: {value: 1s}}\n")
        .replace("events: {", "events: {rested: {timer: t}, ")
        .replace("left: {no-deadline: x", "left: {deadlines: rested")
        .replace("in: left, on: ping,", "in: left, on: rested,")
        .replace("ignore:\n", "ignore:\n  - {in: left, on: ping, because: x}\n")
    )
    assert problems(text + "  - {in: right, on: pong, to: left}\n") == []


def test_a_failure_that_leads_back_to_what_failed_may_not_fail_again() -> None:
    text = (
        HEAD
        + """\
events: {go: {source: caller}, fault: {source: action}}
actions: {work: x}
states: {idle: {no-deadline: x}, busy: {no-deadline: x, entry: work}}
rows:
  - {in: idle, on: go, to: busy}
  - {in: busy, on: go, to: idle}
  - {in: busy, on: fault, to: busy}
ignore: [{in: idle, on: fault, because: x}]
"""
    )
    assert codes(text) == []


def test_an_action_that_may_post_nothing_more_waits_behind_a_guard() -> None:
    """A retry is a round as well: how often is for a guard to say, where it can be seen."""
    text = (
        HEAD
        + """\
events: {go: {source: caller}, again: {source: action}, fault: {source: action}}
guards: {tries_are_left: x}
actions: {dial: {posts: again}}
states: {idle: {no-deadline: x}, dialling: {no-deadline: x, entry: dial}}
rows:
  - {in: idle, on: go, to: dialling}
  - {in: dialling, on: again, if: tries_are_left, to: dialling}
  - {in: dialling, on: [again, go, fault], to: idle}
ignore: [{in: idle, on: [again, fault], because: x}]
"""
    )
    assert problems(text) == []


# -- the verdict at the end ----------------------------------------------------------------------------------------

JUDGED = (
    HEAD
    + """\
events: {go: {source: caller}, note: {source: caller}, stop: {source: caller}}
outcomes: {good: {}, bad: {}}
states: {idle: {no-deadline: x}, busy: {no-deadline: x}, over: {final: verdict}}
rows:
  - {in: idle, on: go, to: busy, verdict: bad}
  - {in: busy, on: note, verdict: good}
  - {in: busy, on: [go, stop], to: over}
ignore: [{in: idle, on: note, because: x}]
"""
)


def test_a_verdict_that_every_way_notes_is_enough() -> None:
    assert problems(JUDGED + "reject: [{in: idle, on: stop, because: x}]\n") == []


def test_one_way_without_a_verdict_is_shown() -> None:
    found = only(JUDGED.replace("ignore:", "  - {in: idle, on: stop, to: over}\nignore:"))
    assert (found.code, found.place.line) == ("no-verdict", 7)
    assert "idle —stop→ over" in found.message


def test_a_verdict_noted_without_leaving_counts() -> None:
    text = JUDGED.replace("to: busy, verdict: bad", "to: busy").replace("on: [go, stop], to: over", "on: go, to: over")
    waits = "  - {in: busy, on: stop, verdict: bad}\nreject: [{in: idle, on: stop, because: x}]\n"
    (found,) = (
        problem for problem in problems(text.replace("ignore:", waits + "ignore:")) if problem.severity == "error"
    )
    assert found.code == "no-verdict"
    assert found.message.endswith("idle —go→ busy —go→ over")


# -- the walk and the runtime --------------------------------------------------------------------------------------

STATES = ("s0", "s1", "s2")
POSTED = ("p", "q", "fault")


def machine(chance: Random) -> str:
    """Three states, a caller's event, two posted ones and faults; every cell something of its own."""
    rows: dict[str, list[str]] = {"rows": [], "ignore": [], "defer": [], "impossible": []}

    def some() -> str:
        return f"[{', '.join(chance.choices('xy', k=chance.choice((0, 0, 1, 2))))}]"

    for state in STATES:
        for event in ("c", *POSTED):
            kind = chance.choice(["rows", "rows", "ignore", "defer" if event == "c" else "impossible"])
            does = f"to: {chance.choice(STATES)}, do: {some()}" if kind == "rows" else "because: x"
            rows[kind].append(f"  - {{in: {state}, on: {event}, {does}}}")
    lines = [
        "format: 1\nmachine: thing\nversion: 1\ninitial: s0",
        "events: {c: {source: caller}, p: {source: action}, q: {source: action}, fault: {source: action}}",
        "actions: {x: {posts: [p, q]}, y: {posts: q}}",
        "states:",
        *(f"  {state}: {{no-deadline: x, entry: {some()}}}" for state in STATES),
    ]
    for section, cells in rows.items():
        lines += [f"{section}:", *cells] if cells else []
    return "\n".join(lines) + "\n"


def live(definition: Definition, chance: Random, several: bool) -> None:
    """One life with actions that do anything they have declared. Raises MachineError for a contradiction."""
    left = 12  # what goes on posting for ever proves nothing more

    def act(name: str) -> None:
        nonlocal left
        fails = chance.random() < 0.3 and left > 0
        can = definition.actions[name].posts
        for event in chance.choices(can, k=chance.choice((0, 1, 2) if several else (0, 1))):
            if left > 0 and (several or not fails):
                left -= 1
                runtime.post(Event(event))
        if fails:
            left -= 1
            raise OSError(name)

    actions = {"x": lambda _: act("x"), "y": lambda _: act("y")}
    runtime = Runtime(definition, actions=actions, guards={}, clock=lambda: 0.0)
    runtime.start()
    runtime.deliver()
    for _ in range(6):
        runtime.handle(Event("c"))


@pytest.mark.parametrize("several", [False, True], ids=["posts one or fails", "posts several and may fail then"])
def test_a_machine_without_findings_never_contradicts_itself(several: bool) -> None:
    """Whatever its actions do within what they declare, no cell that is called impossible is reached."""
    chance = Random(1)
    judged = 0
    for _ in range(4000):
        text = machine(chance)
        definition = check_text(text).definition
        if definition is None or "impossible:" not in text:
            continue
        judged += 1
        for _ in range(40):
            try:
                live(definition, chance, several)
            except MachineError as error:
                raise AssertionError(f"{error}\n{text}") from error
    assert judged > 50

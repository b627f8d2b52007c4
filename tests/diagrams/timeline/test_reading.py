"""A tape becomes lanes: what lasts, what happened, and what each mark can tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.diagrams.timeline.tapes import (
    REACHED,
    SCENARIOS,
    action,
    chart,
    end,
    event,
    header,
    lamp,
    lane,
    lines,
    marks,
    played,
    spans,
    start,
    step,
)

from scxlife.diagrams.timeline.chart import Tone
from scxlife.diagrams.timeline.feeds import LANES, MACHINES
from scxlife.diagrams.timeline.reading import read
from scxlife.fsm.definition import Definition
from scxlife.fsm.tape_reader import NotATape, TapeReader
from scxlife.lifecycle.options import boot_ending, operations, shipped

LIT = (
    header(),
    start(),
    event(11.0, "press", finger="left"),
    step(11.5, "off", "press", "on", do=["shine"], data={"finger": "left"}),
    action(11.75, "shine"),
)


def test_states_last_from_step_to_step_and_the_last_one_to_the_tapes_end() -> None:
    seen = chart(*LIT, event(12.0, "press"), step(12.25, "on", "press", "off"))
    assert spans(seen, "state") == [("off", 0, 1500), ("on", 1500, 2250), ("off", 2250, 2250)]
    assert [span.open for span in lane(seen, "state").spans] == [False, False, True]
    assert seen.missing == "it has no end: the run was cut off, or is still going on"


def test_an_event_is_one_mark_at_its_coming_that_tells_of_its_step() -> None:
    seen = chart(*LIT)
    (mark,) = lane(seen, "events").marks
    assert (mark.t, mark.label, mark.tone, mark.line, mark.led) == (11.0, "press", Tone.MOVED, 3, "off → on")
    assert mark.facts == [
        ("event", "press"),
        ("state", "off"),
        ("cause", "a finger"),
        ("data.finger", "left"),
        ("delivered", "line 4, 1.500000 s: go, off → on"),
        ("actions", "shine"),
    ]
    assert marks(seen, "actions") == [("shine", "plain", 5)]


def test_with_its_definition_each_deadline_is_drawn_from_its_arming_to_its_end() -> None:
    due = event(12.25, "blink", "deadline")
    again = step(12.5, "on", "blink", cause="deadline")
    left = (event(13.5, "press"), step(13.5, "on", "press", "off"))
    seen = chart(*LIT, due, again, *left, definition=lamp())
    assert spans(seen, "deadlines") == [
        ("blink 500ms", 1750, 2250),  # armed behind the last action; it was due
        ("over 2s", 1750, 3500),
        ("blink 500ms", 2500, 3500),  # its row starts it over
    ]
    assert [span.quiet for span in lane(seen, "deadlines").spans] == [False, True, True]
    assert marks(seen, "deadlines") == [("blink", "due", 6)]
    assert seen.note == ""


def test_deadlines_are_armed_behind_the_last_of_the_actions_that_lead_into_their_state() -> None:
    both = step(11.5, "off", "press", "on", do=["shine", "shine"])
    seen = chart(*LIT[:3], both, action(11.75, "shine"), action(12.0, "shine"), definition=lamp())
    assert [(label, begin) for label, begin, _ in spans(seen, "deadlines")] == [
        ("over 2s", 2000),
        ("blink 500ms", 2000),
    ]


def test_a_deadline_that_waits_when_the_tape_ends_is_open() -> None:
    seen = chart(*LIT, event(12.0, "press"), definition=lamp())
    assert [span.open for span in lane(seen, "deadlines").spans] == [True, True]
    seen = chart(*LIT, event(12.0, "press"), step(12.0, "on", "press", "off"), definition=lamp())
    assert [span.open for span in lane(seen, "deadlines").spans] == [False, False]


def test_a_readiness_that_is_not_the_kernels_says_nothing_of_the_kernel() -> None:
    seen = chart(
        header("scheduler"), start(state="startup"), event(11.0, "ready"), event(12.0, "ready", state="enabled")
    )
    assert marks(seen, "events") == [("ready", "plain", 3)]
    assert marks(seen, "kernel") == [("ready", "plain", 4)]


def test_without_its_definition_only_a_deadline_that_came_is_drawn_and_that_is_said() -> None:
    seen = chart(
        *LIT, event(13.75, "over", "deadline, noticed 1.2 s late"), step(13.75, "on", "over", "dead"), end(13.75)
    )
    assert spans(seen, "deadlines") == [("over", 1750, 3750)]
    assert seen.note == "without its definition only those deadlines are shown that came"


def test_a_deferred_event_is_one_mark_that_tells_of_both_deliveries() -> None:
    seen = chart(
        *LIT,
        event(12.0, "hold"),
        step(12.0, "on", "hold", cell="defer"),
        event(12.5, "hold"),
        step(12.5, "on", "hold", cell="defer"),
        event(13.0, "press"),
        step(13.0, "on", "press", "off"),
        step(13.0, "off", "hold", cell="ignore", because="nothing is on"),
        step(13.0, "off", "hold", cell="ignore"),
    )
    holds = [mark for mark in lane(seen, "events").marks if mark.label == "hold"]
    delivered = [[value.split(":")[0] for key, value in mark.facts if key == "delivered"] for mark in holds]
    assert delivered == [["line 7, 2.000000 s", "line 12, 3.000000 s"], ["line 9, 2.500000 s", "line 13, 3.000000 s"]]
    assert seen.inbox[-1] == (13.0, 0)
    assert max(waiting for _, waiting in seen.inbox) == 2


def test_failures_drops_and_verdicts_have_tones_of_their_own() -> None:
    seen = chart(
        *LIT[:4],
        action(11.75, "shine", "failed", error="OSError: no current"),
        event(11.75, "fault", "action shine failed", action="shine"),
        event(11.75, "over", "deadline"),
        step(11.75, "on", "fault", "dead", verdict="burnt", cause="action shine failed", data={"action": "shine"}),
        {"kind": "drop", "t": 11.75, "state": "dead", "event": "over", "because": "its state has been left"},
        end(11.75),
    )
    assert marks(seen, "actions") == [("shine", "failed", 5)]
    assert marks(seen, "events")[1:] == [("fault", "failed", 6)]
    assert marks(seen, "deadlines") == [("over", "dropped", 7)]
    assert marks(seen, "state") == [("start", "plain", 2), ("burnt", "verdict", 8), ("end: burnt", "verdict", 10)]
    assert (seen.outcome, seen.missing) == ("burnt", "")


def test_a_guard_that_fails_is_a_mark() -> None:
    seen = chart(*LIT, {"kind": "guard", "t": 12.0, "name": "filled", "result": "failed", "error": "OSError: no float"})
    assert marks(seen, "events")[-1] == ("guard filled", "failed", 6)


def test_what_came_before_a_restored_tape_is_a_mark_at_its_step() -> None:
    restored = {"kind": "restore", "t": 10.0, "elapsed": 0.0, "snapshot": {"state": "on"}}
    seen = chart(header(), restored, step(10.5, "on", "press", "off"))
    assert spans(seen, "state") == [("on", 0, 500), ("off", 500, 500)]
    assert marks(seen, "events") == [("press", "moved", 3)]


def test_what_a_layer_above_writes_has_a_lane() -> None:
    seen = chart(*LIT, {"kind": "shop.opened", "t": 12.0, "who": {"name": "Ada"}})
    assert marks(seen, "above") == [("shop.opened", "plain", 6)]
    assert lane(seen, "above").marks[0].facts == [("who", '{"name": "Ada"}')]


def test_a_state_that_is_entered_from_itself_is_two_spans_where_the_definition_says_so() -> None:
    records = (header(), start(), event(11.0, "knock"), step(11.0, "off", "knock"))
    assert spans(chart(*records, definition=lamp()), "state") == [("off", 0, 1000), ("off", 1000, 1000)]
    assert spans(chart(*records), "state") == [("off", 0, 1000)]


# -- the lifecycle's own tapes


def test_a_schedulers_run_has_the_lanes_of_its_process_its_kernel_and_its_log() -> None:
    seen = read("e.tape", TapeReader(played(REACHED / "stopping-exited-0.yaml")), shipped())
    titles = [lane.title for lane in seen.lanes]
    assert titles == [title for title in LANES if title in titles]
    assert {"process", "kernel", "state", "deadlines", "signals", "log", "events", "actions"} <= set(titles)
    (process,) = lane(seen, "process").spans
    assert process.label == "pid 300"
    assert not process.open
    kernel = [span.label for span in lane(seen, "kernel").spans]
    assert [label.partition(":")[0] for label in kernel][-3:] == ["enabled", "disabling", "disabled"]
    assert "signal_stop" in [mark.label for mark in lane(seen, "signals").marks]
    assert 'sched_ext: BPF scheduler "fault" enabled' in [mark.label for mark in lane(seen, "log").marks]


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: str(path.stem)[:40])
def test_each_line_of_a_scenarios_tape_is_in_the_picture(scenario: Path) -> None:
    tape = played(scenario)
    seen = read("s.tape", TapeReader(tape), shipped())
    told = {mark.line for lane in seen.lanes for mark in lane.marks}
    facts = [value for lane in seen.lanes for mark in lane.marks for key, value in mark.facts]
    told |= {int(value[5:].partition(",")[0]) for value in facts if value.startswith("line ")}
    assert told | {1} == set(range(1, len(tape) + 1))
    for each in seen.lanes:
        begins = [span.begin for span in each.spans]
        assert begins == sorted(begins)
        assert [mark.t for mark in each.marks] == sorted(mark.t for mark in each.marks)
        assert all(seen.begin <= span.begin <= span.end <= seen.end for span in each.spans)


@pytest.mark.parametrize("machine", [shipped(), boot_ending(), operations()], ids=lambda machine: str(machine.name))
def test_the_feeds_speak_of_events_and_actions_that_their_machine_has_each_once(machine: Definition) -> None:
    known = MACHINES[machine.name]
    events = [name for feed in known.feeds for name in feed.events]
    actions = [name for feed in known.feeds for name in feed.actions]
    assert len(set(events)) == len(events)
    assert len(set(actions)) == len(actions)
    events += [name for life in known.lives for name in (life.closes, life.opens_event) if name]
    actions += [life.opens_action for life in known.lives if life.opens_action]
    assert set(events) <= set(machine.events)
    assert set(actions) <= set(machine.actions)
    assert {thing.lane for thing in (*known.feeds, *known.levels, *known.lives)} <= set(LANES)


def test_a_payload_that_never_was_is_no_span() -> None:
    head = header("scheduler", 1, liveness=1.0)
    ended = event(12.0, "payload_ended", "no payload", exit=None)
    seen = chart(head, start(10.0, "running"), action(11.0, "start_payload"), ended)
    assert lane(seen, "payload").spans == []


# -- what is no tape


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"kind": "step", "t": 11.0}, "its state is missing, or not what step records have there"),
        ({"kind": "hop", "t": 11.0}, "its kind is none of start, restore, event, step, guard, action, drop, end"),
        ({"kind": 3, "t": 11.0}, "its kind is none of"),
        ({"kind": "start", "t": True, "state": "off"}, "its t is missing, or no number of seconds"),
        ({"kind": "start", "t": 10**400, "state": "off"}, "its t is missing, or no number of seconds"),
        ({"kind": "start", "t": 9.0, "state": "off"}, "its time goes back, from 10 to 9 s"),
        ({"kind": "action", "t": 11.0, "name": ["x"], "result": "done"}, "its name is missing"),
    ],
)
def test_a_record_that_no_version_1_has_is_told_with_its_line(record: dict[str, object], reason: str) -> None:
    with pytest.raises(NotATape, match=reason) as told:
        chart(header(), start(), record)
    assert told.value.line == 3


def test_a_torn_last_line_is_left_out_and_told() -> None:
    tape = lines(LIT)
    seen = read("t.tape", TapeReader([*(f"{line}\n" for line in tape[:-1]), tape[-1][:20]]), lamp())
    assert (seen.lines, seen.missing) == (4, "its last line is cut off")

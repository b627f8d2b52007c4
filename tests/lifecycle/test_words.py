"""What a person reads of a run: its timeline, its end, its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.outcomes import (
    Ejected,
    Outcome,
    StartupDied,
    Stopped,
)
from scxlife.lifecycle.report import print_json, say_outcome
from scxlife.lifecycle.timeline import HEADER, Timeline

OUTCOMES_PAGE = Path(__file__).parents[2] / "docs" / "outcomes.md"


# -- the timeline --------------------------------------------------------------------------------------------------

STEP: dict[str, Any] = {
    "kind": "step", "state": "running", "event": "exited", "to": "reaping", "cell": "go", "verdict": None,
    "cause": "pidfd readable", "data": {},
}  # fmt: skip


def timeline(*records: dict[str, Any]) -> list[str]:
    written: list[str] = []
    line = Timeline(written.append)
    for record in records:
        line(json.dumps(record))
    assert written[:1] == [HEADER]
    return written[1:]


@pytest.mark.parametrize("start", [0.0, 100.0])
def test_time_begins_with_the_first_record(start: float) -> None:
    first = {"kind": "tape", "t": start}
    assert timeline(first, {**STEP, "t": start}, {**STEP, "t": start + 1.25}) == [
        "    0.000  running     exited         → reaping      pidfd readable",
        "    1.250  running     exited         → reaping      pidfd readable",
    ]


@pytest.mark.parametrize(
    ("facts", "then"),
    [
        ({"cell": "go", "to": "running"}, "exited                        pidfd readable"),
        ({"cell": "defer", "to": "running"}, "exited         deferred       pidfd readable"),
        ({"verdict": "ejected/kernel"}, "exited         → reaping      pidfd readable  [ejected/kernel]"),
        ({"data": {"exit": {"code": 3}}}, "exited         → reaping      pidfd readable: code 3"),
        ({"data": {"exit": {"signal": 9}}}, "exited         → reaping      pidfd readable: signal 9"),
        ({"data": {"line": "sched_ext: it says"}}, "exited         → reaping      sched_ext: it says"),
    ],
)
def test_a_step_is_told_with_what_came_of_it(facts: dict[str, Any], then: str) -> None:
    assert timeline({**STEP, "t": 5.0, **facts}) == [f"    0.000  running     {then}"]


def test_what_changes_nothing_is_not_told_and_an_action_that_failed_is() -> None:
    assert timeline({**STEP, "t": 5.0, "cell": "ignore"}) == []
    action = {"kind": "action", "t": 5.5, "name": "spawn", "result": "failed", "error": "OSError: no"}
    (failed,) = timeline({"kind": "tape", "t": 5.0}, action, {**action, "result": "done"})
    assert failed.split() == ["0.500", "action", "spawn", "failed:", "OSError:", "no"]


# -- the end -------------------------------------------------------------------------------------------------------


def said(outcome: Outcome, log_path: str | None = None) -> list[str]:
    written: list[str] = []
    say_outcome(outcome, written.append, log_path=log_path)
    assert written[0] == ""
    return written[1:]


def test_what_ended_as_asked_is_told_in_three_lines() -> None:
    assert said(Stopped(reason="as asked", exit={"code": 0}, log_tail="bye", degraded=("half blind",)), "/tmp/log") == [
        "outcome    stopped: as asked",
        "exit       code 0",
        "log        /tmp/log",
    ]


def test_an_ejection_has_five_of_the_kernels_lines() -> None:
    told = said(Ejected(reason="thrown out", kernel_reason="a stall", kernel_details=[f"line {n}" for n in range(9)]))
    assert told == ["outcome    ejected: thrown out", "kernel     a stall", *(f"           line {n}" for n in range(5))]


def test_a_failure_has_its_last_words_and_what_could_not_be_seen() -> None:
    words = "\n".join(f"word {number}" for number in range(20))
    died = StartupDied(reason="it died", exit={"signal": 9}, log_tail=words, degraded=("no uevents", "no cgroup"))
    assert said(died) == [
        "outcome    startup-died: it died",
        "exit       signal 9 (SIGKILL)",
        "degraded   no uevents",
        "degraded   no cgroup",
        "its last words:",
        *(f"  word {number}" for number in range(5, 20)),
    ]


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"hint": "buy more", "cause": "poor"}, "hint       buy more [poor]"),
        ({"verifier": {"program": "p", "source": "", "message": "no"}}, "verifier   p: no"),
        ({"timings": {"end": 1.0}}, "exit       unknown status"),
        ({"partial": True}, "partial    it has only the tasks that ask for it (SCHED_EXT)"),
        ({"payload": {"exit": {"code": 2}}}, "payload    code 2"),
        ({"payload": {"error": "no such command"}}, "payload    no such command"),
        ({"log_lost": "a full disk"}, "log        lost: a full disk"),
        ({"log_dropped": 4096}, "           its first 4096 bytes were given up"),
    ],
)
def test_each_fact_has_its_line(facts: dict[str, Any], line: str) -> None:
    assert said(Stopped(reason="as asked", **facts)) == ["outcome    stopped: as asked", line]


def test_L15_a_rejection_is_told_above_its_hint() -> None:
    rejection = {"program": "mine_enqueue", "source": "a.bpf.c:3: x\x1b[2J", "message": "R1 !read_ok"}
    assert said(StartupDied(reason="it died", verifier=rejection, cause="verifier", hint="see the log")) == [
        "outcome    startup-died: it died",
        "verifier   mine_enqueue: R1 !read_ok",
        "           at a.bpf.c:3: x\\x1b[2J",
        "hint       see the log [verifier]",
    ]


def test_partial_is_said_of_what_worked_only() -> None:
    assert said(Ejected(reason="thrown out", partial=True)) == ["outcome    ejected: thrown out"]


def test_a_program_reads_the_last_line_of_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(StartupDied(reason="zwölf"), "thing", attempts=2)
    line = capsys.readouterr().out
    assert "zwölf" in line
    assert line.count("\n") == 1
    told = json.loads(line)
    assert (told["outcome"], told["attempts"], told["generation"], told["log_dropped"]) == ("startup-died", 2, 0, 0)

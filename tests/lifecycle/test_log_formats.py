"""`--log-format`: the same run for a terminal, for journald, for programs."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import attrs
import pytest

from scxlife.lifecycle.log_formats import ERROR, INFO, NOTICE, WARNING, JournalLog, JsonLog, format_for
from scxlife.lifecycle.outcomes import NotConfigured, Outcome, StartupDied, Stopped
from scxlife.lifecycle.timeline import HEADER

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "run"]
LIMIT = 60


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*SCXLIFE, "--ready", "none", "--liveness", "50ms", "--log", "/dev/null", *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return done


def test_journald_gets_the_priority_of_each_line() -> None:
    lines = run("--log-format", "journal", "--for", "50ms", "--", "sleep", "300").stdout.splitlines()
    assert all(re.match(r"<[0-7]>\S", line) for line in lines)
    assert f"<{INFO}>attaching → running: ready: assumed" in lines
    stopped = rf"<{NOTICE}>outcome    stopped: it was ready for \d+\.\d s and ended as asked"
    assert [line for line in lines if re.fullmatch(stopped, line)]
    failed = run("--log-format", "journal", "--", "false").stdout.splitlines()
    assert f"<{ERROR}>outcome    startup-died: it died before it was ready (code 1)" in failed


def test_a_loss_is_a_warning_and_a_failed_action_an_error() -> None:
    lines: list[str] = []
    log = JournalLog(lines.append)
    step = {"kind": "step", "cell": "go", "state": "running", "to": "detached", "cause": "looked", "data": {}}
    log.record({**step, "event": "lost", "verdict": None})
    log.record({"kind": "action", "name": "spawn", "result": "failed", "error": "OSError: no"})
    log.record({"kind": "action", "name": "spawn", "result": "done"})
    assert lines == [f"<{WARNING}>running → detached: lost: looked", f"<{ERROR}>action spawn failed: OSError: no"]


def test_what_a_kernel_or_a_program_says_can_not_forge_a_priority() -> None:
    lines: list[str] = []
    data = {"line": "a\n<0>b"}
    step = {"kind": "step", "cell": "go", "state": "running", "to": "running", "cause": "", "data": data}
    JournalLog(lines.append).record({**step, "event": "kernel_says", "verdict": None})
    assert lines == [f"<{INFO}>running: kernel_says: a\\n<0>b"]


def test_the_priorities_are_those_of_syslog() -> None:
    assert (ERROR, WARNING, NOTICE, INFO) == (3, 4, 5, 6)


@pytest.mark.parametrize("outcome", [Stopped(reason="as asked"), NotConfigured(reason="no such command")])
def test_what_could_not_be_seen_is_a_warning_though_it_ended_well(outcome: Outcome) -> None:
    lines: list[str] = []
    JournalLog(lines.append).over(attrs.evolve(outcome, degraded=("no uevents", "no cgroup")), "scheduler 1")
    assert lines.count(f"<{WARNING}>degraded   no uevents") == lines.count(f"<{WARNING}>degraded   no cgroup") == 1


def test_of_a_failure_what_could_not_be_seen_is_told_once_with_the_rest() -> None:
    lines: list[str] = []
    JournalLog(lines.append).over(StartupDied(reason="it died", degraded=("no uevents",)), "scheduler 1")
    assert [line for line in lines if "uevents" in line] == [f"<{ERROR}>degraded   no uevents"]


def test_a_note_has_its_priority_and_an_empty_line_is_none() -> None:
    lines: list[str] = []
    journal, programs = JournalLog(lines.append), JsonLog(lines.append)
    for log in (journal, programs):
        log.note("")
        log.note("listening")
    assert lines[0] == f"<{INFO}>listening"
    (said,) = map(json.loads, lines[1:])
    assert (said["priority"], said["message"], said["kind"]) == (INFO, "listening", "note")


def test_programs_get_one_object_a_line_and_the_outcome_last() -> None:
    done = run("--log-format", "json", "--for", "50ms", "--", "sleep", "300")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["to"] for each in objects if each["kind"] == "step" and each["to"] != each["state"]][-1] == "done"
    assert all({"time", "priority", "message"} <= each.keys() for each in objects)
    assert datetime.fromisoformat(objects[0]["time"]).utcoffset() is not None
    assert (objects[-1]["outcome"], objects[-1]["exit"]) == ("stopped", {"signal": 15})
    assert [each["priority"] for each in objects if each["kind"] == "end"] == [NOTICE]


def test_with_json_the_outcome_has_stdout_for_itself() -> None:
    done = run("--json", "--log-format", "json", "--for", "50ms", "--", "sleep", "300")
    (outcome,) = map(json.loads, done.stdout.splitlines())
    assert outcome["outcome"] == "stopped"
    assert all(json.loads(line) for line in done.stderr.splitlines())


def test_the_journal_is_recognised_by_its_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        assert format_for(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}) == "journal"
        assert format_for(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"}) == "text"
        assert format_for(stream, {"JOURNAL_STREAM": "nonsense"}) == "text"
        assert format_for(stream, {}) == "text"
    # One that has no descriptor is not the journal's.
    assert format_for(io.StringIO(), {"JOURNAL_STREAM": "1:2"}) == "text"


@pytest.mark.parametrize("words", [(), ("--log-format", "text")])
def test_a_pipe_that_is_not_the_journals_gets_text(words: tuple[str, ...]) -> None:
    done = run(*words, "--", "false", JOURNAL_STREAM="8:12345")
    assert done.stdout.splitlines()[0] == HEADER

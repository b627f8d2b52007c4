"""`scxlife replay` as a user starts it: real runs replayed, altered tapes shown, hostile files refused in a line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.cli import main

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 60

LAMP = """\
format: 1
machine: lamp
version: 1
initial: dark
settings: {burn: {value: 2s}}
outcomes: {burnt: {}}
profiles: {frugal: {settings: {burn: 1s}}}
events: {press: {source: caller}, out: {timer: burn}}
states:
  dark: {no-deadline: it rests}
  lit: {deadlines: out}
  gone: {final: burnt}
rows:
  - {in: dark, on: press, to: lit}
  - {in: lit, on: press, to: dark}
  - {in: lit, on: out, to: gone}
"""
LAMP_TAPE = [
    {"kind": "tape", "t": 1.0, "version": 1, "machine": "lamp", "definition": 1, "settings": {"burn": 1.0}},
    {"kind": "start", "t": 1.0, "state": "dark", "machine": "lamp", "version": 1},
    {"kind": "event", "t": 1.5, "event": "press", "rank": 0, "cause": "a \x9b31m finger", "data": {}},
    {
        "kind": "step",
        "t": 1.5,
        "state": "dark",
        "event": "press",
        "cell": "go",
        "to": "lit",
        "guards": {},
        "do": [],
        "verdict": None,
        "because": "",
        "cause": "a \x9b31m finger",
        "data": {},
    },
]


def tape_of(*words: str, tmp: Path) -> Path:
    """The tape of a real run; what becomes of the run is not asked here."""
    tape = tmp / "run.tape"
    options = ["--ready", "none", "--tape", str(tape), "--log", str(tmp / "log")]
    subprocess.run([*SCXLIFE, "run", *options, *words], capture_output=True, timeout=LIMIT)
    return tape


def lamp(tmp: Path, *records: dict[str, Any], definition: str = LAMP) -> tuple[str, str]:
    """A definition and a tape as files."""
    (tmp / "lamp.yaml").write_text(definition)
    lines = [json.dumps({"seq": seq, **record}, ensure_ascii=False) for seq, record in enumerate(records or LAMP_TAPE)]
    (tmp / "lamp.tape").write_text("".join(line + "\n" for line in lines))
    return str(tmp / "lamp.yaml"), str(tmp / "lamp.tape")


@pytest.mark.parametrize(
    ("words", "outcome", "state"),
    [
        (["--for", "300ms", "--", "/bin/sleep", "5"], "stopped", "done"),
        (["--", "/bin/false"], "startup-died", "done"),
        (["--", "/bin/true"], "startup-died", "done"),
        (["--liveness", "20ms", "--", "/bin/sh", "-c", "sleep 0.2; exit 7"], "exited", "done"),
        (["--for", "50ms", "--stop-grace", "50ms", "--", "/bin/sh", "-c", "trap '' TERM; sleep 5 & wait; wait"],
         "stopped", "done"),
        (["--", "/nonexistent/daemon"], "not-configured", "not_configured"),
        (["--", "/etc/passwd"], "spawn-failed", "spawn_failed"),
    ],
)  # fmt: skip
def test_the_tape_of_a_real_run_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], outcome: str, state: str
) -> None:
    tape = tape_of(*words, tmp=tmp_path)
    assert main(["replay", str(tape)]) == 0
    told = capsys.readouterr().out.splitlines()[0]
    assert told.startswith(f"{tape}: {len(tape.read_bytes().splitlines())} records, ")
    assert told.endswith(f" steps, idle → … → {state}, outcome {outcome}: the same")


def test_a_command_whose_name_is_no_utf8_is_on_the_tape_as_it_is(tmp_path: Path) -> None:
    program = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(program)).write_text("#!/bin/sh\nexit 3\n")
    Path(os.fsdecode(program)).chmod(0o755)
    tape = tape_of("--", os.fsdecode(program), tmp=tmp_path)
    located = next(record for line in tape.open() if (record := json.loads(line)).get("event") == "located")
    assert os.fsencode(located["data"]["path"]) == program
    assert main(["replay", str(tape)]) == 0


def test_a_tape_that_was_altered_is_shown_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = tape_of("--", "/bin/false", tmp=tmp_path)
    lines = tape.read_text().splitlines(keepends=True)
    number = next(i for i, line in enumerate(lines) if '"verdict": "startup-died"' in line)
    lines[number] = lines[number].replace('"startup-died"', '"exited"')
    tape.write_text("".join(lines))
    assert main(["replay", str(tape)]) == 1
    first, quoted = capsys.readouterr().out.splitlines()[:2]
    expected = 'verdict: the tape has "exited", the definition says "startup-died"'
    assert first == f"{tape}:{number + 1}: {expected}"
    assert quoted.strip()[:400] == lines[number].strip()[:400]


def test_a_tape_that_is_cut_off_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = tape_of("--", "/bin/false", tmp=tmp_path)
    whole = tape.read_bytes()
    tape.write_bytes(whole[:-5])
    assert main(["replay", str(tape)]) == 3
    assert "the same so far, but its last line is cut off" in capsys.readouterr().out
    tape.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    assert main(["replay", str(tape)]) == 3
    assert "the same so far, but no end: the next would be step of start (line 3)" in capsys.readouterr().out


def test_another_machine_needs_its_definition(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition, tape = lamp(tmp_path)
    assert main(["replay", tape]) == 2
    assert capsys.readouterr().err == (
        f'scxlife: error: {tape} is of machine "lamp", which does not come with scxlife; add --definition FILE\n'
    )
    assert main(["replay", "--definition", definition, tape]) == 3
    told = capsys.readouterr().out.splitlines()[0]
    assert told == f"{tape}: 4 records, 1 step, dark → … → lit: the same so far, but no end: the next would be an event"


def test_the_wrong_definition_is_a_difference_in_the_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition, tape = lamp(tmp_path, definition=LAMP.replace("version: 1", "version: 2"))
    assert main(["replay", "--definition", definition, tape]) == 1
    assert f"{tape}:1: definition: the tape has 1, the definition says 2" in capsys.readouterr().out


def test_settings_of_the_run_are_told_against_the_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition, tape = lamp(tmp_path)
    main(["replay", "--definition", definition, tape])
    assert capsys.readouterr().out.splitlines()[1:] == ["settings of its own: burn 1.0"]
    main(["replay", "--definition", definition, "--profile", "frugal", tape])
    assert capsys.readouterr().out.splitlines()[1:] == []
    assert main(["replay", "--definition", definition, "--profile", "frugl", tape]) == 2
    assert "no profile 'frugl' (frugal); did you mean 'frugal'?" in capsys.readouterr().err


def test_json_holds_the_result_as_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition, tape = lamp(tmp_path, *LAMP_TAPE[:3], {**LAMP_TAPE[3], "to": "dark"})
    assert main(["replay", "--json", "--definition", definition, tape]) == 1
    result = json.loads(capsys.readouterr().out)
    record = result["difference"].pop("record")
    assert json.loads(record)["to"] == "dark"
    assert result == {
        "tape": tape,
        "machine": "lamp",
        "definition": 1,
        "result": "differs",
        "records": 4,
        "steps": 0,
        "state": "dark",
        "outcome": None,
        "missing": None,
        "difference": {"line": 4, "field": "to", "tape": '"dark"', "definition": '"lit"'},
        "settings": {"burn": 1.0},
    }


def test_a_tape_can_come_through_a_pipe(tmp_path: Path) -> None:
    tape = tape_of("--", "/bin/false", tmp=tmp_path)
    with tape.open("rb") as file:
        done = subprocess.run([*SCXLIFE, "replay", "-"], stdin=file, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("standard input: ")


def test_a_closed_standard_input_is_a_users_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["replay", "-"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_what_a_terminal_would_obey_is_shown_and_not_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition, tape = lamp(tmp_path, *LAMP_TAPE[:3], {**LAMP_TAPE[3], "cause": "\x9b2J\u202e"})
    assert main(["replay", "--definition", definition, tape]) == 1
    out = capsys.readouterr().out
    assert r'cause: the tape has "\x9b2J\u202e", the definition says "a \x9b31m finger", as it came on line 3' in out
    assert out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "empty"),
        (b"\x7fELF\x02\x01\x01\x00\xff", 1, "not UTF-8"),
        (b"TIME STATE EVENT\n", 1, "not JSON"),
        (b'{"seq": 0, "kind": "tape", "version": 9}\n', 1, "version 9"),
        (b'{"a": ' * 100_000 + b"\n", 1, "nested too deeply"),
    ],
)
def test_what_is_no_tape_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, line: int, words: str
) -> None:
    (tmp_path / "no.tape").write_bytes(content)
    assert main(["replay", str(tmp_path / "no.tape")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"scxlife: error: {tmp_path}/no.tape:{line}: not a tape, or a damaged one: ")
    assert words in err
    assert err.count("\n") == 1


def test_what_can_not_be_read_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (
        (str(tmp_path), "it is a directory"),
        (str(tmp_path / "nothing"), "No such file"),
        ("/proc/self/mem", "Input/output error"),
        ("/dev/zero", "neither a file nor a pipe"),
    ):
        assert main(["replay", name]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"scxlife: error: {name}:")
        assert words in err
        assert err.count("\n") == 1


def test_a_definition_that_can_not_be_used_is_told_as_check_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition, tape = lamp(tmp_path, definition=LAMP.replace("to: gone", "to: gon"))
    assert main(["replay", "--definition", definition, tape]) == 2
    assert f"{definition}:16:28: unknown-state" in capsys.readouterr().err
    assert main(["replay", "--definition", str(tmp_path / "none.yaml"), tape]) == 2
    assert "unreadable" in capsys.readouterr().err


def test_a_tape_is_read_line_by_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first difference ends the reading: what stands behind it is never asked for."""
    first = {**LAMP_TAPE[0], "seq": 1, "machine": "scheduler"}
    file = io.BytesIO(json.dumps(first).encode() + b"\n" + b"\xff" * 100)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
    assert main(["replay", "-"]) == 1
    assert "standard input:1: seq" in capsys.readouterr().out

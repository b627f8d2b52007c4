"""`scxlife timeline` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.diagrams.timeline.tapes import LAMP, REACHED, SCENARIOS, end, event, header, lines, played, start, step

RIGHTLESS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
BEGINS = {"svg": b"<?xml", "html": b"<!DOCTYPE html>", "perfetto": b'{"displayTimeUnit"'}


def timeline(*words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "scxlife.lifecycle.cli", "timeline", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=60, input=given)


def error(done: subprocess.CompletedProcess[bytes]) -> str:
    assert (done.returncode, done.stdout) == (2, b"")
    text = done.stderr.decode()
    assert "Traceback" not in text
    assert text.count("\n") == 1 + text.count("\nhint: ")
    return text.removeprefix("scxlife: error: ").rstrip("\n")


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    file = tmp_path / "run.tape"
    file.write_text("".join(f"{line}\n" for line in played(REACHED / "detached-reattach-late-2.yaml")))
    return file


@pytest.fixture
def lamp_tape(tmp_path: Path) -> Path:
    records = [
        header(),
        start(),
        event(11.0, "press"),
        step(11.0, "off", "press", "on"),
        event(13.0, "over", "deadline"),
    ]
    file = tmp_path / "lamp.tape"
    file.write_text("".join(f"{line}\n" for line in lines([*records, step(13.0, "on", "over", "dead"), end(13.0)])))
    return file


@pytest.mark.parametrize(("form", "suffix"), [("svg", "svg"), ("html", "html"), ("html", "HTM"), ("perfetto", "json")])
def test_each_format_goes_to_a_pipe_and_to_a_file(tape: Path, form: str, suffix: str) -> None:
    piped = timeline(tape, "--format", form)
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert piped.stdout.startswith(BEGINS[form])
    file = tape.with_suffix(f".{suffix}")
    written = timeline(tape, "-o", file)
    assert (written.returncode, written.stdout, written.stderr) == (0, b"", b"")
    assert file.read_bytes() == piped.stdout


def test_standard_input_is_read_and_svg_is_what_nothing_else_is_asked_for(tape: Path) -> None:
    done = timeline("-", given=tape.read_bytes())
    assert done.stdout.startswith(b"<?xml")
    assert b"standard input: " in done.stdout


def test_a_shipped_machines_deadlines_are_known_and_anothers_with_its_definition(tape: Path, lamp_tape: Path) -> None:
    assert b"reattach_late" in timeline(tape).stdout
    assert b"without its definition" not in timeline(tape).stdout
    assert b"blink 500ms" not in timeline(lamp_tape).stdout
    definition = lamp_tape.with_name("lamp.yaml")
    definition.write_text(LAMP)
    known = timeline(lamp_tape, "--definition", definition).stdout
    assert b"blink 500ms" in known
    assert b"without its definition" not in known


def test_of_a_tape_of_another_version_the_shipped_machine_knows_no_deadlines(tape: Path) -> None:
    tape.write_bytes(tape.read_bytes().replace(b'"definition": 1,', b'"definition": 99,', 1))
    done = timeline(tape)
    assert done.returncode == 0
    assert b"without its definition" in done.stdout


def test_a_file_that_is_there_is_replaced_as_a_whole(tape: Path) -> None:
    file = tape.with_name("run.svg")
    file.write_text("an older picture")
    with file.open() as reader:
        assert timeline(tape, "-o", file).returncode == 0
        assert reader.read() == "an older picture"
    assert file.read_bytes().startswith(b"<?xml")


def test_a_scenario_is_run_again_and_drawn_with_the_next_supervisor() -> None:
    scenario = SCENARIOS / "what-comes-from-outside-goes-on-behind-a-power-cut.yaml"
    done = timeline(scenario, "--format", "perfetto")
    assert done.returncode == 0
    trace = json.loads(done.stdout)
    assert [name.removeprefix(str(scenario)) for name in trace["otherData"]["tapes"]] == ["", ", after the kill"]


def test_several_tapes_are_one_picture(tape: Path, lamp_tape: Path) -> None:
    trace = json.loads(timeline(tape, lamp_tape, "--format", "perfetto").stdout)
    assert trace["otherData"]["tapes"] == [str(tape), str(lamp_tape)]


def test_a_tape_that_is_cut_off_is_drawn_and_that_is_said(tape: Path) -> None:
    whole = tape.read_bytes()
    tape.write_bytes(whole[:3000])
    done = timeline(tape)
    assert done.returncode == 0
    assert done.stderr.decode() == f"scxlife: warning: {tape}: its last line is cut off\n"
    assert b": its last line is cut off" in done.stdout
    tape.write_bytes(whole[: whole[:3000].rindex(b"\n") + 1])
    assert timeline(tape).stderr.decode().endswith(": it has no end: the run was cut off, or is still going on\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "1: not a tape, or a damaged one: there is none: the tape is empty"),
        (b'{"seq": 0, "ki', "1: not a tape, or a damaged one: the header is cut off"),
        (b"hello\n", "1: not a tape, or a damaged one: it is not JSON: Expecting value at column 1"),
        (b"\xff\xfe\n", "1: not a tape, or a damaged one: it is not UTF-8"),
        (b'{"kind": "tape", "t": 0, "version": 9}\n', "it is a tape of version 9; only versions 1 to 2 are known here"),
        (b'{"traceEvents": []}\n', "1: not a tape, or a damaged one: it is not the header of a tape"),
    ],
)
def test_what_is_no_tape_is_one_line_and_leaves_no_file(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "x.tape"
    file.write_bytes(content)
    assert reason in error(timeline(file, "-o", tmp_path / "x.svg"))
    assert reason in error(timeline("-", given=content))
    assert [path.name for path in tmp_path.iterdir()] == ["x.tape"]


def test_a_file_that_can_not_be_read_is_one_line(tmp_path: Path) -> None:
    assert error(timeline(tmp_path / "none.tape")) == f"{tmp_path}/none.tape: No such file or directory"
    assert error(timeline(tmp_path)) == f"{tmp_path}: it is a directory"
    assert error(timeline(tmp_path / "none.yaml")) == f"{tmp_path}/none.yaml: No such file or directory"
    assert error(timeline("/proc/self/mem")).startswith("/proc/self/mem: ")
    (tmp_path / "bad.yaml").write_text("kernel: 7.2\nhop: 1\n")
    assert error(timeline(tmp_path / "bad.yaml")).startswith(f"{tmp_path}/bad.yaml: ")


def test_a_tape_without_the_right_to_read_it_is_one_line(tape: Path) -> None:
    """Root reads everything by two capabilities, which are taken from it."""
    tape.chmod(0)
    words = [*(RIGHTLESS if os.geteuid() == 0 else ()), sys.executable, "-m", "scxlife.lifecycle.cli", "timeline", tape]
    done = subprocess.run(words, capture_output=True, timeout=60)
    assert error(done) == f"{tape}: Permission denied"


def test_a_mistake_in_the_words_says_what_to_do(tape: Path, lamp_tape: Path) -> None:
    assert error(timeline(tape, "-o", "x.pdf")).endswith("name one: --format svg, html, perfetto")
    assert error(timeline(tape, "-o", "/proc/none/x.svg")).endswith("name a file in a folder that can be written")
    assert error(timeline("-", "-")) == "standard input can be read once: name - once"
    definition = lamp_tape.with_name("lamp.yaml")
    definition.write_text(LAMP)
    said = error(timeline(tape, "--definition", definition))
    assert said == f"{tape} is of machine scheduler, and --definition is of lamp"


def test_a_name_that_is_no_utf_8_is_drawn_as_an_escape(tape: Path) -> None:
    odd = os.fsencode(tape.parent) + b"/\xff.tape"
    Path(os.fsdecode(odd)).write_bytes(tape.read_bytes())
    command = [sys.executable, "-m", "scxlife.lifecycle.cli", "timeline", odd, "--format", "html"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\udcff.tape" in done.stdout


def test_the_help_shows_examples() -> None:
    done = timeline("--help")
    assert done.returncode == 0
    assert b"scxlife timeline run.tape -o run.html" in done.stdout

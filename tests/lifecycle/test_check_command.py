"""`scxlife check` as its users meet it: what it prints, for people and for programs, and how it exits."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sarif_pydantic import Sarif

from scxlife import __version__

LAMP = """\
format: 1
machine: lamp
version: 1
initial: dark
events: {press: {source: caller}}
states:
  dark: {no-deadline: light is not needed}
  lit: {no-deadline: somebody reads}
rows:
  - {in: dark, on: press, to: lit}
  - {in: lit, on: press, to: dark}
"""
WARNED = LAMP + "guards: {g: nobody asks}\n"
WRONG = LAMP.replace("to: lit", "to: lti")
PATIENCE_S = 120
CLEAN, STRICT, USAGE = 0, 1, 2
BROKEN_PIPE, INTERRUPTED = 141, 130


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("lamp", LAMP), ("warned", WARNED), ("wrong", WRONG)):
        Path(f"{name}.yaml").write_text(text)
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would decide on colour, buffers or encoding."""
    own = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM", "PYTHONUNBUFFERED")}
    return {**{key: value for key, value in own.items() if not key.startswith("PYTHONIO")}, **more}


def scxlife(
    *arguments: str | bytes, stdin: bytes | None = None, env: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[bytes]:
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **given, **more}
    command = [sys.executable, "-m", "scxlife.lifecycle", "check", *arguments]
    return subprocess.run(command, env=environment(**(env or {})), timeout=PATIENCE_S, **streams)


def printed(*arguments: str | bytes, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
    """Standard output; nothing else may be said, and never a traceback."""
    done = scxlife(*arguments, stdin=stdin, env=env)
    assert done.stderr == b""
    return done.stdout.decode()


# -- exit codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["lamp.yaml"], CLEAN),
        (["--strict", "lamp.yaml"], CLEAN),
        (["warned.yaml"], CLEAN),
        (["--strict", "warned.yaml"], STRICT),
        (["wrong.yaml"], USAGE),
        (["--strict", "wrong.yaml"], USAGE),
        (["--strict", "warned.yaml", "wrong.yaml", "lamp.yaml"], USAGE),
        (["--strict", "lamp.yaml", "warned.yaml"], STRICT),
        (["missing.yaml"], USAGE),
        (["."], USAGE),
        ([""], USAGE),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_the_exit_code_is_that_of_the_worst_file(arguments: list[str], code: int, form: str) -> None:
    done = scxlife("--format", form, *arguments)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("arguments", [[], ["--format", "xml", "lamp.yaml"], ["--colour", "lamp.yaml"]])
def test_a_wrong_command_line_is_told_on_standard_error(arguments: list[str]) -> None:
    done = scxlife(*arguments)
    assert (done.returncode, done.stdout) == (USAGE, b"")
    assert b"usage: scxlife" in done.stderr


def test_help_shows_examples_and_exit_codes() -> None:
    text = printed("--help")
    assert "exit codes: 0 clean, 1 only warnings and --strict, 2 with errors" in text
    assert "scxlife check - < machine.yaml" in text


# -- for people ----------------------------------------------------------------------------------------------------


def test_a_sound_definition_is_told_in_a_line() -> None:
    assert printed("lamp.yaml").startswith("lamp.yaml: lamp 1: 2 states, ")


def test_each_file_has_its_findings_and_the_end_counts_all() -> None:
    lines = printed("wrong.yaml", "warned.yaml", "lamp.yaml").splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "wrong.yaml:10:31: unknown-state unknown state 'lti'; did you mean 'lit'?",
        "warned.yaml:12:10: unused-guard guard 'g' is used nowhere [warning]",
        next(line for line in lines if line.startswith("warned.yaml: lamp 1")),
        next(line for line in lines if line.startswith("lamp.yaml: lamp 1")),
        "1 error, 1 warning",
    ]


def test_a_file_that_is_named_twice_is_checked_once() -> None:
    assert printed("wrong.yaml", "wrong.yaml").endswith("1 error, 0 warnings\n")


def test_standard_input_is_a_file_like_others() -> None:
    assert printed("-", stdin=WRONG.encode()).startswith("<stdin>:10:31: unknown-state ")
    assert "lamp 1: 2 states" in printed("-", stdin=LAMP.encode())
    assert printed("-", stdin=b"").startswith("<stdin>:1:1: empty ")


def test_an_included_file_is_quoted_under_its_own_name() -> None:
    Path("base.yaml").write_text("guard: {g: x}\n")
    Path("machine.yaml").write_text(LAMP + "include: base.yaml\n")
    assert printed("machine.yaml").startswith("base.yaml:1:1: unknown-key unknown key 'guard'")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lamp.yaml", LAMP.replace("machine: lamp", 'machine: "\\e[31mred\\a"')),
        ("lamp.yaml", LAMP.replace("to: lit", 'to: "\\e[31mlit"')),
        ("la\x1b[31mmp.yaml", LAMP),
        ("la\x1b[31mmp.yaml", WRONG),
    ],
    ids=["the machine's name", "a state's name", "a sound file's name", "a wrong file's name"],
)
def test_nothing_in_a_file_or_its_name_is_obeyed_by_the_terminal(name: str, text: str) -> None:
    Path(name).write_text(text)
    assert all(line.isprintable() for line in printed(name).splitlines())


# -- colour --------------------------------------------------------------------------------------------------------


def on_a_terminal(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What it prints when standard output is a terminal."""
    ours, theirs = pty.openpty()
    done = scxlife(*arguments, env={"TERM": "xterm", **(env or {})}, stdout=theirs)
    os.close(theirs)
    read = bytearray()
    try:
        while piece := os.read(ours, 4096):
            read += piece
    except OSError:
        pass  # a terminal whose other side is closed
    os.close(ours)
    assert done.stderr == b""
    return read.decode()


def test_a_terminal_gets_colour_and_a_pipe_does_not() -> None:
    assert "\x1b[" in on_a_terminal("wrong.yaml")
    assert "\x1b[" not in printed("wrong.yaml", env={"TERM": "xterm"})


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_may_ask_for_none(env: dict[str, str]) -> None:
    assert "\x1b[" not in on_a_terminal("wrong.yaml", env=env)


def test_an_empty_no_color_asks_for_nothing() -> None:
    assert "\x1b[" in on_a_terminal("wrong.yaml", env={"NO_COLOR": ""})


def test_the_option_goes_before_the_terminal_and_the_environment() -> None:
    assert "\x1b[" in printed("--color", "always", "wrong.yaml", env={"NO_COLOR": "1"})
    assert "\x1b[" not in on_a_terminal("--color", "never", "wrong.yaml")


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_what_programs_read_is_never_coloured(form: str) -> None:
    json.loads(printed("--color", "always", "--format", form, "wrong.yaml"))


# -- for programs --------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "files", "problems"],
    "properties": {
        "version": {"const": 1},
        "files": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file", "sound", "errors", "warnings", "machine"],
                "properties": {
                    "file": {"type": "string"},
                    "sound": {"type": "boolean"},
                    "errors": {"type": "integer", "minimum": 0},
                    "warnings": {"type": "integer", "minimum": 0},
                    "machine": {"type": ["string", "null"]},
                },
            },
        },
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file", "line", "column", "end_column", "severity", "code", "message"],
                "properties": {
                    "file": {"type": "string"},
                    "line": {"type": "integer", "minimum": 1},
                    "column": {"type": "integer", "minimum": 1},
                    "end_column": {"type": "integer", "minimum": 2},
                    "severity": {"enum": ["error", "warning"]},
                    "code": {"type": "string", "pattern": "^[a-z0-9-]+$"},
                    "message": {"type": "string", "minLength": 1},
                },
            },
        },
    },
}


def as_json(*arguments: str, stdin: bytes | None = None) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(printed("--format", "json", *arguments, stdin=stdin))
    jsonschema.validate(told, SCHEMA)
    return told


def test_json_tells_each_file_and_each_problem() -> None:
    told = as_json("lamp.yaml", "warned.yaml", "wrong.yaml")
    assert told["files"] == [
        {"file": "lamp.yaml", "sound": True, "errors": 0, "warnings": 0, "machine": "lamp"},
        {"file": "warned.yaml", "sound": True, "errors": 0, "warnings": 1, "machine": "lamp"},
        {"file": "wrong.yaml", "sound": False, "errors": 1, "warnings": 0, "machine": None},
    ]
    assert [(problem["file"], problem["severity"], problem["code"]) for problem in told["problems"]] == [
        ("warned.yaml", "warning", "unused-guard"),
        ("wrong.yaml", "error", "unknown-state"),
    ]
    assert told["problems"][1] | {"message": ""} == {
        "file": "wrong.yaml", "line": 10, "column": 31, "end_column": 34, "severity": "error",
        "code": "unknown-state", "message": "",
    }  # fmt: skip


def test_json_names_standard_input_alike_everywhere() -> None:
    told = as_json("-", stdin=WRONG.encode())
    assert {problem["file"] for problem in told["problems"]} == {file["file"] for file in told["files"]}


def as_sarif(*arguments: str, stdin: bytes | None = None) -> Sarif:
    return Sarif.model_validate_json(printed("--format", "sarif", *arguments, stdin=stdin))


def test_sarif_tells_each_problem_with_its_level_and_columns() -> None:
    Path("wide.yaml").write_text(LAMP.replace("somebody reads}", "\U0001f600, caf\u00e9: 1}"))
    (run,) = as_sarif("warned.yaml", "wrong.yaml", "wide.yaml").runs
    assert run.tool.driver.name == "scxlife"
    assert run.tool.driver.version == __version__
    found = []
    for result in run.results or []:
        assert result.locations is not None
        physical = result.locations[0].physical_location
        assert physical is not None and physical.region is not None and physical.artifact_location is not None
        region = physical.region
        found.append(
            (result.rule_id, str(getattr(result.level, "value", result.level)), physical.artifact_location.uri,
             region.start_line, region.start_column, region.end_column)
        )  # fmt: skip
    assert found == [
        ("unused-guard", "warning", "warned.yaml", 12, 10, 11),
        ("unknown-state", "error", "wrong.yaml", 10, 31, 34),
        ("unknown-key", "error", "wide.yaml", 8, 25, 29),
    ]
    rules = [rule.id for rule in run.tool.driver.rules or []]
    assert sorted(rules) == ["unknown-key", "unknown-state", "unused-guard"]
    assert [rules[result.rule_index or 0] for result in run.results or []] == [code for code, *_ in found]


def test_sarif_counts_columns_in_characters() -> None:
    told = json.loads(printed("--format", "sarif", "wrong.yaml"))
    assert (told["version"], told["runs"][0]["columnKind"]) == ("2.1.0", "unicodeCodePoints")


def test_sarif_of_nothing_is_an_empty_run() -> None:
    (run,) = as_sarif("lamp.yaml").runs
    assert run.results == []


def test_sarif_names_files_as_addresses() -> None:
    Path("a b#c%.yaml").write_text(WRONG)
    told = json.loads(printed("--format", "sarif", "a b#c%.yaml"))
    location = told["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == "a%20b%23c%25.yaml"


# -- odd surroundings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
@pytest.mark.parametrize("text", [LAMP, WRONG], ids=["sound", "wrong"])
def test_a_file_name_that_is_no_utf8_is_told(form: str, text: str) -> None:
    name = b"la\xffmp.yaml"
    Path(os.fsdecode(name)).write_text(text)
    done = scxlife("--format", form, name)
    assert (done.returncode, done.stderr) == (CLEAN if text is LAMP else USAGE, b"")
    assert b"mp.yaml" in done.stdout or (form == "sarif" and text is LAMP)  # which names only what is wrong


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_an_output_that_knows_only_ascii_gets_what_it_can_show(form: str) -> None:
    Path("wide.yaml").write_text(LAMP.replace("somebody reads}", "caf\u00e9, \u732b: 1}"))
    Path("cell.yaml").write_text(LAMP.replace("to: dark}", "to: dark, if: g}") + "guards: {g: x}\n")
    done = scxlife("--format", form, "wide.yaml", "cell.yaml", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (USAGE, b"")
    assert b"missing-cell" in done.stdout


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_a_reader_that_went_away_is_no_error_of_ours(form: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = scxlife("--format", form, "wrong.yaml", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (BROKEN_PIPE, b"")


def test_a_reader_that_goes_away_in_the_middle_is_none_either() -> None:
    Path("long.yaml").write_text(LAMP + "".join(f"unknown_{number}: 1\n" for number in range(3000)))
    command = f"{sys.executable} -m scxlife.lifecycle check long.yaml | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, env=environment(), timeout=PATIENCE_S)
    assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")


@pytest.mark.parametrize("arguments", ["check lamp.yaml >&-", "check - <&-", "check wrong.yaml >/dev/full"])
def test_no_output_and_no_input_end_without_a_traceback(arguments: str) -> None:
    command = f"{sys.executable} -m scxlife.lifecycle {arguments}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment(), timeout=PATIENCE_S)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_version_of_thousands_of_digits_ends_without_a_traceback() -> None:
    Path("huge.yaml").write_text(LAMP.replace("version: 1", f"version: 0x{'f' * 5000}"))
    assert printed("huge.yaml").startswith("huge.yaml:3:10: wrong-type ")


@contextmanager
def watching(*words: str) -> Iterator[Callable[[], list[str]]]:
    """A check that goes on, and a function that gives what it has printed up to the next summary of one check."""
    command = [sys.executable, "-u", "-m", "scxlife.lifecycle", "check", "--watch", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        printed = iter(process.stdout)

        def until_summary() -> list[str]:
            lines = []
            for line in printed:
                lines.append(line.rstrip("\n"))
                if "every cell decided" in line or " error" in line:
                    break
            return lines

        timer = threading.Timer(PATIENCE_S, process.kill)
        timer.start()
        try:
            yield until_summary
            process.send_signal(signal.SIGINT)
            assert process.wait() == INTERRUPTED
        finally:
            timer.cancel()
            process.kill()


def test_watch_checks_again_when_a_file_is_written_or_replaced() -> None:
    with watching("lamp.yaml") as next_check:
        assert "every cell decided" in next_check()[-1]
        Path("lamp.yaml").write_text(WRONG)
        seen = next_check()
        assert seen[0] == "" and seen[1].endswith(" lamp.yaml")
        assert seen[-1].startswith("1 error")
        Path("other").write_text(LAMP)
        Path("other").rename("lamp.yaml")
        assert "every cell decided" in next_check()[-1]


def test_watch_hears_of_what_is_included_from_another_folder() -> None:
    Path("parts").mkdir()
    part = Path("parts/part.yaml")
    part.write_text("events: {press: {source: caller}}\n")
    Path("whole.yaml").write_text(LAMP.replace("events: {press: {source: caller}}", "include: parts/part.yaml"))
    with watching("whole.yaml") as next_check:
        assert "every cell decided" in next_check()[-1]
        part.write_text("events: {push: {source: caller}}\n")
        seen = next_check()
        assert seen[1].endswith("part.yaml")
        assert " error" in seen[-1]


@pytest.mark.parametrize("words", [("--format", "json", "lamp.yaml"), ("-",)])
def test_watch_prints_text_of_files_alone(words: tuple[str, ...]) -> None:
    done = scxlife("--watch", *words)
    assert (done.returncode, done.stdout) == (USAGE, b"")
    assert b"--watch prints text" in done.stderr


def test_a_folder_that_is_not_there_can_not_be_watched() -> None:
    done = scxlife("--watch", "nowhere/lamp.yaml")
    assert done.returncode == USAGE
    assert b"nowhere: it can't be watched: No such file" in done.stderr

"""`scxlife diagram` as a user types it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse

from .conftest import SHIPPED

BROKEN = "format: 1\nmachine: m\nversion: 1\ninitial: nowhere\nevents: {}\nstates: {here: {no-deadline: x}}\nrows: []\n"

SMALL = """\
format: 1
machine: bell
version: 1
initial: still
events: {pull: {source: caller}}
outcomes: {rung: {doc: it was heard}}
states: {still: {no-deadline: it hangs}, rung: {final: rung}}
rows: [{in: still, on: pull, to: rung}]
"""


def diagram(*words: str | Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "scxlife.lifecycle.cli", "diagram", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=60, env={**os.environ, **more})


def error(done: subprocess.CompletedProcess[bytes]) -> str:
    text = done.stderr.decode()
    assert "Traceback" not in text
    assert done.stdout == b""
    return text


def test_without_arguments_the_shipped_lifecycle_is_printed_as_dot() -> None:
    done = diagram()
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"digraph machine {\n")
    assert b'"attaching" -> "running"' in done.stdout


@pytest.mark.parametrize(
    ("format_", "suffix", "begin"),
    [
        ("dot", "dot", b"digraph"),
        ("dot", "gv", b"digraph"),
        ("svg", "svg", b"<?xml"),
        ("png", "png", b"\x89PNG\r\n"),
        ("mermaid", "mmd", b"---\ntitle: "),
        ("plantuml", "puml", b"@startuml\n"),
        ("scxml", "scxml", b"<?xml"),
        ("table", "md", b"# scheduler 1\n"),
        ("html", "html", b"<!DOCTYPE html>\n"),
    ],
)
def test_each_format_goes_to_a_pipe_and_to_a_file(tmp_path: Path, format_: str, suffix: str, begin: bytes) -> None:
    piped = diagram("--format", format_)
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert piped.stdout.startswith(begin)
    file = tmp_path / f"machine.{suffix}"
    written = diagram("-o", file)
    assert (written.returncode, written.stdout, written.stderr) == (0, b"", b"")
    assert file.read_bytes() == piped.stdout


def test_the_format_that_is_named_wins_over_the_suffix(tmp_path: Path) -> None:
    assert diagram("--format", "dot", "-o", tmp_path / "a.svg").returncode == 0
    assert (tmp_path / "a.svg").read_bytes().startswith(b"digraph")


def test_a_suffix_that_names_no_format_is_a_usage_error(tmp_path: Path) -> None:
    done = diagram("-o", tmp_path / "machine.jpeg")
    assert done.returncode == 2
    assert "name one: --format dot, mermaid, plantuml, scxml, table, html, svg, png" in error(done)
    assert list(tmp_path.iterdir()) == []


def test_a_png_is_not_thrown_at_a_terminal() -> None:
    terminal, inside = pty.openpty()
    try:
        command = [sys.executable, "-m", "scxlife.lifecycle.cli", "diagram", "--format", "png"]
        done = subprocess.run(command, stdout=inside, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(inside)
        os.close(terminal)
    assert done.returncode == 2
    assert b"-o machine.png" in done.stderr


def test_without_graphviz_a_picture_is_an_error_and_dot_text_is_not(tmp_path: Path) -> None:
    done = diagram("-o", tmp_path / "a.svg", PATH=str(tmp_path))
    assert done.returncode == 1
    assert error(done).splitlines()[-1] == "hint: apt-get install graphviz"
    assert list(tmp_path.iterdir()) == []
    assert diagram(PATH=str(tmp_path)).returncode == 0


def test_a_definition_with_errors_is_told_as_check_does(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    check = [sys.executable, "-m", "scxlife.lifecycle.cli", "check", str(file)]
    checked = subprocess.run(check, capture_output=True, timeout=60)
    done = diagram(file, "-o", tmp_path / "a.svg")
    assert done.returncode == checked.returncode == 2
    assert f"{file}:4:10: unknown-state" in error(done)
    assert done.stderr.splitlines() == checked.stdout.splitlines()[:-1], "all but the count of errors"
    assert not (tmp_path / "a.svg").exists()


def test_a_definition_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = diagram(tmp_path / "none.yaml")
    assert done.returncode == 2
    assert "No such file or directory" in error(done)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = diagram("-o", tmp_path / "none" / "a.svg")
    assert done.returncode == 2
    assert "there is no folder" in error(done)


def test_a_reader_that_goes_away_is_no_success_and_no_traceback(tmp_path: Path) -> None:
    """Also of a text that is small enough to wait in a buffer until the end."""
    file = tmp_path / "bell.yaml"
    file.write_text(SMALL)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "scxlife.lifecycle.cli", "diagram", str(file)]
    with os.fdopen(writer, "wb") as out:
        buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=60, env=buffered)
    assert done.stderr == b""
    assert done.returncode != 0


# -- parts and runs ---------------------------------------------------------------------------------------------


def test_a_view_is_a_part_of_the_machine_in_each_drawn_format() -> None:
    for format_, name in (("dot", b'"sweeping"'), ("mermaid", b"s_sweeping"), ("plantuml", b"s_sweeping")):
        whole, part = diagram("--format", format_), diagram("--format", format_, "--group", "running_and_ejection")
        assert (part.returncode, part.stderr) == (0, b"")
        assert name in whole.stdout
        assert name not in part.stdout


def test_two_groups_are_shown_together() -> None:
    done = diagram("--format", "mermaid", "--group", "gone", "--group", "proving", "--only", "failures")
    assert done.stdout.splitlines()[1] == b'title: "scheduler 1\\U0000003A gone and proving, failures only"'
    assert b"liveness_over," not in done.stdout, "a step of the spine"


def test_a_group_that_is_not_there_is_told_with_those_that_are() -> None:
    done = diagram("--group", "spin")
    assert done.returncode == 2
    first, second = error(done).splitlines()
    assert first == "scxlife: error: scheduler has no group or view 'spin'; did you mean 'spine'?"
    assert second.startswith("hint: there are: spine, startup_and_attach,")


@pytest.mark.parametrize("words", [("--group", "gone"), ("--only", "spine"), ("--highlight", "x.tape")])
@pytest.mark.parametrize("format_", ["table", "html", "scxml"])
def test_what_holds_a_whole_machine_has_no_parts(words: tuple[str, str], format_: str) -> None:
    done = diagram("--format", format_, *words)
    assert done.returncode == 2
    assert error(done).startswith(f"scxlife: error: {format_} has all of a machine\nhint: ")


def test_a_run_is_drawn_from_a_tape_and_from_a_scenario_alike(tmp_path: Path) -> None:
    scenario = Path(__file__).with_name("ejected.yaml")
    tape = tmp_path / "run.tape"
    tape.write_text("".join(f"{line}\n" for line in run(parse(scenario.read_text())).lines))
    drawn = diagram("--highlight", tape)
    assert (drawn.returncode, drawn.stderr) == (0, b"")
    assert drawn.stdout.startswith(b"digraph run {\n")
    assert diagram("--highlight", scenario).stdout == drawn.stdout


def test_a_run_has_no_parts_and_no_text_of_mermaid() -> None:
    scenario = Path(__file__).with_name("ejected.yaml")
    for words, hint in ((("--group", "gone"), "leave --group"), (("--format", "mermaid"), "name another format: dot")):
        done = diagram("--highlight", scenario, *words)
        assert done.returncode == 2
        assert error(done).splitlines()[-1].startswith(f"hint: {hint}")


def test_a_run_of_another_machine_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "bell.yaml").write_text(SMALL)
    (tmp_path / "empty.tape").touch()
    scenario = Path(__file__).with_name("ejected.yaml")
    for words in ((tmp_path / "bell.yaml", scenario), (SHIPPED, tmp_path / "empty.tape"), (SHIPPED, tmp_path)):
        done = diagram(words[0], "--highlight", words[1], "-o", tmp_path / "a.svg")
        assert done.returncode == 2
        assert "hint: " in error(done)
        assert not (tmp_path / "a.svg").exists()

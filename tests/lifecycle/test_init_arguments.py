"""The scheduler's argument file: what it says, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scxlife.lifecycle.arguments_file import ArgumentsError, read_arguments
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import Outcome
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.linux import LinuxKernel

kernel = LinuxKernel()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t", []),
        ("-v -s 20000\n", ["-v", "-s", "20000"]),
        ("""--name 'two words' "" a\\ b""", ["--name", "two words", "", "a b"]),
        ("--name grün", ["--name", "grün"]),
    ],
)
def test_the_words_are_split_as_a_shell_would(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "sched_args"
    file.write_text(text, encoding="utf-8")
    assert read_arguments(kernel, str(file)) == words


def test_no_file_is_no_arguments(tmp_path: Path) -> None:
    assert read_arguments(kernel, str(tmp_path / "sched_args")) == []


def test_a_long_file_is_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "sched_args"
    file.write_text("word " * 50_000)
    assert len(read_arguments(kernel, str(file))) == 50_000


WRONG = {
    b"--name 'half": "no closing quotation: write it as on a shell's command line",
    b"--name half\\": "no escaped character: write it as on a shell's command line",
    b"-v \xff": "is not UTF-8 at byte 3: write it in UTF-8",
    b"-v \0": "has a NUL byte, which no argument can hold: remove it",
}


@pytest.mark.parametrize("content", WRONG)
def test_row_2_a_file_that_is_wrong_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sched_args"
    file.write_bytes(content)
    with pytest.raises(ArgumentsError) as told:
        read_arguments(kernel, str(file))
    assert str(told.value).startswith(str(file))
    assert WRONG[content] in str(told.value)


def outcome_of(tmp_path: Path, command: str) -> Outcome:
    """Of a run whose argument file is a directory."""
    (tmp_path / "sched_args").mkdir()
    plan = Plan(command=command, arguments_file=str(tmp_path / "sched_args"), log_path=str(tmp_path / "log"))
    return Supervision(kernel, shipped(), plan, observer=lambda record: None).run()


def test_row_2_a_file_that_can_not_be_read_is_spawn_failed(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, "/bin/true")
    assert outcome.name == "spawn-failed"
    assert f"{tmp_path}/sched_args can't be read: Is a directory" in outcome.reason
    assert not (tmp_path / "log").exists()


def test_row_1_without_a_command_the_file_is_nobodys_concern(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, str(tmp_path / "none")).name == "not-configured"


def test_row_2_the_words_of_the_file_are_what_the_program_gets(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("-c 'exit 7'")
    plan = Plan(command="/bin/sh", arguments_file=str(tmp_path / "words"), log_path=str(tmp_path / "log"))
    outcome = Supervision(kernel, shipped().with_profile("none"), plan, observer=lambda record: None).run()
    assert (outcome.name, outcome.exit) == ("startup-died", {"code": 7})

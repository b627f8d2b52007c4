"""The grammar of a `vm run` line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.usage import UsageError
from scxlife.lifecycle.vm_words import Words, understood

OPTIONS = {"--json", "--timeout", "--sched-args", "--scheduler"}


def read(line: str, **given: Any) -> Words:
    options = {"scheduler": None, "arguments": None, "no_scheduler": False, **given}
    return understood(line.split(), OPTIONS, **options)


READ = {
    "nothing": ("", {}, Words("scx_simple", "", ())),
    "a payload": ("-- sleep 3", {}, Words("scx_simple", "", ("sleep", "3"))),
    "a scheduler": ("./mine", {}, Words("./mine", "", ())),
    "its arguments": ("./mine -v -s 20", {}, Words("./mine", "-v -s 20", ())),
    "both": ("./mine -v -- sh -c x", {}, Words("./mine", "-v", ("sh", "-c", "x"))),
    "a payload with --": ("./mine -- env -- x", {}, Words("./mine", "", ("env", "--", "x"))),
    "options": ("-- sleep 3", {"scheduler": "./mine", "arguments": "-v"}, Words("./mine", "-v", ("sleep", "3"))),
    "arguments as one word": ("./mine", {"arguments": "-v"}, Words("./mine", "-v", ())),
    "none": ("-- sleep 3", {"no_scheduler": True}, Words(None, "", ("sleep", "3"))),
    "a scheduler as the payload": ("-- scx_x", {"scheduler": "./mine"}, Words("./mine", "", ("scx_x",))),
    "a scheduler as the payload of none": ("-- scx_x", {"no_scheduler": True}, Words(None, "", ("scx_x",))),
    "an end without a payload": ("./mine --", {}, Words("./mine", "", ())),
}


@pytest.mark.parametrize("what", READ)
def test_a_line_names_a_scheduler_and_a_payload(what: str) -> None:
    line, given, words = READ[what]
    assert read(line, **given) == words


def test_an_argument_with_spaces_stays_one_argument() -> None:
    given: dict[str, Any] = {"scheduler": None, "arguments": None, "no_scheduler": False}
    assert understood(["./mine", "-n", "a b"], OPTIONS, **given).arguments == "-n 'a b'"


REFUSED = {
    "a scheduler where a payload stands": ("-- scx_mine -v", {}, "hint: as the scheduler: scxlife vm run scx_mine -v"),
    "two schedulers": ("./mine", {"scheduler": "x"}, "there is --scheduler too"),
    "none and one": ("./mine", {"no_scheduler": True}, "there is --no-scheduler too"),
    "none and an option": ("-- x", {"no_scheduler": True, "scheduler": "x"}, "there is a scheduler too"),
    "none and arguments": ("-- x", {"no_scheduler": True, "arguments": "-v"}, "there is a scheduler too"),
    "arguments twice": ("./mine -v", {"arguments": "-v"}, "there is --sched-args too"),
    "an option of ours behind": ("./mine --json", {}, "put options before it: scxlife vm run --json … ./mine"),
    "one with its value": ("./mine -v --timeout=3s", {}, "--timeout=3s comes after the scheduler"),
    "an open quotation": ("-- x", {"arguments": "'x"}, "no closing quotation"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_line_that_can_be_read_in_two_ways_is_refused(what: str) -> None:
    line, given, reason = REFUSED[what]
    with pytest.raises(UsageError) as refused:
        read(line, **given)
    assert reason in str(refused.value)


@pytest.mark.parametrize("content", [b"\x7fELF...sched_ext_ops...", b"\x7fELF......", b"#!/bin/sh sched_ext_ops", b""])
def test_a_program_with_a_bpf_scheduler_in_it_is_told_from_a_payload(tmp_path: Path, content: bytes) -> None:
    program = tmp_path / "mine"
    program.write_bytes(content)
    if content.startswith(b"\x7fELF") and b"sched_ext_ops" in content:
        with pytest.raises(UsageError):
            read(f"-- {program}")
    else:
        assert read(f"-- {program}").payload == (str(program),)

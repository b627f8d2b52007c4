"""The lifecycle embedded in a program of somebody else's, whatever that does with SIGCHLD, and thousands of lives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .programs.life import LIMIT, PROGRAMS

DISPOSITIONS = ("default", "ignored")
LIVES = 2000
PATIENCE_S = 600
#: What the allocator may keep for itself.
ARENAS_KIB = 8 * 1024
#: Before Linux 6.15 nobody remembers how a process ended that was reaped by the kernel itself.
KERNEL_REMEMBERS = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 15)


def embedded(
    disposition: str, story: str, folder: Path, *words: object, patience: float = LIMIT, also_open: tuple[int, ...] = ()
) -> dict[str, Any]:
    """What the embedder saw. It has left no child, no descriptor and no thread, whatever the story was."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / "embedder.py", disposition, story, folder, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["children"], told["threads"], told["descriptors"]) == ([], 1, [0, 1, 2, *also_open])
    return told


# -- the exit status -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "number", "exit"), [("code", 0, {"code": 0}), ("code", 143, {"code": 143}), ("signal", 15, {"signal": 15})]
)
def test_C2_C3_a_status_is_exact_or_unknown_and_never_made_up(
    tmp_path: Path, kind: str, number: int, exit: dict[str, int]
) -> None:
    told = embedded("ignored", "early", tmp_path, kind, number, 100)
    assert told["names"] == ["startup-died"]
    assert [status for status in told["exits"] if status not in (exit, None)] == []


@pytest.mark.parametrize(("kind", "number"), [("code", 0), ("code", 1), ("code", 255), ("signal", 9), ("signal", 15)])
def test_C2_one_that_was_seen_running_has_its_exact_status(tmp_path: Path, kind: str, number: int) -> None:
    for disposition in DISPOSITIONS:
        (tmp_path / disposition).mkdir()
        told = embedded(disposition, "late", tmp_path / disposition, kind, number)
        known = disposition == "default" or KERNEL_REMEMBERS
        assert (told["name"], told["exit"]) == ("exited", {kind: number} if known else None)
        assert told["status"] == (0 if known and (kind, number) == ("code", 0) else 13)


def test_with_sigchld_at_its_default_every_early_death_has_its_status(tmp_path: Path) -> None:
    told = embedded("default", "early", tmp_path, "code", 7, 100)
    assert told["exits"] == [{"code": 7}] * 100


@pytest.mark.parametrize("disposition", DISPOSITIONS)
@pytest.mark.parametrize("program", ["tree", "ignores", "stopped"])
def test_a_stop_reaches_everybody_whatever_sigchld_does(tmp_path: Path, disposition: str, program: str) -> None:
    told = embedded(disposition, "stopped", tmp_path, program)
    number = signal.SIGKILL if program == "ignores" else signal.SIGTERM
    assert (told["name"], told["survivors"]) == ("stopped", [])
    assert told["exit"] == ({"signal": number} if disposition == "default" or KERNEL_REMEMBERS else None)


# -- descriptors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["file", "none"])
def test_C7_with_any_number_of_descriptors_a_run_ends_in_an_outcome_and_leaves_nobody(tmp_path: Path, how: str) -> None:
    told = embedded("default", "starved", tmp_path, how)
    *failed, (last, _) = told["outcomes"]
    assert last == "stopped"
    assert failed
    assert told["lost"] == []
    # The program inherits the limit: it can be the one that has no descriptor.
    assert {name for name, _ in failed} <= {"spawn-failed", "fault", "startup-died", "exited"}


def test_C7_a_run_that_fails_for_want_of_descriptors_says_so(tmp_path: Path) -> None:
    told = embedded("default", "starved", tmp_path, "file")
    ours = [why for name, why in told["outcomes"] if name in ("spawn-failed", "fault")]
    assert [why for why in ours if "Too many open files" not in why] == []


def test_E4_a_descriptor_above_a_limit_that_was_lowered_does_not_prevent_the_start(tmp_path: Path) -> None:
    told = embedded("default", "far_descriptor", tmp_path, also_open=(100,))
    assert (told["name"], told["reason"]) == ("startup-died", "it died before it was ready (code 3)")


# -- thousands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("disposition", DISPOSITIONS)
def test_two_thousand_lives_leave_no_zombie_no_descriptor_no_thread_and_no_memory(
    tmp_path: Path, disposition: str
) -> None:
    told = embedded(disposition, "many", tmp_path, LIVES, patience=PATIENCE_S)
    assert sum(told["counts"].values()) >= LIVES
    assert set(told["counts"]) == {"startup-died", "stopped", "spawn-failed", "not-configured", "not-attached"}
    grown = {unit: told["after"][unit] - told["before"][unit] for unit in ("blocks", "KiB")}
    print(f"{disposition}: {told['before']}, grown by {grown} in {LIVES} lives: {told['counts']}")
    assert grown["blocks"] < LIVES / 10, "an object that each life leaves would be at least one block a life"
    assert grown["KiB"] < ARENAS_KIB, "memory that is not the interpreter's"

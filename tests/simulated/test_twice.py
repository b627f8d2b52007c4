"""`fuzz --twice`: what is not the same twice is noticed, were it only another order of names."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.mutants.catalogue import Mutant
from tests.mutants.laboratory import Laboratory, laboratory

from scxlife.lifecycle.cli import main
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.lifecycle.simulated.twice import Twin


def defect(file: str, find: str, put: str) -> Mutant:
    return Mutant("put in here", (), "nobody looks twice", file, find, put, "tests/simulated/test_twice.py")


DEFECTS = {
    "a draw without a seed": defect("platform/sim/machine.py", "self.random = Random(seed)", "self.random = Random()"),
    "a seed made of a string's hash": defect(
        "platform/sim/machine.py", "self.random = Random(seed)", "self.random = Random(hash(str(seed)))"
    ),
}


@pytest.fixture(scope="module")
def room() -> Iterator[Laboratory]:
    with laboratory() as made:
        yield made


@pytest.mark.parametrize("mutant", DEFECTS.values(), ids=DEFECTS)
def test_what_is_not_the_same_twice_is_found_shrunk_kept_and_replayed(
    monkeypatch: pytest.MonkeyPatch, room: Laboratory, tmp_path: Path, mutant: Mutant
) -> None:
    # The twin takes another than this one, so that no string has the same hash in both.
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    with room.with_mutant(mutant):
        attack = ("-m", "scxlife.lifecycle.cli", "fuzz", "--examples", "40", "--profile", "7.2", "--keep")
        twice = room.run(*attack, str(tmp_path), "--twice")
        assert twice.returncode == 1, twice.stderr
        (kept,) = (path for path in tmp_path.glob("*.yaml") if path.name.startswith("the-same-twice"))
        assert re.match(r"# the same twice: line \d+ differs\n", kept.read_text())
        again = room.run("-m", "scxlife.lifecycle.cli", "replay", str(kept))
    assert again.returncode == 1
    assert re.search(r"^violated   the same twice: line \d+ differs\n  here     .+\n  there    .+$", again.stdout, re.M)


def test_what_is_the_same_twice_is_nothing_to_be_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["fuzz", "--examples", "40", "--seed", "5", "--twice", "--keep", str(tmp_path)]) == 0
    assert "40 runs" in capsys.readouterr().out


def test_the_twin_answers_again_and_again_and_ends_with_its_with() -> None:
    with Twin() as twin:
        answers = [twin.difference(run(Scenario(seed=seed))) for seed in range(3)]
        process = twin.process
    assert answers == [None] * 3
    assert process.returncode == 0


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_it_and_the_twins(tmp_path: Path, jobs: str) -> None:
    planted = """
import os, sys
from scxlife.lifecycle.cli import main
from scxlife.lifecycle.simulated import properties
properties.PROPERTIES["planted"] = lambda done: os.write(1, b"run\\n") and ()
sys.exit(main(sys.argv[1:]))
"""
    command = ["fuzz", "--twice", "--jobs", jobs, "--examples", "100000", "--keep", str(tmp_path)]
    ours = subprocess.Popen(
        [sys.executable, "-c", planted, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert ours.stdout is not None
    assert ours.stdout.readline() == "run\n"
    os.killpg(ours.pid, signal.SIGINT)
    # A twin has what is our stderr: as long as it lives this does not end.
    told, _ = ours.communicate(timeout=60)
    assert ours.returncode == 130
    assert "nothing was violated" in told
    assert "Traceback" not in told

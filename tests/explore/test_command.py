"""`scxlife explore` as a person has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scxlife.lifecycle.model.properties import PROPERTIES
from scxlife.lifecycle.options import DEFINITION

COMMAND = [sys.executable, "-m", "scxlife.lifecycle"]


def scxlife(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=300)


def mutant(folder: Path, old: str, new: str) -> str:
    text = DEFINITION.read_text()
    assert text.count(old) == 1
    file = folder / "mine.yaml"
    file.write_text(text.replace(old, new))
    return str(file)


def test_what_holds_is_printed_and_the_exit_code_is_0() -> None:
    done = scxlife("explore", "--profile", "file")
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert lines[0] == "scheduler 1, profile file, faults 0"
    assert "all of it" in lines[1]
    assert [line.split()[:2] for line in lines[3 : 3 + len(PROPERTIES)]] == [[name, "holds"] for name in PROPERTIES]
    assert "it rests in: running" in lines[-1]


def test_json_is_one_object() -> None:
    done = scxlife("explore", "--profile", "none", "--json")
    said = json.loads(done.stdout)
    assert said["complete"] and said["states"] > 100 and said["transitions"] > said["states"]
    assert said["properties"].keys() == PROPERTIES.keys()
    assert all(found["holds"] and found["findings"] == [] for found in said["properties"].values())


def test_what_is_broken_is_told_as_a_story_and_kept_as_a_tape(tmp_path: Path) -> None:
    file = mutant(tmp_path, "reap, clear_pid, look_again]", "reap, look_again]")
    done = scxlife("explore", "--profile", "file", "--definition", file, "--tapes", str(tmp_path / "found"))
    assert done.returncode == 1, done
    assert "left      BROKEN" in done.stdout
    assert "process exits" in done.stdout
    assert "broken: left: " in done.stdout
    tapes = sorted((tmp_path / "found").iterdir())
    assert tapes
    for tape in tapes:
        again = scxlife("replay", "--definition", file, str(tape))
        assert again.returncode == 0, again


def test_depth_is_a_bound_and_said_to_be_one() -> None:
    done = scxlife("explore", "--profile", "file", "--depth", "4")
    assert done.returncode == 0
    assert "no deeper than" in done.stdout
    assert "it rests in" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--faults", "-1"), "'-1' is not a whole number"),
        (("--faults", "many"), "'many' is not a whole number"),
        (("--profile", "fil"), "did you mean 'file'"),
        (("--definition", "/nowhere.yaml"), "/nowhere.yaml"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_line(arguments: tuple[str, ...], says: str) -> None:
    done = scxlife("explore", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_definition_that_the_model_can_not_follow_is_refused(tmp_path: Path) -> None:
    file = mutant(tmp_path, "entry: signal_stop\n", "entry: [signal_stop, sing]\n")
    text = Path(file).read_text()
    Path(file).write_text(text.replace("actions:\n", "actions:\n  sing: loudly\n", 1))
    done = scxlife("explore", "--definition", file)
    assert done.returncode == 2
    assert "the model of the world knows no action 'sing'" in done.stderr


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = scxlife("explore", "--profile", "none", "--tapes", str(tmp_path / "file" / "found"))
    assert done.returncode == 2
    assert "--tapes" in done.stderr


def test_ctrl_c_shows_what_was_covered() -> None:
    with subprocess.Popen(
        [*COMMAND, "explore", "--faults", "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        # The walk has begun when it tells for the second time where it is.
        assert process.stderr.readline() == "exploring …\n"
        assert process.stderr.readline().startswith("exploring: faults ")
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "no deeper than" in out
    assert "states" in out and "holds" in out

"""Names as types: mypy finds what is misspelt, missing or of the wrong kind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scxlife.fsm.loader import load, loads
from scxlife.fsm.runtime import Runtime
from scxlife.fsm.typed import NamesError, typed_names

ROOT = Path(__file__).parent.parent.parent

DOOR = """\
format: 1
machine: door
version: 3
initial: shut
outcomes: {broken: {doc: it is of no use any more}}
guards: {unlocked: "the \\"key\\" was turned"}
actions: {squeak: it needs oil, class: a name that Python keeps for itself}
events:
  fault: {source: action}
  push: {source: caller, doc: somebody pushes}
  slam-shut: {source: caller}
states:
  shut: {no-deadline: it may stay shut, doc: closed}
  open: {entry: [squeak, class], no-deadline: it may stay open}
  broken: {final: broken}
rows:
  - {in: shut, on: push, if: unlocked, to: open}
  - {in: open, on: slam-shut, to: shut}
  - {in: open, on: push, to: broken}
ignore:
  - {in: shut, on: push, because: it is locked}
  - {in: shut, on: slam-shut, because: it is shut}
  - {in: "*", on: fault, because: a squeak may fail}
"""

GOOD = """\
from door_names import EventName, Outcome, State, actions_of, guards_of, happened
from scxlife.fsm import Event, Runtime, loads


class Hinges:
    def squeak(self, event: Event) -> None:
        print("iiek", event.name)

    def class_(self, event: Event) -> None:
        print("noblesse oblige")


class Lock:
    def unlocked(self, event: Event) -> bool:
        return True


def main(text: str) -> None:
    runtime = Runtime(
        loads(text), actions=actions_of(Hinges()), guards=guards_of(Lock()), clock=lambda: 0.0
    )
    runtime.start()
    runtime.handle(happened(EventName.PUSH))
    assert runtime.state == State.OPEN
    runtime.handle(happened(EventName.PUSH))
    assert runtime.ending is not None
    assert runtime.ending.outcome == Outcome.BROKEN
"""


@pytest.fixture
def door(tmp_path: Path) -> Path:
    (tmp_path / "door_names.py").write_text(typed_names(loads(DOOR), "door.yaml"))
    (tmp_path / "door.yaml").write_text(DOOR)
    return tmp_path


def mypy(folder: Path, program: str) -> str:
    (folder / "program.py").write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "program.py", "door_names.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def test_a_program_with_the_right_names_is_clean_and_runs(door: Path) -> None:
    assert mypy(door, GOOD) == ""
    run = f"{GOOD}\nmain(open('door.yaml').read())\n"
    (door / "program.py").write_text(run)
    done = subprocess.run([sys.executable, "program.py"], cwd=door, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "iiek push\nnoblesse oblige\n"), done.stderr


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("EventName.PUSH", "EventName.PUHS", 'has no attribute "PUHS"'),
        ("happened(EventName.PUSH)", 'happened("push")', "arg-type"),
        ("State.OPEN", "State.OPNE", 'has no attribute "OPNE"'),
        ("Outcome.BROKEN", "Outcome.BROKE", 'has no attribute "BROKE"'),
        ("def squeak(", "def squeek(", '"Hinges" is missing following "Actions" protocol member'),
        ("def unlocked(self, event: Event) -> bool", "def unlocked(self, event: Event) -> str", "incompatible type"),
    ],
)
def test_mypy_sees_a_mistake(door: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    assert says in mypy(door, GOOD.replace(old, new))


def test_two_names_that_python_can_not_tell_apart_are_refused() -> None:
    text = DOOR.replace("slam-shut", "slam_shut").replace(
        "  push: {source", "  slam-shut: {source: caller}\n  push: {source"
    )
    text = text.replace("ignore:\n", "ignore:\n  - {in: '*', on: slam-shut, because: nothing}\n", 1)
    with pytest.raises(NamesError, match="'slam-shut' and 'slam_shut' would both be SLAM_SHUT"):
        typed_names(loads(text), "door.yaml")


def test_the_lifecycles_own_names_are_fresh() -> None:
    source = "lifecycle/scheduler.yaml"
    fresh = typed_names(load(ROOT / source), source)
    stale = f"stale: scxlife names {source} > names.py && mv names.py lifecycle/scheduler_names.py"
    assert fresh == (ROOT / "lifecycle" / "scheduler_names.py").read_text(), stale


@pytest.mark.parametrize("kept", ["actions", "guards", "neither"])
def test_a_machine_has_types_for_what_it_declares(kept: str) -> None:
    text = DOOR
    if kept != "guards":
        text = text.replace("if: unlocked, ", "").replace(
            ", on: push, because: it is locked", ", on: fault, because: x"
        )
        text = re.sub(r"guards: .*\n", "", text)
    if kept != "actions":
        text = re.sub(r"actions: .*\n", "", text).replace("entry: [squeak, class], ", "")
    made: dict[str, object] = {}
    exec(typed_names(loads(text), "door.yaml"), made)
    assert ("Actions" in made, "Guards" in made) == (kept == "actions", kept == "guards")


def test_an_action_that_is_not_declared_is_refused_as_well() -> None:
    given = {"squeak": lambda event: None, "class": lambda event: None, "sqeak": lambda event: None}
    with pytest.raises(KeyError, match=r"'sqeak'.*'squeak'"):
        Runtime(loads(DOOR), actions=given, guards={"unlocked": lambda event: True}, clock=lambda: 0.0)


def test_of_several_that_are_not_declared_the_first_is_told() -> None:
    given = dict.fromkeys(("squeak", "class", "yell", "ring"), lambda event: None)
    with pytest.raises(KeyError, match="'ring' is given and not declared"):
        Runtime(loads(DOOR), actions=given, guards={"unlocked": lambda event: True}, clock=lambda: 0.0)

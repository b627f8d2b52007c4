"""`scxlife fuzz` and the scenarios that it keeps, as a user starts them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scxlife.lifecycle.cli import main
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.simulated import properties

PLANTED = "nobody is ever started"
LIMIT = 120
REGRESSIONS = Path(__file__).parent.parent / "regressions"


def test_a_small_attack_says_what_it_has_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status = main(["fuzz", "--examples", "20", "--seed", "3", "--profile", "7.3", "--keep", str(tmp_path / "kept")])
    out = capsys.readouterr().out
    assert "20 runs" in out
    assert "ways through the table" in out
    assert status == (1 if list(tmp_path.rglob("*.yaml")) else 0)


def test_the_table_of_the_coverage_says_what_was_gone_through_and_what_was_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    main(["fuzz", "--examples", "20", "--seed", "3", "--coverage", "--keep", str(tmp_path)])
    told = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in told if line and not line.startswith(" ")}
    taken, every = map(int, re.findall(r"(\d+) of (\d+) ways", "\n".join(told))[0])
    assert 0 < sum(int(row[1]) for row in map(rows.get, shipped().states) if row) == taken
    (heading,) = (number for number, line in enumerate(told) if line.endswith(" that no run has come to:"))
    never = told[heading + 1 :]
    assert told[heading].split()[0] == str(len(never))
    assert len([line for line in never if " × " in line]) == every - taken


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A property that no run with a spawned process has."""
    monkeypatch.setitem(properties.PROPERTIES, PLANTED, lambda done: ["somebody was"] if done.started else [])


@pytest.mark.usefixtures("planted")
def test_a_finding_is_kept_and_replayed_step_by_step(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["fuzz", "--examples", "30", "--profile", "7.2", "--keep", str(tmp_path)]) == 1
    kept = min(tmp_path.glob("*.yaml"))
    assert kept.read_text().startswith(f"# {PLANTED}: somebody was")
    capsys.readouterr()
    assert main(["replay", str(kept)]) == 1
    shown = capsys.readouterr().out
    assert "spawning" in shown
    assert f"violated   {PLANTED}: somebody was" in shown


def test_a_scenario_that_violates_nothing_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    path = next(iter(sorted(REGRESSIONS.glob("*.yaml"))))
    assert main(["replay", str(path)]) == 0
    assert "outcome " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kernel: '7.2'\nprogramm: {}\n", "programm"),
        ("program: {steps: [{do: dance}]}\n", "dance"),
        ("kernel: '5.4'\n", "5.4"),
        ("ready: maybe\n", "maybe"),
        ("settings: {livenes: 1.0}\n", "livenes"),
        ("program: [\n", "not YAML"),
        ("- 1\n", "scenario"),
        ("", "this is empty"),
    ],
)
def test_a_scenario_that_is_none_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    assert main(["replay", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"scxlife: error: {path}: ")
    assert words in told


def test_ctrl_c_ends_it_with_what_was_found(tmp_path: Path) -> None:
    planting = (
        "import sys; from scxlife.lifecycle.simulated import properties; from scxlife.lifecycle.cli import main; "
    )
    planting += f"properties.PROPERTIES[{PLANTED!r}] = lambda done: ['somebody was'] if done.started else []; "
    command = [sys.executable, "-c", f"{planting} sys.exit(main(sys.argv[1:]))"]
    attack = subprocess.Popen(
        [*command, "fuzz", "--seconds", "600s", "--jobs", "2", "--keep", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert attack.stdout is not None
    # The first finding shows that it is at work.
    first = attack.stdout.readline()
    os.killpg(attack.pid, signal.SIGINT)
    try:
        rest, _ = attack.communicate(timeout=LIMIT)
    finally:
        if attack.poll() is None:
            os.killpg(attack.pid, signal.SIGKILL)
    assert first.startswith(f"{PLANTED}: somebody was")
    assert "runs," in rest
    assert attack.returncode == 130


def test_without_hypothesis_it_says_what_to_install() -> None:
    hidden = (
        "import sys; sys.modules['hypothesis'] = None; from scxlife.lifecycle.cli import main; sys.exit(main(['fuzz']))"
    )
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2
    assert "pip install 'scxlife[fuzz]'" in done.stderr


def test_a_replay_shows_the_life_after_a_kill_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cut.yaml"
    path.write_text("ready: none\nprogram: {steps: [{do: serve}]}\nfaults: [{what: is-killed, at: 54}]\n")
    assert main(["replay", str(path)]) == 0
    told = capsys.readouterr().out
    before, _, behind = told.partition("after the kill")
    assert "\nno outcome: SupervisorKilled\n" in before
    assert "\noutcome    stopped" in behind

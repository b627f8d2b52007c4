"""`scxlife replay --real` as a user starts it: a scenario beside itself, what is left out, what is refused, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 60

DAEMON = """\
ready: file
program:
  steps:
  - {do: write, text: "hello\\n"}
  - {do: touch, path: /run/ready}
  - {do: sleep, seconds: 0.2}
  end: {code: 3}
settings: {liveness: 5.0}
"""


def played(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The scenario `text`, played with a temporary folder in which nothing may be left."""
    file, temporary = folder / "scenario.yaml", folder / "tmp"
    file.write_text(text)
    temporary.mkdir()
    done = subprocess.run(
        [*SCXLIFE, "replay", "--real", str(file)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "TMPDIR": str(temporary), **(environment or {})},
    )
    assert list(temporary.iterdir()) == []
    return done


def test_a_daemon_is_shown_step_by_step_with_both_times(tmp_path: Path) -> None:
    done = played(tmp_path, DAEMON)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["SIMULATED", "REAL", "STATE", "EVENT", "NEXT", "CAUSE"]
    ended = next(line for line in lines if " running " in line and " exited " in line)
    simulated, real = map(float, ended.split()[:2])
    assert 0.2 <= simulated <= real + 0.05
    assert "simulated  exited, code 3" in lines and "real       exited, code 3" in lines
    assert re.fullmatch(r"the same way on Linux \S+, [0-9.]+ s later at most", lines[-1])


def test_what_only_a_simulated_machine_can_do_is_named_and_left_out_of_both(tmp_path: Path) -> None:
    more = """\
faults:
- {what: fails, call: spawn, errno: ENOMEM}
outside:
- {what: noise, at: 0.1}
descriptors: 9
"""
    done = played(tmp_path, DAEMON + more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[:3] == [
        "left out   fault fails: call spawn, errno ENOMEM",
        "left out   outside noise: at 0.1",
        "left out   descriptors 9",
    ]


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (
            "program: {steps: [{do: attach}, {do: hang}]}",
            [
                "ready: sched_ext, and only a scheduler is ready so; a plain process has file or none",
                "program.steps[0]: attach",
                "program.steps[1]: hang",
            ],
        ),
        (
            "{ready: none, payload: {steps: [{do: fork, program: {steps: [{do: work, seconds: 1.0}]}}]}}",
            ["payload.steps[0].program.steps[0]: work"],
        ),
        ("{ready: none, program: {exec_errno: EACCES}}", ["program: an exec that fails with EACCES"]),
        ("{ready: none, program: {end: {signal: 18}}}", ["program.end: nobody dies of signal 18"]),
        ("{ready: none, program: {end: {signal: 999}}}", ["program.end: nobody dies of signal 999"]),
        ("{ready: none, program: {end: {code: 256}}}", ["program.end: no process has the status 256"]),
        ("{ready: none, program: {catches: [SIGKILL]}}", ["program: SIGKILL can't be caught or ignored"]),
        (
            "{ready: none, outside: [{what: interrupt, at: 1.0, signal: SIGKILL}]}",
            ["outside[0]: SIGKILL would end scxlife itself"],
        ),
    ],
)
def test_what_plain_processes_can_not_play_is_refused_with_each_reason(
    text: str, reasons: list[str], tmp_path: Path
) -> None:
    done = played(tmp_path, text)
    first, *more = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert first == f"scxlife: error: {tmp_path / 'scenario.yaml'}: plain processes can't play this:"
    assert [line.strip() for line in more] == reasons


def test_another_way_is_shown_with_the_last_words(tmp_path: Path) -> None:
    """Without a `sleep` its end is there too early."""
    (tmp_path / "bin").mkdir()
    done = played(tmp_path, DAEMON.replace("0.2", "30.0"), {"PATH": str(tmp_path / "bin")})
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert any(line.endswith(" went another way") for line in lines)
    assert "what it printed differs" in lines and "  hello" in lines


def test_the_same_step_too_early_is_another_way(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    scenario = "{ready: none, program: {steps: [{do: sleep, seconds: 10.0}]}, settings: {liveness: 60.0}}"
    done = played(tmp_path, scenario, {"PATH": str(tmp_path / "bin")})
    (ended,) = [line for line in done.stdout.splitlines() if " exited " in line]
    assert done.returncode == 1
    assert ended.endswith("(too early)")


def test_a_move_that_only_one_of_them_makes_has_one_time(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    scenario = "{ready: none, program: {steps: [{do: sleep}], catches: []}, settings: {liveness: 0.2, run_for: 0.2}}"
    done = played(tmp_path, scenario, {"PATH": str(tmp_path / "bin")})
    assert done.returncode == 1
    only_simulated = {tuple(line.split()[2:4]) for line in done.stdout.splitlines() if line.split()[1:2] == ["-"]}
    only_real = {tuple(line.split()[2:4]) for line in done.stdout.splitlines() if line.split()[:1] == ["-"]}
    assert ("startup", "liveness_over") in only_simulated and ("startup", "exited") in only_real


def test_its_files_lie_in_a_folder_of_their_own_whatever_they_are_called(tmp_path: Path) -> None:
    strange = [str(tmp_path / "escaped"), "../escaped", "'; touch escaped; '", ".."]
    steps = ", ".join(f'{{do: touch, path: "{name}"}}, {{do: remove, path: "{name}"}}' for name in strange)
    done = played(tmp_path, f"{{ready: none, program: {{steps: [{steps}], end: {{code: 4}}}}}}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "real       startup-died, code 4" in done.stdout
    assert not (tmp_path / "escaped").exists()


def test_a_program_that_is_missing_is_not_configured_for_real_too(tmp_path: Path) -> None:
    done = played(tmp_path, "{ready: none, program: null}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "real       not-configured" in done.stdout


def test_ctrl_c_stops_what_was_started_and_leaves_nothing(tmp_path: Path) -> None:
    file, temporary = tmp_path / "scenario.yaml", tmp_path / "tmp"
    file.write_text(DAEMON.replace("0.2", "3600.0").replace("  end", "  catches: []\n  end") + "patience: 3600.0\n")
    temporary.mkdir()
    ours = subprocess.Popen(
        [*SCXLIFE, "replay", "--real", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert ours.stdout is not None and ours.stderr is not None
    pid = None
    for line in ours.stdout:
        if (found := re.search(r"pid (\d+)$", line)) is not None and not line.lstrip().split()[1].startswith("-"):
            pid = int(found[1])
        if "→ running" in line and line.split()[1] != "-":
            break
    assert pid is not None
    ours.send_signal(signal.SIGINT)
    rest, error = ours.communicate(timeout=LIMIT)
    assert "stopping" in rest and ours.returncode == 130, rest + error
    assert error == "scxlife: interrupted\n"
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_tape_can_not_be_played(tmp_path: Path) -> None:
    done = subprocess.run([*SCXLIFE, "replay", "--real", "run.tape"], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2
    assert (
        done.stderr == "scxlife: error: run.tape: --real plays scenarios, *.yaml, and a tape is what has been already\n"
    )


def test_a_temporary_folder_that_can_not_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(DAEMON)
    command = [*SCXLIFE, "replay", "--real", str(tmp_path / "scenario.yaml")]
    # Python looks in three other places and in the working folder: none of them takes a file whose name is too long.
    code = (
        "import sys, tempfile; tempfile.tempdir = '/nowhere'; from scxlife.lifecycle.cli import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code, *command[3:]], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "scenario.yaml: it could not be played:" in done.stderr


def test_help_tells_of_it() -> None:
    done = subprocess.run([*SCXLIFE, "replay", "--help"], capture_output=True, text=True, timeout=LIMIT)
    assert "scxlife replay --real daemon.yaml" in done.stdout

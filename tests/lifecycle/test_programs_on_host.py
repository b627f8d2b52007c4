"""Plain programs of every temper through the lifecycle, on the host's own kernel: what is told is what happened."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.outcomes import Exited, StartupDied, Stopped

from .programs.life import LIMIT, PROGRAMS, Life, profile

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
#: Signals whose default is to be ignored, or to stop: a process outlives them.
IGNORED = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
CLASSIC = range(1, 32)
SURVIVED = {"code": 100}
#: A descriptor that no shell opens for itself.
FAR_AWAY = 200
#: 32 and 33, as bits of a signal mask.
THE_C_LIBRARYS_OWN = 3 << 31


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path)
    yield life
    life.bury()


@pytest.fixture
def go(life: Life) -> Iterator[Path]:
    """A fifo into which a line is written as soon as the program was proven ready."""
    path = life.folder / "go"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    life.at_ready = lambda: os.write(fd, b"\n")
    yield path
    os.close(fd)


# -- every status is told as it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", range(256))
def test_C20_every_exit_code_before_ready_is_told_exactly(life: Life, code: int) -> None:
    outcome = life.run(profile("file", liveness=LIMIT), "ends", "code", code)
    assert (type(outcome), outcome.exit, outcome.status) == (StartupDied, {"code": code}, 10)
    assert f"code {code}" in outcome.reason


@pytest.mark.parametrize("code", range(256))
def test_C20_every_exit_code_while_running_is_told_exactly(life: Life, go: Path, code: int) -> None:
    outcome = life.run(profile("file"), "ends", "code", code, life.ready, go)
    assert (type(outcome), outcome.exit, outcome.status) == (Exited, {"code": code}, 13 if code else 0)


def expected(number: int) -> dict[str, int]:
    return SURVIVED if number in IGNORED else {"signal": number}


@pytest.mark.parametrize("number", [n for n in CLASSIC if n not in STOPPING])
def test_C20_every_signal_before_ready_is_told_exactly(life: Life, number: int) -> None:
    outcome = life.run(profile("file", liveness=LIMIT), "ends", "signal", number)
    assert (type(outcome), outcome.exit) == (StartupDied, expected(number))
    assert number in IGNORED or signal.Signals(number).name in outcome.reason


@pytest.mark.parametrize("number", [n for n in CLASSIC if n not in STOPPING])
def test_C20_every_signal_while_running_is_told_exactly(life: Life, go: Path, number: int) -> None:
    outcome = life.run(profile("file"), "ends", "signal", number, life.ready, go)
    assert (type(outcome), outcome.exit) == (Exited, expected(number))


@pytest.mark.parametrize("number", [signal.SIGRTMIN, signal.SIGRTMIN + 1, signal.SIGRTMAX])
def test_a_real_time_signal_is_told_by_its_number(life: Life, number: int) -> None:
    outcome = life.run(profile("file", liveness=LIMIT), "ends", "signal", int(number))
    assert outcome.exit == {"signal": number}
    assert f"signal {int(number)}" in outcome.reason


def test_C20_exit_143_is_not_death_by_sigterm(tmp_path: Path) -> None:
    told = []
    for name, words in (("code", ("code", 143)), ("signal", ("signal", signal.SIGTERM))):
        (tmp_path / name).mkdir()
        told.append(Life(tmp_path / name).run(profile("file", liveness=LIMIT), "ends", words[0], int(words[1])).exit)
    assert told == [{"code": 143}, {"signal": 15}]


def test_an_exit_inside_a_liveness_window_that_is_all_there_is(life: Life) -> None:
    outcome = life.run(profile("none", liveness=LIMIT), "ends", "code", 0)
    assert (type(outcome), outcome.exit) == (StartupDied, {"code": 0})


# -- stopped processes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", sorted(STOPPING))
def test_C18_a_process_that_was_stopped_before_it_was_ready_is_ended(life: Life, number: int) -> None:
    definition = profile("file", liveness=0.02, attach_timeout=0.3, attach_at_most=0.5)
    outcome = life.run(definition, "ends", "signal", number)
    assert (outcome.name, outcome.exit) == ("not-attached", {"signal": signal.SIGKILL})
    assert life.members() == []


def test_Q5_a_stopped_process_hears_the_stop_signal(life: Life) -> None:
    outcome = life.run(profile("file", run_for=0.0), "stopped", life.ready)
    assert (type(outcome), outcome.exit) == (Stopped, {"signal": signal.SIGTERM})
    assert life.survivors() == []


def test_Q5_a_stopped_process_that_does_not_listen_is_killed(life: Life) -> None:
    outcome = life.run(profile("file", run_for=0.0, stop_grace=0.05), "stopped", life.ready, "deaf")
    assert (type(outcome), outcome.exit) == (Stopped, {"signal": signal.SIGKILL})
    assert "stop_late → killing" in life.steps


# -- descendants ---------------------------------------------------------------------------------------------------


def test_the_whole_tree_goes_with_its_root(life: Life) -> None:
    outcome = life.run(profile("file", run_for=0.0), "tree", 4, life.ready)
    assert (type(outcome), outcome.exit) == (Stopped, {"signal": signal.SIGTERM})
    assert len(life.family) >= 2**5 - 1
    assert life.survivors() == []


def test_the_tree_of_a_process_that_is_killed_goes_too(life: Life) -> None:
    outcome = life.run(profile("file", run_for=0.0, stop_grace=0.05), "ignores", life.ready)
    assert (type(outcome), outcome.exit) == (Stopped, {"signal": signal.SIGKILL})
    assert len(life.family) == 2
    assert life.survivors() == []


def test_E5_a_grandchild_in_a_session_of_its_own_goes_too(life: Life) -> None:
    outcome = life.run(profile("file", run_for=0.0), "escapes", life.ready)
    assert type(outcome) is Stopped
    assert len(life.family) == 2
    assert life.survivors() == []
    assert [what for what in outcome.degraded if "cgroup" in what] == []


def test_E5_the_daemon_of_a_double_fork_is_not_mistaken_for_its_parent_and_goes_too(life: Life) -> None:
    outcome = life.run(profile("none", liveness=LIMIT), "daemonizes", life.ready)
    assert (type(outcome), outcome.exit) == (StartupDied, {"code": 0})
    assert life.ready.exists()
    assert life.members() == []


def test_E5_where_no_cgroup_can_be_made_that_is_said(tmp_path: Path) -> None:
    """The group has to do then: in a mount namespace without a cgroup file system."""
    ready = tmp_path / "ready"
    words = ["--json", "--for", "0s", "--ready", f"file:{ready}", "--log", str(tmp_path / "log"), "--"]
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            'umount -a -t cgroup2; exec "$@"',
            "sh",
            *SCXLIFE,
            "run",
            *words,
            str(PROGRAMS / "tree"),
            "2",
            str(ready),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, outcome["outcome"]) == (0, "stopped")
    assert "no cgroup of its own: cgroup v2 is not mounted" in outcome["degraded"]


# -- output --------------------------------------------------------------------------------------------------------


def test_a_hundred_megabytes_of_log_are_all_there_and_only_the_end_is_read(life: Life) -> None:
    size, before = 100_000_000, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = life.run(profile("file", run_for=0.0), "floods", size, life.ready)
    assert type(outcome) is Stopped
    assert life.log.stat().st_size == size + len("the last line\n")
    life.log.unlink()
    assert outcome.log_tail.splitlines()[-1].endswith("the last line")
    assert len(outcome.log_tail) <= 16 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "KiB"


def test_bytes_that_are_no_utf8_lose_nothing_of_the_rest(life: Life) -> None:
    outcome = life.run(profile("file", liveness=LIMIT), "speaks_bytes", 5)
    assert outcome.exit == {"code": 5}
    assert life.log.read_bytes() == b"caf\xe9 \xff\xfe\n\0\0\n\x1b[31mred\ntorn \xe2\x82"
    assert outcome.log_tail.splitlines() == ["caf\ufffd \ufffd\ufffd", "\0\0", "\x1b[31mred", "torn \ufffd"]


def test_what_it_prints_can_not_paint_the_users_terminal(tmp_path: Path) -> None:
    words = ["run", "--ready", "none", "--log", str(tmp_path / "log"), "--", str(PROGRAMS / "speaks_bytes"), "5"]
    done = subprocess.run([*SCXLIFE, *words], capture_output=True, timeout=LIMIT)
    assert done.returncode == 10
    assert b"its last words:" in done.stdout
    assert b"\x1b" not in done.stdout
    assert b"\0" not in done.stdout


def test_json_holds_what_it_printed_whatever_that_was(tmp_path: Path) -> None:
    words = ["--ready", "none", "--log", str(tmp_path / "log"), "--", str(PROGRAMS / "speaks_bytes"), "5"]
    done = subprocess.run([*SCXLIFE, "run", "--json", *words], capture_output=True, timeout=LIMIT)
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, outcome["exit"]) == (10, {"code": 5})
    assert outcome["log_tail"].splitlines()[0] == "caf\ufffd \ufffd\ufffd"


# -- tempers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "words", "end"),
    [
        ("closes_stdio", (), signal.SIGTERM),
        ("never_reads", (), signal.SIGTERM),
        ("execs_itself", (200,), signal.SIGTERM),
    ],
)
def test_an_odd_program_is_stopped_like_any_other(
    life: Life, program: str, words: tuple[int, ...], end: signal.Signals
) -> None:
    outcome = life.run(profile("file", run_for=0.0), program, *words, life.ready)
    assert (type(outcome), outcome.exit, outcome.generation) == (Stopped, {"signal": end}, 1)
    assert life.family
    assert life.survivors() == []


def test_E1_E2_E4_it_starts_with_no_signal_blocked_or_ignored_and_no_descriptor_of_ours(life: Life) -> None:
    former = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGUSR1, signal.SIGPIPE)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
    leaky = os.dup2(1, FAR_AWAY, inheritable=True)
    try:
        life.run(profile("file", run_for=0.0), "tells_its_signals", life.ready)
    finally:
        os.close(leaky)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in zip((signal.SIGUSR1, signal.SIGPIPE), former, strict=True):
            signal.signal(number, handler)
    told = dict(line.split() for line in life.log.read_text().splitlines())
    assert int(told["SigBlk:"], 16) == 0
    assert int(told["SigIgn:"], 16) & ~THE_C_LIBRARYS_OWN == 0
    descriptors = told["descriptors"].split(",")
    assert {"0", "1", "2"} <= set(descriptors)
    assert str(leaky) not in descriptors


def test_a_user_stops_a_program_that_listens_to_nothing_with_two_interrupts(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    options = ["--json", "--ready", f"file:{ready}", "--stop-grace", "1h", "--log", str(tmp_path / "log")]
    process = subprocess.Popen(
        [*SCXLIFE, "run", *options, "--", PROGRAMS / "ignores", ready],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    marks = ["→ running", "→ stopping"]
    for line in process.stderr:
        if marks and marks[0] in line:
            marks.pop(0)
            process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=LIMIT)
    outcome = json.loads(out.splitlines()[-1])
    assert (process.returncode, outcome["outcome"], outcome["exit"]) == (0, "stopped", {"signal": signal.SIGKILL})

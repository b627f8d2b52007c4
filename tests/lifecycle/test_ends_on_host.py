"""Ends that are hard to see or to hear of: on the host's own kernel, in real processes."""

from __future__ import annotations

import errno
import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.outcomes import Exited, NotAttached, SpawnFailed, StartupDied
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.processes import Process
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.linux.processes import _kill_group_by_number

from .programs.life import DEFINITION, LIMIT, PROGRAMS, Life, profile

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
STOPPED = "T"
#: proc(5): the last number that was given out; the next one follows it.
NEXT_PID = Path("/proc/sys/kernel/ns_last_pid")


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path)
    yield life
    life.bury()


@pytest.fixture
def ignored_children() -> Iterator[None]:
    """SIGCHLD ignored: the kernel reaps."""
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, former)


def children() -> set[int]:
    """Zombies are among them."""
    return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def supervisor(tmp_path: Path, *words: object, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*how.pop("within", ()), *SCXLIFE, "run", "--json", "--log", str(tmp_path / "log"), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def at_each(process: subprocess.Popen[str], *answers: tuple[str, Callable[[], object]]) -> dict[str, Any]:
    """Wait for each mark in the timeline, in turn, and act on it. Then the outcome."""
    assert process.stderr is not None
    waiting = list(answers)
    for line in process.stderr:
        if waiting and waiting[0][0] in line:
            waiting.pop(0)[1]()
    assert not waiting, f"{waiting[0][0]} never came"
    out, _ = process.communicate(timeout=LIMIT)
    outcome: dict[str, Any] = json.loads(out.splitlines()[-1])
    return outcome


# -- the process ---------------------------------------------------------------------------------------------------


def test_C11_a_process_lives_as_long_as_its_last_thread_though_proc_calls_it_a_zombie(life: Life) -> None:
    go = life.folder / "go"
    os.mkfifo(go)
    fd = os.open(go, os.O_RDWR | os.O_CLOEXEC)
    states, former = [], children()

    def at_ready() -> None:
        (child,) = children() - former
        states.append(state_of(child))
        os.write(fd, b"\n")

    life.at_ready = at_ready
    outcome = life.run(profile("file"), "leader_leaves", life.ready, go)
    os.close(fd)
    assert states == ["Z"]
    assert (type(outcome), outcome.exit) == (Exited, {"code": 7})


def test_defect_4_after_a_failed_start_there_is_no_zombie(life: Life) -> None:
    former = children()
    assert type(life.run(profile("none", liveness=LIMIT), "ends", "code", 3)) is StartupDied
    waits = {"liveness": 0.0, "attach_timeout": 0.0, "attach_at_most": 0.0}
    assert type(life.run(profile("file", **waits), "/bin/sleep", 300)) is NotAttached
    assert children() == former


def test_defect_8_a_child_that_the_kernel_has_reaped_is_gone_and_not_left_running(
    life: Life, ignored_children: None
) -> None:
    outcome = life.run(profile("none", liveness=LIMIT), "ends", "code", 3)
    assert type(outcome) is StartupDied
    assert outcome.exit in ({"code": 3}, None)


def test_Q7_a_signal_to_a_process_that_is_gone_is_no_failure(ignored_children: None) -> None:
    kernel = LinuxKernel()
    process = Process(kernel)
    null = os.open("/dev/null", os.O_WRONLY)
    child = process.spawn("/bin/sleep", ("300",), {}, null)
    os.close(null)
    assert child.pidfd is not None
    kernel.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    reaped = select.poll()
    reaped.register(child.pidfd, 0)
    assert reaped.poll(LIMIT * 1000) == [(child.pidfd, select.POLLHUP)]
    with pytest.raises(ProcessLookupError):
        kernel.pidfd_send_signal(child.pidfd, signal.SIGTERM)
    process.signal(signal.SIGTERM, signal.SIGCONT, signal.SIGKILL)
    process.clear()


def end(pidfd: int) -> None:
    """While SIGCHLD is still ignored: nobody else would reap it."""
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert LinuxKernel().poll([pidfd], LIMIT)
    os.close(pidfd)


def gone_and_its_number_given_out(kernel: LinuxKernel) -> tuple[Process, int]:
    """A process that the kernel has reaped, and the pidfd of a stranger that has its number and leads a group."""
    null = os.open("/dev/null", os.O_RDWR)
    process = Process(kernel)
    child = process.spawn("/bin/sleep", ("300",), {}, null)
    assert child.pidfd is not None
    kernel.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    reaped = select.poll()
    reaped.register(child.pidfd, 0)
    assert reaped.poll(LIMIT * 1000) == [(child.pidfd, select.POLLHUP)]
    for _ in range(1000):
        try:
            NEXT_PID.write_text(str(child.pid - 1))
        except OSError as error:
            pytest.skip(f"the next process number can't be chosen here: {error}")
        words = ("sleep", "300")
        stranger = kernel.spawn("/bin/sleep", words, {}, stdin=null, stdout=null, stderr=null)
        pidfd = os.pidfd_open(stranger)
        if stranger == child.pid:
            os.close(null)
            return process, pidfd
        end(pidfd)
    pytest.fail("somebody else was always first")


@pytest.mark.parametrize("how", ["by its pidfd", "by its number, before Linux 6.9"])
def test_C1_defect_5_row_16_a_stranger_that_was_given_the_number_gets_no_signal(
    how: str, ignored_children: None
) -> None:
    kernel = LinuxKernel()
    process, stranger = gone_and_its_number_given_out(kernel)
    assert process.child is not None and process.child.pidfd is not None
    if how == "by its pidfd":
        process.kill_group()
    else:
        with pytest.raises(ProcessLookupError):
            _kill_group_by_number(process.child.pid, os.P_PIDFD, process.child.pidfd, signal.SIGKILL)
    process.signal(signal.SIGTERM)
    assert not process.reaped
    process.reap()
    assert process.reaped and process.status is None
    process.clear()
    assert kernel.poll([stranger], 0.2) == []
    end(stranger)


class GivenOut(LinuxKernel):
    """Whom it starts is gone, and reaped, when it comes back, and the number is a stranger's."""

    def __init__(self, stranger: int) -> None:
        self._stranger = stranger

    def spawn(self, *given: Any, **more: Any) -> int:
        return self._stranger


@pytest.fixture
def stranger() -> Iterator[tuple[int, int]]:
    """Nobody's child of ours: its pid and its pidfd."""
    words = ["/bin/sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"]
    pid = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    pidfd = os.pidfd_open(pid)
    yield pid, pidfd
    assert LinuxKernel().poll([pidfd], 0) == [], "somebody has killed it"
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)


def test_C1_C3_defect_5_who_has_its_number_before_it_has_a_pidfd_is_neither_watched_nor_killed(
    tmp_path: Path, stranger: tuple[int, int]
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    output = os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT)
    process = Process(GivenOut(stranger[0]))
    child = process.spawn("/bin/true", (), {}, output)
    assert (child.pidfd, child.unwatched, child.member, process.reaped) == (None, None, None, True)
    process.kill_group()
    process.signal(signal.SIGTERM)
    process.reap()
    process.clear()
    os.close(output)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_C1_defect_5_without_a_pidfd_a_number_is_killed_only_while_it_is_our_childs(stranger: tuple[int, int]) -> None:
    with pytest.raises(ProcessLookupError):
        LinuxKernel().kill_group(stranger[0], None, signal.SIGKILL)


def test_row_6_the_process_is_published_before_it_is_proven_and_withdrawn_before_a_failure_is_returned(
    life: Life,
) -> None:
    plan = Plan(command=str(PROGRAMS / "ends"), arguments=("code", "3"), log_path=str(life.log))
    published: dict[str, bool] = {}

    def observe(record: Mapping[str, Any]) -> None:
        if record["kind"] == "step":
            published[f"{record['event']} → {record['to']}"] = run.process.child is not None

    run = Supervision(LinuxKernel(), profile("none", liveness=LIMIT), plan, observer=observe)
    assert type(run.run()) is StartupDied
    assert published["located → spawning"] is False
    assert published["spawned → startup"] is True
    assert published["exited → reaping"] is True
    assert published["clear → sweeping"] is False


def test_a_generation_counts_the_spawns_from_one(tmp_path: Path) -> None:
    process = Process(LinuxKernel())
    assert (process.generation, process.child, process.reaped) == (0, None, False)
    output = os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT)
    for generation in (1, 2):
        child = process.spawn("/bin/true", (), {}, output)
        assert (child.generation, process.generation) == (generation, generation)
        assert child.pidfd is not None
        select.select([child.pidfd], [], [], LIMIT)
        process.reap()
        assert process.reaped
        process.clear()
    os.close(output)


class NoPidfds(LinuxKernel):
    def pidfd_open(self, pid: int) -> int:
        raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))


def test_C6_a_process_that_can_not_be_watched_is_ended_by_the_table(life: Life) -> None:
    steps: list[str] = []

    def observe(record: Mapping[str, Any]) -> None:
        if record["kind"] == "step" and record["cell"] == "go":
            steps.append(f"{record['event']} → {record['to']}")

    plan = Plan(command="/bin/sleep", arguments=("300",), log_path=str(life.log))
    former = children()
    outcome = Supervision(NoPidfds(), profile("none", liveness=LIMIT), plan, observer=observe).run()
    assert isinstance(outcome, SpawnFailed)
    assert "no pidfd to watch it by, so it was killed: ENFILE" in outcome.reason
    assert outcome.exit == {"signal": signal.SIGKILL}
    assert steps[2:4] == ["unwatched → killing", "exited → reaping"]
    assert children() == former


# -- its words -----------------------------------------------------------------------------------------------------


def test_row_3_both_streams_are_in_the_log_in_the_order_in_which_they_were_written(life: Life) -> None:
    life.run(profile("file", liveness=LIMIT), "speaks_twice", 500)
    assert life.log.read_text().splitlines() == [f"{n} {stream}" for n in range(1, 501) for stream in ("out", "err")]


# -- the terminal --------------------------------------------------------------------------------------------------


def test_D7_a_program_that_the_terminal_has_stopped_is_ended_as_asked(tmp_path: Path) -> None:
    pid_file, ready = tmp_path / "pid", tmp_path / "ready"
    master, slave = pty.openpty()
    words = ["--ready", f"file:{ready}", "--stop-grace", "1h", "--", PROGRAMS / "sets_the_terminal", pid_file, ready]
    process = supervisor(tmp_path, *words, within=["setsid", "--ctty"], stdin=slave)
    states = []

    def when_it_runs() -> None:
        pid = int(pid_file.read_text())
        deadline = time.monotonic() + LIMIT
        while state_of(pid) != STOPPED and time.monotonic() < deadline:
            time.sleep(0.01)
        states.append(state_of(pid))
        process.send_signal(signal.SIGINT)

    outcome = at_each(process, ("→ running", when_it_runs))
    os.close(master)
    os.close(slave)
    assert states == [STOPPED]
    assert (outcome["outcome"], outcome["exit"]) == ("stopped", {"signal": signal.SIGTERM})


# -- being asked for the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_D8_a_hang_up_during_the_end_does_not_call_the_end_off(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    words = ["--ready", f"file:{ready}", "--stop-grace", "1h", "--", PROGRAMS / "ignores", ready]
    process = supervisor(tmp_path, *words)
    outcome = at_each(
        process,
        ("→ running", lambda: process.send_signal(signal.SIGINT)),
        ("→ stopping", lambda: process.send_signal(number)),
    )
    assert (process.returncode, outcome["outcome"], outcome["exit"]) == (0, "stopped", {"signal": signal.SIGKILL})


@pytest.mark.parametrize("moment", ["located", "spawned"])
def test_K10_Q8_a_stop_that_comes_with_the_spawn_is_answered_and_nothing_is_left(life: Life, moment: str) -> None:
    def observe(record: Mapping[str, Any]) -> None:
        if record["kind"] == "step" and record["event"] == moment:
            os.kill(os.getpid(), signal.SIGINT)

    plan = Plan(command="/bin/sleep", arguments=("300",), log_path=str(life.log))
    former = children()
    outcome = Supervision(LinuxKernel(), profile("none", liveness=LIMIT), plan, observer=observe).run()
    assert outcome.name == "stopped"
    assert children() == former


@pytest.mark.parametrize(("state", "phase"), [("attaching", "attach"), ("running", "run")])
def test_Q8_a_stop_is_answered_while_it_waits_and_while_it_runs(tmp_path: Path, state: str, phase: str) -> None:
    how = {"attaching": f"file:{tmp_path}/never", "running": "none"}[state]
    words = ["--ready", how, "--liveness", "10ms", "--attach-timeout", "1h", "--attach-at-most", "1h", "--"]
    process = supervisor(tmp_path, *words, "sleep", 300)
    outcome = at_each(process, (f"→ {state}", lambda: process.send_signal(signal.SIGINT)))
    assert (outcome["outcome"], outcome["phase"]) == ("stopped", phase)
    assert outcome["exit"] == {"signal": signal.SIGTERM}


def test_Q8_every_state_that_hears_a_stop_answers_it_or_says_why_not() -> None:
    hearing = [name for name, state in DEFINITION.states.items() if "signals" in state.sources]
    assert {"startup", "attaching", "running", "detached", "stopping", "killing", "reaping"} <= set(hearing)
    answers = {name: branch.decision for name in hearing for branch in DEFINITION.cells[name, "interrupt"]}
    passed_over = {name: decision.reason for name, decision in answers.items() if decision.kind != "go"}
    assert set(passed_over) <= {"killing", "reaping", "settling", "sweeping", "discarding"}
    assert all(passed_over.values())


# -- time ----------------------------------------------------------------------------------------------------------


def test_H2_two_deadlines_that_are_due_at_once_after_a_pause_are_one_verdict(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    bounds = ["--liveness", "10ms", "--attach-timeout", "1s", "--attach-at-most", "1100ms"]
    process = supervisor(tmp_path, "--ready", f"file:{tmp_path}/never", *bounds, "--tape", tape, "--", "sleep", 300)

    def pause() -> None:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        # The pause itself, beyond both bounds.
        time.sleep(1.2)
        process.send_signal(signal.SIGCONT)

    outcome = at_each(process, ("→ attaching", pause))
    assert (outcome["outcome"], outcome["reason"]) == ("not-attached", "not ready in time")
    steps = [json.loads(line) for line in tape.read_text().splitlines()]
    assert [step["event"] for step in steps if step["kind"] == "step" and step["state"] == "attaching"] == [
        "attach_late"
    ]


# -- no room -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make itself a user to whom the limit applies")
def test_G1_a_user_with_too_many_processes_is_spawn_failed_with_EAGAIN() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        name, reason = as_a_user_with_no_process_left(Path(folder))
    assert name == SpawnFailed.name
    assert "EAGAIN" in reason


def as_a_user_with_no_process_left(folder: Path) -> list[str]:
    """The outcome's name and its reason."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            outcome = Life(folder).run(profile("none"), "/bin/true")
            os.write(write_end, json.dumps([outcome.name, outcome.reason]).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(pid, 0)
    with os.fdopen(read_end, "rb") as told:
        return [str(word) for word in json.loads(told.read())]

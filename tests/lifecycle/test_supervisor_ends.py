"""How a supervisor ends, and what it leaves: real processes on the host's own kernel."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from scxlife.platform.cgroup import own
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.signals import ENDING, FAULTS, IGNORED

from .programs.life import Life, profile

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 120
QUICK = ("--ready", "none", "--liveness", "20ms")


@attrs.define
class Supervisor:
    """A running `scxlife run`, and what it has printed so far."""

    process: subprocess.Popen[str]
    printed: list[dict[str, Any]] = attrs.Factory(list)

    def until(self, event: str) -> dict[str, Any]:
        """Its line about `event`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(json.loads(line))
            if self.printed[-1].get("event") == event:
                return self.printed[-1]
            if self.printed[-1].get("kind") == "end":
                break
        raise AssertionError(f"it never printed {event}: {self.printed}")

    def running(self) -> int:
        """The pid of its process, once that is believed."""
        pid = int(self.until("spawned")["data"]["pid"])
        while self.printed[-1].get("to") != "running":
            self.until("ready")
        return pid

    def end(self) -> tuple[int, dict[str, Any]]:
        """Its exit code and its last line, the outcome."""
        out, _ = self.process.communicate(timeout=LIMIT)
        self.printed += map(json.loads, out.splitlines())
        return self.process.returncode, self.printed[-1]

    def causes(self, event: str) -> list[str]:
        return [line["cause"] for line in self.printed if line.get("event") == event]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    started: list[Supervisor] = []

    def begin(*words: str, ignored: tuple[int, ...] = ()) -> Supervisor:
        def ignore() -> None:
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)

        words = ("run", "--log-format", "json", "--tape", str(tmp_path / "tape"), *QUICK, *words)
        process = subprocess.Popen([*SCXLIFE, *words], stdout=subprocess.PIPE, text=True, preexec_fn=ignore)
        started.append(Supervisor(process))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
        # What it leaves after a failure would be told by the next run that anybody starts here.
        for cgroup in Path("/sys/fs/cgroup").glob(f"**/scxlife-*-{one.process.pid}-*/cgroup.kill"):
            cgroup.write_text("1")


def ended(pidfd: int) -> bool:
    """Whether the process ends, waited for as long as a hang would be."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(LIMIT * 1000))


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def as_log(tmp: Path) -> tuple[str, str]:
    return "--log", str(tmp / "log")


# -- signals


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_L1_a_signal_that_asks_for_the_end_stops_the_process_first(
    supervise: Callable[..., Supervisor], tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = supervise(*as_log(tmp_path), "--", "sleep", "300")
    pidfd = os.pidfd_open(supervisor.running())
    supervisor.process.send_signal(number)
    code, outcome = supervisor.end()
    assert (code, outcome["outcome"], supervisor.causes("interrupt")) == (0, "stopped", [f"signal {number.name}"])
    assert ended(pidfd)
    os.close(pidfd)


def test_L1_no_other_signal_has_an_effect(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    supervisor = supervise(*as_log(tmp_path), "--", "sleep", "300")
    supervisor.running()
    for number in (*IGNORED, *FAULTS):
        supervisor.process.send_signal(number)
    supervisor.process.send_signal(signal.SIGTERM)
    code, outcome = supervisor.end()
    assert (code, outcome["outcome"], supervisor.causes("interrupt")) == (0, "stopped", ["signal SIGTERM"])


def test_L1_every_signal_is_accounted_for() -> None:
    harmless = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGPIPE, signal.SIGXFSZ}
    beyond = {signal.SIGKILL, signal.SIGSTOP}
    assert {*ENDING, *IGNORED, *FAULTS, *harmless, *beyond} == signal.valid_signals()


def test_L1_the_process_gets_none_of_it(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    """Ignored and blocked signals survive exec."""
    report = tmp_path / "report"
    shell = script(
        tmp_path / "d",
        f"grep -E 'Sig(Blk|Ign)' /proc/self/status > {report}.new; mv {report}.new {report}\nexec sleep 300",
    )
    supervisor = supervise("--ready", f"file:{report}", *as_log(tmp_path), "--", shell)
    supervisor.running()
    masks = [int(line.split()[1], 16) for line in report.read_text().splitlines()]
    # 32 and 33 are the C library's.
    assert [mask & ~(0b11 << 31) for mask in masks] == [0, 0]
    supervisor.process.terminate()
    supervisor.end()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
def test_L5_a_signal_that_was_ignored_at_the_start_stays_ignored(
    supervise: Callable[..., Supervisor], tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = supervise(*as_log(tmp_path), "--", "sleep", "300", ignored=(number,))
    supervisor.running()
    supervisor.process.send_signal(number)
    supervisor.process.send_signal(signal.SIGTERM)
    code, _ = supervisor.end()
    assert (code, supervisor.causes("interrupt")) == (0, ["signal SIGTERM"])


def test_L5_an_ignored_sigterm_is_heard_all_the_same(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    supervisor = supervise(*as_log(tmp_path), "--", "sleep", "300", ignored=(signal.SIGTERM,))
    supervisor.running()
    supervisor.process.terminate()
    code, outcome = supervisor.end()
    assert (code, outcome["exit"]) == (0, {"signal": signal.SIGTERM})


def test_L5_an_embedders_handler_keeps_its_signal() -> None:
    kernel, came = LinuxKernel(), []
    former = signal.signal(signal.SIGUSR1, lambda number, frame: came.append(number))
    try:
        fd = kernel.signal_fd(ENDING, ignored=IGNORED, blocked=FAULTS)
        signal.raise_signal(signal.SIGUSR1)
        kernel.signal_close(fd)
        assert came == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, former)


# -- a supervisor that is killed


def test_L2_the_process_ends_with_its_killed_supervisor(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    supervisor = supervise(*as_log(tmp_path), "--", script(tmp_path / "d", "trap '' TERM INT HUP\nexec sleep 300"))
    pidfd = os.pidfd_open(supervisor.running())
    supervisor.process.kill()
    assert ended(pidfd)
    os.close(pidfd)


def test_L2_a_process_that_is_born_as_its_supervisor_dies_ends_too() -> None:
    """The parent ends between fork and prctl(2): the kernel sends nothing any more."""
    code = """
import os
from scxlife.platform.linux import LinuxKernel, libc
set_it = libc.set_parent_death_signal
def late(number):
    os.kill(os.getppid(), 9)
    while os.getppid() == parent:
        os.sched_yield()
    set_it(number)
libc.set_parent_death_signal = late
parent = os.getpid()
words = ("sh", "-c", "echo alive")
LinuxKernel().spawn("/bin/sh", words, {}, stdin=0, stdout=1, stderr=2, death_signal=9)
"""
    # Its output ends when its last process has ended.
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


def test_L2_no_death_signal_is_asked_for_on_a_thread_that_may_end(tmp_path: Path) -> None:
    code = f"""
import threading
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.linux import LinuxKernel
plan = Plan("/bin/sh", ("-c", "exec sleep 300"), log_path={str(tmp_path / "log")!r})
definition = shipped().with_profile("none").with_profile("operation").with_settings(liveness=0.01)
life = Supervision(LinuxKernel(), definition, plan, observer=lambda record: None)
beginner = threading.Thread(target=life.begin)
beginner.start()
beginner.join()
print(open(f"/proc/{{life.process.child.pid}}/stat").read().rpartition(")")[2].split()[0])
print(life.facts.degraded)
life.interrupt("asked")
while life.runtime.ending is None:
    from scxlife.fsm.driver import wait
    wait(LinuxKernel(), (life.driver,))
print(life.end().name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT)
    state, degraded, outcome = done.stdout.splitlines()
    assert (state in "RSD", outcome) == (True, "stopped"), done.stderr
    assert "started by a thread" in degraded


def _leaves(tmp: Path, ready: Path) -> str:
    """A script with a child that no parent-death signal reaches. It is ready when the file `pid` has the child's."""
    pid, up = tmp / "pid", tmp / "up"
    os.mkfifo(up)
    return script(
        tmp / "leader",
        f"( trap '' TERM; echo > {up}; while :; do sleep 0.1; done ) &\n"
        f"echo $! > {pid}\nread up < {up}\ntouch {ready}\nwait",
    )


@pytest.fixture
def left(supervise: Callable[..., Supervisor], tmp_path: Path) -> Iterator[int]:
    """The pidfd of a grandchild whose supervisor, at the socket `s`, was killed."""
    _needs_cgroup()
    ready = tmp_path / "ready"
    words = ("--ready", f"file:{ready}", "--control", str(tmp_path / "s"), "--", _leaves(tmp_path, ready))
    supervisor = supervise(*words)
    leader = os.pidfd_open(supervisor.running())
    grandchild = os.pidfd_open(int((tmp_path / "pid").read_text()))
    supervisor.process.kill()
    supervisor.process.wait()
    assert ended(leader)
    yield grandchild
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(grandchild, signal.SIGKILL)
    os.close(leader)
    os.close(grandchild)


def _needs_cgroup() -> None:
    try:
        path = own(LinuxKernel())
    except OSError:
        pytest.skip("cgroup v2 is not mounted")
    if not os.access(path, os.W_OK):
        pytest.skip("no cgroup may be made here")


def _is_alive(pidfd: int) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return not poller.poll(0)


def test_L2_the_next_supervisor_of_the_socket_ends_what_was_left_first(
    supervise: Callable[..., Supervisor], tmp_path: Path, left: int
) -> None:
    assert _is_alive(left)
    second = supervise("--control", str(tmp_path / "s"), "--", "sleep", "300")
    vacated = second.until("vacated")
    assert not _is_alive(left)
    assert "left by supervisor" in vacated["cause"] and "spawned" not in [line.get("event") for line in second.printed]
    second.running()
    second.process.terminate()
    code, _ = second.end()
    over = next(line for line in second.printed if line["kind"] == "end")
    assert (code, over["outcome"]) == (0, "stopped")
    assert "left by supervisor" in over["leftovers"]


def test_L2_what_was_left_is_kept_and_reported_if_asked(
    supervise: Callable[..., Supervisor], tmp_path: Path, left: int
) -> None:
    second = supervise("--control", str(tmp_path / "s"), "--keep-leftovers", "--", "sleep", "300")
    second.running()
    assert _is_alive(left)
    second.process.terminate()
    second.end()
    over = next(line for line in second.printed if line["kind"] == "end")
    assert "left by supervisor" in over["leftovers"]
    assert _is_alive(left)


def test_L2_a_supervisor_of_another_socket_lets_it_be(
    supervise: Callable[..., Supervisor], tmp_path: Path, left: int
) -> None:
    second = supervise("--control", str(tmp_path / "other"), "--", "sleep", "300")
    second.running()
    second.process.terminate()
    second.end()
    over = next(line for line in second.printed if line["kind"] == "end")
    assert (over["leftovers"], over["degraded"]) == (None, [])
    assert _is_alive(left)


def test_L2_an_empty_cgroup_of_a_dead_supervisor_is_removed(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    _needs_cgroup()
    first = supervise(*as_log(tmp_path), "--", "sleep", "300")
    pidfd = os.pidfd_open(first.running())
    first.process.kill()
    first.process.wait()
    assert ended(pidfd)
    os.close(pidfd)
    abandoned = [path for path in Path(own(LinuxKernel())).iterdir() if f"-{first.process.pid}-" in path.name]
    assert len(abandoned) == 1
    second = supervise(*as_log(tmp_path), "--", "sleep", "300")
    second.running()
    assert not abandoned[0].exists()
    second.process.terminate()
    second.end()


def test_L2_the_cgroup_of_a_living_supervisor_is_nobody_elses_business(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    _needs_cgroup()
    first = supervise(*as_log(tmp_path), "--", "sleep", "300")
    pidfd = os.pidfd_open(first.running())
    second = supervise("--log", str(tmp_path / "log2"), "--", "sleep", "300")
    second.running()
    second.process.terminate()
    _, outcome = second.end()
    assert outcome["degraded"] == []
    assert _is_alive(pidfd)
    first.process.terminate()
    assert first.end()[0] == 0
    os.close(pidfd)


# -- the grace of a stop


TREES: Mapping[str, str] = {
    "a wrapper without exec": "{daemon} &\ntouch {ready}\nwait",
    "a wrapper that ends on SIGTERM": "trap 'exit 3' TERM\n{daemon} &\ntouch {ready}\nwait",
    "two daemons": "{daemon} & {daemon} &\ntouch {ready}\nwait",
    "a daemon below another shell": "sh -c '{daemon} & wait' &\ntouch {ready}\nwait",
    "a wrapper that is stopped": "{daemon} &\ntouch {ready}\nkill -STOP $$",
    "a daemon in a session of its own": "setsid {daemon} &\ntouch {ready}\nwait",
}


@pytest.mark.parametrize("tree", TREES)
def test_L6_the_whole_tree_is_asked_to_end_and_given_its_grace(
    supervise: Callable[..., Supervisor], tmp_path: Path, tree: str
) -> None:
    if "session" in tree:
        _needs_cgroup()
    ready, up = tmp_path / "ready", tmp_path / "up"
    os.mkfifo(up)
    # It says that it is up, and when it is asked it does work that SIGKILL would cut off.
    daemon = script(
        tmp_path / "daemon",
        f"trap 'for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done; echo ended cleanly; exit 0' TERM\necho > {up}\n"
        "while :; do sleep 0.02; done",
    )
    leader = script(tmp_path / "leader", TREES[tree].format(daemon=daemon, ready=ready))
    supervisor = supervise("--ready", f"file:{ready}", *as_log(tmp_path), "--", leader)
    daemons = 2 if tree == "two daemons" else 1
    # With a writer of our own the first one's end is not the end of the file.
    with os.fdopen(os.open(up, os.O_RDWR)) as report:
        for _ in range(daemons):
            report.readline()
    supervisor.running()
    supervisor.process.terminate()
    code, outcome = supervisor.end()
    assert (code, outcome["outcome"]) == (0, "stopped")
    assert (tmp_path / "log").read_text().count("ended cleanly") == daemons


def test_L6_the_rest_of_a_tree_that_ignores_it_is_killed_after_its_grace(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    words = ("--ready", f"file:{ready}", "--stop-grace", "100ms", *as_log(tmp_path), "--", _leaves(tmp_path, ready))
    supervisor = supervise(*words)
    supervisor.running()
    rest = os.pidfd_open(int((tmp_path / "pid").read_text()))
    supervisor.process.terminate()
    code, outcome = supervisor.end()
    assert (code, outcome["outcome"]) == (0, "stopped")
    assert [line.get("event") for line in supervisor.printed if line.get("state") == "emptying"] == ["rest_late"]
    assert ended(rest)
    os.close(rest)


def test_L6_a_second_signal_does_not_wait_for_the_rest(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    words = ("--ready", f"file:{ready}", "--stop-grace", "1h", *as_log(tmp_path), "--", _leaves(tmp_path, ready))
    supervisor = supervise(*words)
    supervisor.running()
    rest = os.pidfd_open(int((tmp_path / "pid").read_text()))
    supervisor.process.terminate()
    while supervisor.printed[-1].get("to") != "emptying":
        supervisor.until("exited")
    supervisor.process.terminate()
    code, outcome = supervisor.end()
    assert (code, outcome["outcome"]) == (0, "stopped")
    assert ended(rest)
    os.close(rest)


def test_L6_each_process_gets_the_stop_signal_once(tmp_path: Path) -> None:
    """A second one makes many daemons give up at once. Signals of real time are counted by the kernel."""
    number = signal.SIGRTMIN
    code = (
        "import signal, sys\n"
        f"signal.pthread_sigmask(signal.SIG_BLOCK, [{number}])\n"
        "open(sys.argv[1], 'w').close()\n"
        f"signal.sigwait([{number}])\n"
        f"again = signal.sigtimedwait([{number}], 0.2)\n"
        "print('again' if again else 'once', flush=True)\n"
    )
    life = Life(tmp_path)
    definition = profile("file", stop_signal="SIGRTMIN", run_for=0.0)
    outcome = life.run(definition, sys.executable, "-c", code, life.ready)
    assert (outcome.name, outcome.exit, outcome.log_tail) == ("stopped", {"code": 0}, "once")
    life.bury()

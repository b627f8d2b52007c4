"""Property 8, no wake-up without cause: a run in which nothing happens costs nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import attrs
import pytest

from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.linux import LinuxKernel

from .programs.life import LIMIT, profile

#: Moves the file that says it is ready to its place, which is one event and no more, and ends when it is told to.
DAEMON = 'mv "$1" "$2"; read line < "$3"'
HOW = ("none", "file")


@attrs.frozen
class Daemon:
    """Its command, the file by which it is ready, in a directory where nothing else happens, and the FIFO to end it."""

    command: tuple[str, ...]
    ready: str
    end: str


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    ready, end = tmp_path / "watched" / "ready", tmp_path / "end"
    ready.parent.mkdir()
    os.mkfifo(end)
    (tmp_path / "ready").touch()
    words = (str(tmp_path / "ready"), str(ready), str(end))
    return Daemon(("/bin/sh", "-c", DAEMON, "sh", *words), str(ready), str(end))


class Waits(LinuxKernel):
    """Keeps each wait: its bound in seconds, and which descriptors ended it."""

    def __init__(self) -> None:
        self.kept: list[tuple[float | None, list[int]]] = []

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        ready = super().poll(fds, timeout)
        self.kept.append((timeout, [fd for fd, _ in ready]))
        return ready


@pytest.mark.parametrize("how", HOW)
def test_what_runs_is_waited_for_once_and_without_bound(tmp_path: Path, daemon: Daemon, how: str) -> None:
    kernel = Waits()
    pidfds: list[int | None] = []
    ends: list[subprocess.Popen[bytes]] = []
    waits: list[tuple[float | None, list[int]]] = []

    def announce(name: str, _: object) -> None:
        if name == "attached":
            kernel.kept.clear()
            assert supervision.process.child is not None
            pidfds.append(supervision.process.child.pidfd)
            # A moment in which nothing happens: whatever wakes us in it is in the list of waits.
            ends.append(subprocess.Popen(["/bin/sh", "-c", 'sleep 0.3; echo > "$0"', daemon.end]))
        if name == "exited":
            waits.extend(kernel.kept)

    path, *arguments = daemon.command
    plan = Plan(
        command=path,
        arguments=tuple(arguments),
        environment=os.environ,
        log_path=str(tmp_path / "log"),
        ready_file=daemon.ready,
    )
    definition = profile(how, liveness=0.05)
    supervision = Supervision(kernel, definition, plan, observer=lambda record: None, announce=announce)
    outcome = supervision.run()
    assert (outcome.name, outcome.exit) == ("exited", {"code": 0})
    assert [end.wait(LIMIT) for end in ends] == [0]
    assert waits == [(None, pidfds)]


@pytest.mark.parametrize("how", HOW)
def test_a_quiet_supervisor_is_never_scheduled(daemon: Daemon, how: str) -> None:
    words = ["--ready", how if how == "none" else f"file:{daemon.ready}", "--log", "/dev/null", "--liveness", "50ms"]
    command = [sys.executable, "-m", "scxlife.lifecycle", "run", *words, "--", *daemon.command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("→ running" in line for line in process.stdout)
            until_asleep(process.pid)
            before = switches(process.pid)
            time.sleep(1.0)
            after = switches(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=LIMIT)
    assert after == before
    assert process.returncode == 0


def until_asleep(pid: int) -> None:
    """In `running` a supervisor sleeps in its one wait and nowhere else."""
    deadline = time.monotonic() + LIMIT
    while (state := Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "S":
        assert state != "Z" and time.monotonic() < deadline
        time.sleep(0.001)


def switches(pid: int) -> int:
    """How often its threads were scheduled away, of their own will or not."""
    return sum(
        int(line.split()[1])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if "ctxt_switches" in line
    )

"""What is seen and kept of a run in a real guest: `--console`, `-v`, `-q`, `--log`, a flood, a lost terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.schedulers.build import fault_scheduler

from scxlife.lifecycle.payload_streams import ROOM
from scxlife.lifecycle.timeline import shown
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

HERE = Path(__file__).parent
SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
PATIENCE = 120.0
TIME = re.compile(r" +\d+\.\d{3}  ")


def vm_run(kernel: Kernel, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [*SCXLIFE, "vm", "run", "--kernel", kernel.version, "--timeout", f"{PATIENCE:g}s", *words]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE)


def records(tape: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tape.read_text().splitlines()]


# -- what is shown


def test_console_boots_and_shows_the_kernels_first_words_and_its_last(each_kernel: Kernel) -> None:
    done = vm_run(each_kernel, "--console", "--", "echo", "said")
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
    console = [line for line in done.stderr.splitlines() if line.startswith("console: ")]
    assert f"Linux version {each_kernel.version} " in console[0]
    assert [line for line in console if re.search(r"Run \S+ as init process", line)]
    assert "reboot: machine restart" in console[-1]


def test_without_console_nothing_of_it_is_shown_and_each_change_is_a_line(small_kernel: Kernel, tmp_path: Path) -> None:
    done = vm_run(small_kernel, "--tape", f"{tmp_path}/tape", "--", "echo", "said")
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
    assert "console:" not in done.stderr
    assert done.stderr.startswith("guest: Linux ")
    changes = [record for record in records(tmp_path / "tape") if shown(record)]
    assert len([line for line in done.stderr.splitlines() if TIME.match(line)]) == len(changes)


def test_verbose_shows_each_event_and_why_this_accelerator(small_kernel: Kernel, tmp_path: Path) -> None:
    done = vm_run(small_kernel, "-v", "--tape", f"{tmp_path}/tape", "--", "echo", "said")
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
    _, reason, header, *lines = done.stderr.splitlines()
    assert reason.startswith("       ")
    assert reason.strip()
    assert header.split() == ["TIME", "STATE", "EVENT", "NEXT", "CAUSE"]
    steps = [record for record in records(tmp_path / "tape") if record["kind"] == "step" or shown(record)]
    assert len([line for line in lines if TIME.match(line)]) == len(steps)


def test_quiet_shows_the_payloads_output_alone(small_kernel: Kernel) -> None:
    done = vm_run(small_kernel, "-q", "--", "sh", "-c", "echo said; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "said\n", "err\n")


def test_quiet_says_one_line_of_a_run_that_failed(small_kernel: Kernel) -> None:
    done = vm_run(small_kernel, "-q", "--", "sh", "-c", "echo said; echo S > /proc/sysrq-trigger; sleep 600")
    assert (done.returncode, done.stdout) == (12, "said\n"), done.stderr
    assert re.fullmatch(r"scxlife: ejected: .*sysrq-S.*\n", done.stderr), done.stderr


# -- the log of many schedulers

#: Writes lines of its own, more than a pipe or a page holds, and becomes the scheduler. It counts its lives.
TALKATIVE = """#!/bin/sh
echo >> /tmp/lives
life=$(wc -l < /tmp/lives)
seq 5000 | sed "s/^/$1 life $life line /"
exec FAULT
"""
ASKED = "scxlife ctl replace b; scxlife ctl restart; scxlife ctl detach; scxlife ctl attach a; scxlife ctl replace b"
LIVES = ["a", "b", "b", "a", "b"]


def test_a_log_has_what_each_life_wrote_in_the_order_of_the_lives(small_kernel: Kernel, tmp_path: Path) -> None:
    fault, script = fault_scheduler(), tmp_path / "talkative"
    script.write_text(TALKATIVE.replace("FAULT", str(fault)))
    script.chmod(0o755)
    log = tmp_path / "log"
    words = ["--stage", f"b={script} b", "--scheduler", str(script), "--sched-args", "a", "--add", str(fault)]
    done = vm_run(small_kernel, "--log", str(log), *words, "--", "sh", "-c", ASKED.replace(" a;", f" {script.name};"))
    assert done.returncode == 0, done.stderr
    lines = log.read_text().splitlines()
    expected = [
        f"{name} life {life} line {number}" for life, name in enumerate(LIVES, start=1) for number in range(1, 5001)
    ]
    assert [line for line in lines if " life " in line] == expected
    # What the program itself said stands behind the lines of its own life.
    begins = [lines.index(f"{name} life {life} line 5000") for life, name in enumerate(LIVES, start=1)]
    for begin, end in zip(begins, [*begins[1:], len(lines) + 5000], strict=True):
        assert [line for line in lines[begin + 1 : end - 4999] if line], lines[begin + 1 : end - 4999]


# -- a payload that writes as fast as it can

FLOOD = 256 << 20
#: Bytes that this process may have, with all that it imports.
MOST = 96 << 20


def first_out_of_running(told: list[dict[str, Any]]) -> str:
    """The event that ended the first stay of the scheduler in `running`."""
    moves = (r for r in told if r["kind"] == "step" and r["to"] != r["state"])
    return next(str(move["event"]) for move in moves if move["state"] == "running")


PEAK = """
import sys
from scxlife.lifecycle.cli import main
from tests.vm.audited import peak
status = main(sys.argv[1:])
open({path!r}, "w").write(str(peak()))
sys.exit(status)
"""


def test_each_byte_of_a_flood_is_kept_and_passed_on_in_bounded_memory(small_kernel: Kernel, tmp_path: Path) -> None:
    code = PEAK.format(path=f"{tmp_path}/peak")
    words = ["--kernel", small_kernel.version, "--timeout", f"{PATIENCE:g}s", "--payload-output", f"{tmp_path}/kept"]
    flood = f"dd if=/dev/zero bs=64k count={FLOOD >> 16} 2>/dev/null"
    argv = [sys.executable, "-c", code, "vm", "run", *words, "--tape", f"{tmp_path}/tape", "--", "sh", "-c", flood]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=HERE.parents[1]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        stderr: list[bytes] = []
        aside = threading.Thread(target=lambda err=process.stderr: stderr.extend(err))
        aside.start()
        # Nobody reads for a while: the payload is held up, and nothing is dropped.
        kept, until = tmp_path / "kept", time.monotonic() + PATIENCE
        while not kept.exists() or kept.stat().st_size < ROOM:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        aside.join(3.0)
        assert kept.stat().st_size <= 8 * ROOM
        read = 0
        while data := process.stdout.read(1 << 20):
            read += len(data)
        aside.join()
    assert process.returncode == 0, b"".join(stderr).decode()
    assert read == FLOOD
    assert kept.stat().st_size == FLOOD
    assert int((tmp_path / "peak").read_text()) <= MOST
    # The scheduler ran all the time, and ended as one does that was asked to.
    told = records(tmp_path / "tape")
    assert told[-1]["outcome"] == "stopped"
    assert first_out_of_running(told) == "payload_ended"


@pytest.mark.parametrize("reader", ["reads", "stalls"])
def test_an_ejection_is_seen_while_a_payload_writes_without_end(
    small_kernel: Kernel, tmp_path: Path, reader: str
) -> None:
    """Only the ejection ends it: a supervisor that the flood keeps from looking would never see one."""
    flood = "cat /dev/zero & sleep 1; echo S > /proc/sysrq-trigger; wait"
    words = ["vm", "run", "--kernel", small_kernel.version, "--timeout", f"{PATIENCE:g}s", "-q"]
    tape = tmp_path / "tape"
    argv = [*SCXLIFE, *words, "--tape", f"{tape}", "--", "sh", "-c", flood]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + PATIENCE
        while reader == "stalls" and not (tape.exists() and '"event": "lost"' in tape.read_text()):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        _, err = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 12, err.decode()
    told = records(tape)
    assert told[-1]["outcome"] == "ejected/kernel"
    assert first_out_of_running(told) == "lost"


# -- a terminal that disappears


def children_of(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


@pytest.mark.parametrize("controlling", [True, False])
def test_a_terminal_that_disappears_ends_the_shell_and_its_guest(
    small_kernel: Kernel, tmp_path: Path, *, controlling: bool
) -> None:
    """With a controlling terminal there is a SIGHUP; without one, the shell's input ends."""
    master, terminal = pty.openpty()

    def own_session() -> None:
        os.setsid()
        if controlling:
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    argv = [*SCXLIFE, "vm", "shell", "--kernel", small_kernel.version, "--tape", f"{tmp_path}/tape"]
    with subprocess.Popen(argv, preexec_fn=own_session, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        seen, asked = b"", False
        until = time.monotonic() + PATIENCE
        while b"is 42" not in seen:
            assert time.monotonic() < until, seen
            if select.select([master], [], [], 1.0)[0]:
                seen += os.read(master, 4096)
            if b"# " in seen and not asked:
                asked = True
                os.write(master, b"sleep 600 & echo is $((6 * 7))\n")
        pidfds = [os.pidfd_open(child) for child in children_of(process.pid)]
        assert pidfds
        os.close(master)
        # By SIGHUP the run is asked to end; a payload that ends by itself, with its terminal, has failed.
        assert process.wait(PATIENCE) == (0 if controlling else 1)
    for pidfd in pidfds:
        with contextlib.closing(os.fdopen(pidfd)):
            assert select.select([pidfd], [], [], PATIENCE)[0]
    assert records(tmp_path / "tape")[-1]["outcome"] == "stopped"

"""`scxlife run` while nobody reads what it writes: on pipes, terminals, sockets and FIFOs."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
# Only a guard against a hang.
LIMIT = 60


class Reader:
    """The end of a channel at which nobody reads until `read_all`; what is written is at `fd`."""

    def __init__(self, kind: str) -> None:
        if kind == "pipe":
            self.end, self.fd = os.pipe()
            self.fill()
        elif kind == "socket":
            there, here = socket.socketpair()
            self.end, self.fd = there.detach(), here.detach()
            self.fill()
        else:
            self.end, self.fd = pty.openpty()
            # Ctrl-S: XOFF, as a person presses it.
            os.write(self.end, b"\x13")
            if termios.tcgetattr(self.fd)[0] & termios.IXON == 0:
                raise AssertionError("this terminal has no flow control")

    def fill(self) -> None:
        """Until nothing fits, by a description whose flags are not those of the writer."""
        os.set_blocking(self.fd, False)
        try:
            while True:
                os.write(self.fd, b"." * 4096)
        except BlockingIOError:
            try:
                while True:
                    os.write(self.fd, b".")
            except BlockingIOError:
                os.set_blocking(self.fd, True)

    def close(self) -> None:
        for fd in (self.end, self.fd):
            os.close(fd)


@pytest.fixture(params=["pipe", "socket", "terminal"])
def stalled(request: pytest.FixtureRequest) -> Iterator[Reader]:
    made = Reader(request.param)
    yield made
    made.close()


def command(*words: str) -> list[str]:
    return [*SCXLIFE, "run", "--ready", "none", "--liveness", "10ms", "--log", "/dev/null", *words]


WORDS = ("--", "sleep", "300")


def test_L3_an_unread_stdout_does_not_stop_supervision(stalled: Reader) -> None:
    done = subprocess.run(
        command("--for", "100ms", *WORDS), stdout=stalled.fd, stderr=subprocess.PIPE, text=True, timeout=LIMIT
    )
    assert done.returncode == 0
    assert done.stderr.startswith("scxlife: warning: stdout: ")
    assert "dropped, not read in time" in done.stderr


@pytest.mark.parametrize("form", ["text", "journal", "json"])
def test_L3_no_log_format_stops_supervision(form: str) -> None:
    stalled = Reader("pipe")
    done = subprocess.run(
        command("--for", "100ms", "--log-format", form, *WORDS), stdout=stalled.fd, capture_output=False, timeout=LIMIT
    )
    assert done.returncode == 0
    stalled.close()


def test_L3_an_unread_stderr_does_not_stop_supervision(stalled: Reader) -> None:
    done = subprocess.run(
        command("--for", "100ms", "--json", *WORDS), stderr=stalled.fd, stdout=subprocess.PIPE, text=True, timeout=LIMIT
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["outcome"] == "stopped"


def test_L3_stdout_and_stderr_on_one_stopped_terminal() -> None:
    stalled = Reader("terminal")
    done = subprocess.run(
        command("--for", "100ms", "--json", *WORDS), stderr=stalled.fd, stdout=stalled.fd, timeout=LIMIT
    )
    assert done.returncode == 0
    stalled.close()


def test_L3_an_unread_tape_is_reported_in_the_outcome(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    os.mkfifo(tape)
    reader = os.open(tape, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tape, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"." * 4096)
    except BlockingIOError:
        os.close(writer)
    done = subprocess.run(
        command("--for", "100ms", "--json", "--tape", str(tape), *WORDS), capture_output=True, text=True, timeout=LIMIT
    )
    os.close(reader)
    assert done.returncode == 0
    lost = [said for said in json.loads(done.stdout)["degraded"] if said.startswith(f"--tape {tape}: ")]
    assert len(lost) == 1
    assert f"scxlife: warning: {lost[0]}" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_L3_signals_are_heard_while_nobody_reads(stalled: Reader, tmp_path: Path, sent: signal.Signals) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    words = ("--", "sh", "-c", f"echo $$ > {started}; exec sleep 300")
    with subprocess.Popen(command(*words), stdout=stalled.fd, stderr=subprocess.DEVNULL) as process:
        pid = int(started.read_text())
        process.send_signal(sent)
        process.wait(LIMIT)
    # It may be caught before it counts as started.
    assert process.returncode in (0, 10)
    assert not Path(f"/proc/{pid}").exists()


def test_L3_the_control_socket_answers_while_nobody_reads(stalled: Reader, tmp_path: Path) -> None:
    control, started = tmp_path / "control", tmp_path / "started"
    os.mkfifo(started)
    run = [*SCXLIFE, "run", "--ready", "none", "--liveness", "10ms", "--control", str(control)]
    run += ["--", "sh", "-c", f"echo $$ > {started}; exec sleep 300"]
    with subprocess.Popen(run, stdout=stalled.fd, stderr=subprocess.DEVNULL) as process:
        started.read_text()
        for request in ("status", "stop"):
            asked = [*SCXLIFE, "ctl", "--control", str(control), "--json", request]
            answer = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT)
            assert json.loads(answer.stdout), answer.stderr
        process.wait(LIMIT)
    assert process.returncode == 0


def test_L3_a_reader_that_begins_late_loses_nothing(tmp_path: Path) -> None:
    """It begins when the run is over, which waits for it."""
    fifo, over = tmp_path / "tape", tmp_path / "over"
    os.mkfifo(fifo)
    whole = tmp_path / "whole"
    end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(end, True)
    daemon = f"trap 'touch {over}; exit' TERM; while :; do sleep 0.01; done"
    with subprocess.Popen(
        command("--for", "50ms", "--tape", str(fifo), "--", "sh", "-c", daemon), stdout=subprocess.DEVNULL
    ) as process:
        found = b""
        while not over.exists():
            process.poll()
            assert process.returncode is None
        while part := os.read(end, 4096):
            found += part
        process.wait(LIMIT)
    os.close(end)
    whole.write_bytes(found)
    records = [json.loads(line) for line in found.splitlines()]
    assert [record["seq"] for record in records] == list(range(len(records)))
    assert records[-1]["kind"] == "end"
    assert process.returncode == 0


def test_L3_a_terminal_that_goes_on_gets_every_line() -> None:
    stalled = Reader("terminal")
    found = b""
    with subprocess.Popen(
        command("--for", "100ms", *WORDS), stdout=stalled.fd, stderr=subprocess.PIPE, text=True
    ) as process:
        os.write(stalled.end, b"\x11")  # Ctrl-Q
        while b"outcome    stopped" not in found:
            found += os.read(stalled.end, 4096)
        process.wait(LIMIT)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    for state in (b"spawning", b"startup", b"running", b"stopping"):
        assert state in found
    stalled.close()


def test_L3_the_flags_of_a_shared_stdout_stay(stalled: Reader) -> None:
    subprocess.run(command("--for", "10ms", *WORDS), stdout=stalled.fd, stderr=subprocess.DEVNULL, timeout=LIMIT)
    assert os.get_blocking(stalled.fd)


def test_L3_a_tape_with_a_gap_replays_up_to_it(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    subprocess.run(
        command("--for", "10ms", "--tape", str(tape), *WORDS), stdout=subprocess.DEVNULL, timeout=LIMIT, check=True
    )
    lines = tape.read_text().splitlines()
    gap = json.dumps({"kind": "gap", "lines": 3})
    tape.write_text("\n".join([*lines[:9], gap, *lines[12:]]) + "\n")
    done = subprocess.run(
        [*SCXLIFE, "replay", "--profile", "none", str(tape)], capture_output=True, text=True, timeout=LIMIT
    )
    assert "line 10 is a gap" in done.stdout + done.stderr
    drawn = subprocess.run([*SCXLIFE, "timeline", str(tape)], capture_output=True, text=True, timeout=LIMIT)
    assert drawn.returncode == 0
    assert "line 10 is a gap" in drawn.stderr


def test_L3_threads_of_an_embedder_are_not_needed() -> None:
    """Pending lines are written by the loop itself."""
    from scxlife.lifecycle.outlet import Outlet, Outlets
    from scxlife.platform.linux import LinuxKernel

    before = threading.active_count()
    here = Reader("pipe")
    outlets = Outlets(LinuxKernel())
    outlet = outlets.add(Outlet(outlets.kernel, here.fd))
    outlet.line("late")
    found = b""
    while b"late\n" not in found:
        found += os.read(here.end, 1 << 20)
        outlets.poll((), 0.1)
    assert threading.active_count() == before
    here.close()

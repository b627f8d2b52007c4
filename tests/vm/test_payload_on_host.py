"""What `vm run` does with a payload's streams: a program that speaks a guest's protocol stands in QEMU's place."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.vm.test_vm_run_on_host import Host, gone, host

__all__ = ["host"]

PAYLOAD = ("./mine", "--", "sleep", "9")
LIMIT = 15.0
#: Pages of a pipe's own, and those between: what a host may keep of a payload that nobody reads.
BOUND_KIB = 60_000


def binary(host: Host, fake: str, *words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    with host.start(fake, *words, text=False, **{"stdin": subprocess.DEVNULL, **more}) as process:
        out, err = process.communicate(timeout=LIMIT)
    assert b"Traceback" not in (err or b""), err
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_stdout_has_the_payloads_bytes_and_nothing_else(host: Host) -> None:
    done = binary(host, "payload-speaks", *PAYLOAD)
    assert done.stdout == b"\0\xff\x1b[1mno newline"
    assert b"an error\n" in done.stderr
    assert b"outcome    stopped" in done.stderr


def test_with_quiet_there_is_the_payloads_output_alone(host: Host) -> None:
    done = binary(host, "payload-speaks", "-q", *PAYLOAD)
    assert (done.stdout, done.stderr) == (b"\0\xff\x1b[1mno newline", b"an error\n")


def test_with_json_the_object_alone_is_on_stdout_and_has_the_output(host: Host) -> None:
    done = binary(host, "payload-speaks", "--json", *PAYLOAD)
    assert json.loads(done.stdout)["payload_output"] == {
        "stdout": {"base64": base64.b64encode(b"\0\xff\x1b[1mno newline").decode(), "dropped": 0},
        "stderr": {"text": "an error\n", "dropped": 0},
    }
    assert b"no newline" in done.stderr


def test_a_file_keeps_all_of_the_output(host: Host) -> None:
    assert binary(host, "payload-speaks", "--payload-output", "kept", *PAYLOAD).returncode in (0, 1)
    assert (host.folder / "kept").read_bytes() == b"\0\xff\x1b[1mno newlinean error\n"


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
def test_the_input_goes_to_the_payload(host: Host, tmp_path: Path, size: int) -> None:
    given = os.urandom(size).replace(b"x", b"y")
    (tmp_path / "given").write_bytes(given)
    with (tmp_path / "given").open("rb") as file:
        done = binary(host, "payload-echoes", *PAYLOAD, stdin=file)
    assert done.stdout == given


def test_an_input_that_never_ends_does_not_keep_the_end(host: Host) -> None:
    read_end, write_end = os.pipe()
    done = binary(host, "payload-speaks", *PAYLOAD, stdin=read_end)
    os.close(write_end)
    os.close(read_end)
    assert b"outcome    stopped" in done.stderr


@pytest.mark.parametrize("fake", ["payload-is-killed", "payload-lies"])
def test_L8_what_came_before_a_bad_end_is_kept(host: Host, fake: str) -> None:
    done = binary(host, fake, "--log", "log", "--payload-output", "kept", *PAYLOAD)
    assert done.returncode == 15
    assert done.stdout.startswith(b"before the ")
    assert (host.folder / "kept").read_bytes() == done.stdout
    assert (host.folder / "log").read_bytes() == b"logged before the end\n"


def test_L10_a_payload_port_with_wrong_content_is_guest_failed(host: Host) -> None:
    done = binary(host, "payload-lies", "--json", *PAYLOAD)
    told = json.loads(done.stdout)
    assert (told["guest"], told["reason"]) == (
        "wrong-content",
        "payload: window frame: a guest sends none there",
    )


@pytest.mark.parametrize("where", ["stdout", "stderr", "the file"])
def test_L3_a_reader_that_stalls_holds_up_the_payload_alone(host: Host, where: str) -> None:
    read_end, write_end = os.pipe()
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = ["--json"] if where == "stderr" else ["--payload-output", "-"] if where == "the file" else []
    pipes["stderr" if where == "stderr" else "stdout"] = write_end
    with host.start("payload-floods", *words, "--timeout", "4s", *PAYLOAD, stdin=subprocess.DEVNULL, **pipes) as run:
        os.close(write_end)
        host.wait_for("pid")
        peak = 0
        while run.poll() is None:
            status = Path(f"/proc/{run.pid}/status").read_text()
            peak = max([peak, *(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS"))])
            time.sleep(0.05)
    assert run.returncode == 15
    assert peak < BOUND_KIB
    os.close(read_end)
    assert gone(int(host.seen("pid")[0]))


def test_a_flood_does_not_fill_memory(host: Host) -> None:
    told = (host.folder / "told").open("w+b")
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": told, "stderr": subprocess.DEVNULL}
    with told, host.start("payload-floods", "--json", "--timeout", "4s", *PAYLOAD, **pipes) as run:
        host.wait_for("pid")
        peak = 0
        while run.poll() is None:
            status = Path(f"/proc/{run.pid}/status").read_text()
            peak = max([peak, *(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS"))])
            time.sleep(0.05)
    outcome = json.loads((host.folder / "told").read_bytes())
    assert outcome["guest"] == "timed-out"
    assert outcome["payload_output"]["stdout"]["dropped"] > 10 << 20
    assert peak < BOUND_KIB


# -- terminals


class Screen:
    """A terminal on which `vm run` runs, in a session of its own."""

    def __init__(self, host: Host, fake: str, *words: str) -> None:
        self.host = host
        self.master, self.terminal = pty.openpty()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 91, 0, 0))
        self.before = termios.tcgetattr(self.terminal)
        self.shown = b""

        def own() -> None:
            os.setsid()
            fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0)

        standard: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), self.terminal)
        self.process = host.start(fake, *words, preexec_fn=own, text=False, **standard)

    def until(self, words: bytes) -> None:
        end = time.monotonic() + LIMIT
        while words not in self.shown:
            assert time.monotonic() < end, self.shown
            self.shown += os.read(self.master, 4096)

    def end(self) -> int:
        os.set_blocking(self.master, False)
        end = time.monotonic() + LIMIT
        while self.process.poll() is None and time.monotonic() < end:
            try:
                self.shown += os.read(self.master, 4096)
            except BlockingIOError:
                time.sleep(0.01)
        return self.process.wait(1)

    @property
    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.terminal)[3] & termios.ICANON

    @property
    def is_restored(self) -> bool:
        return termios.tcgetattr(self.terminal) == self.before

    def close(self) -> None:
        for fd in {self.master, self.terminal} - {-1}:
            os.close(fd)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def screen(host: Host) -> Iterator[Any]:
    made: list[Screen] = []

    def make(fake: str, *words: str) -> Screen:
        made.append(Screen(host, fake, *words))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_L9_on_a_terminal_every_key_goes_to_the_payload(screen: Any) -> None:
    seen: Screen = screen("payload-waits", *PAYLOAD)
    seen.until(b"ready")
    assert seen.is_raw
    os.write(seen.master, b"\x03\x1a\x1cx")
    seen.end()
    assert bytes.fromhex("".join(seen.host.seen("input"))) == b"\x03\x1a\x1cx"
    assert seen.is_restored
    assert b"outcome    stopped" in seen.shown


def test_a_window_of_another_size_is_told(screen: Any) -> None:
    seen: Screen = screen("payload-waits", *PAYLOAD)
    seen.until(b"ready")
    fcntl.ioctl(seen.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 111, 0, 0))
    assert seen.host.wait_for("window") == "2c006f00"
    os.write(seen.master, b"x")
    seen.end()
    assert seen.is_restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_terminal_is_restored_when_a_signal_ends_the_run(screen: Any, number: signal.Signals) -> None:
    seen: Screen = screen("payload-waits", *PAYLOAD)
    seen.until(b"ready")
    seen.process.send_signal(number)
    seen.process.send_signal(signal.SIGINT)
    assert seen.end() == 15
    assert seen.is_restored


def test_a_terminal_is_restored_when_the_guest_is_killed(screen: Any) -> None:
    seen: Screen = screen("payload-waits", *PAYLOAD)
    seen.until(b"ready")
    os.kill(int(seen.host.seen("pid")[0]), signal.SIGKILL)
    assert seen.end() == 15
    assert seen.is_restored


def test_a_terminal_that_disappears_ends_the_run(screen: Any) -> None:
    seen: Screen = screen("payload-waits", *PAYLOAD)
    seen.until(b"ready")
    os.close(seen.terminal)
    os.close(seen.master)
    seen.master = seen.terminal = -1
    seen.process.wait(LIMIT)
    assert gone(int(seen.host.seen("pid")[0]))
    assert seen.host.seen("end") == ["of input"]


def test_the_line_of_what_is_waited_for_vanishes(screen: Any) -> None:
    seen: Screen = screen("payload-waits", *PAYLOAD)
    seen.until(b"ready")
    _, _, after = seen.shown.partition("starting the guest…".encode())
    assert after.startswith(b"\r\x1b[K")
    os.write(seen.master, b"x")
    seen.end()


def test_a_shell_without_a_terminal_is_refused_in_one_line(host: Host) -> None:
    command = [*host_command(host), "shell"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "scxlife: error: vm shell needs a terminal",
        "hint: without one, use: scxlife vm run -- COMMAND",
    ]


def host_command(host: Host) -> list[str]:
    import sys

    return ["env", f"PATH={host.folder}/bin:{os.environ['PATH']}", sys.executable, "-m", "scxlife.lifecycle", "vm"]

"""The end of a boot, through a real port to a host that listens: what comes, in which order, within which bound."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scxlife.fsm.events import Event
from scxlife.lifecycle.boot_ending import BootEnding
from scxlife.lifecycle.options import boot_ending
from scxlife.lifecycle.outcomes import Exited, NotAttached, NotConfigured, Outcome, SpawnFailed, StartupDied, Stopped
from scxlife.lifecycle.plan import Plan
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.vm import frames
from scxlife.platform.vm.port import GuestPort

kernel = LinuxKernel()


class PipeProbe:
    """Produces what is in a pipe; its end comes when nobody can write to it any more."""

    name = "pipe"

    def __init__(self, left: bytes, *, ends: bool) -> None:
        self._fd, self._write_end = os.pipe()
        os.set_blocking(self._fd, False)
        os.write(self._write_end, left)
        self._ends = ends
        self.stopped = 0

    def open(self) -> None:
        """It is."""

    def fileno(self) -> int | None:
        return self._fd

    def read(self, size: int) -> bytes | None:
        try:
            return os.read(self._fd, size) or None
        except BlockingIOError:
            return b""

    def stop(self) -> None:
        self.stopped += 1
        os.write(self._write_end, b" and its last words")
        if self._ends:
            os.close(self._write_end)

    def close(self) -> None:
        os.close(self._fd)
        if not self._ends:
            os.close(self._write_end)


@pytest.fixture
def wire() -> Iterator[tuple[GuestPort, socket.socket]]:
    here, there = socket.socketpair()
    port = GuestPort(here.detach())
    yield port, there
    port.close()
    there.close()


def told(host: socket.socket) -> list[tuple[int, Any]]:
    """The frames that came: kind and content."""
    host.setblocking(False)
    decoder = frames.Decoder()
    raw = (frames.LOG, frames.PROBE)
    return [
        (frame.type, frame.payload if frame.type in raw else json.loads(frame.payload))
        for frame in decoder.feed(host.recv(1 << 20))
    ]


def ending_of(
    port: GuestPort,
    plan: Plan,
    outcome: Outcome | None,
    *,
    failure: str = "",
    probe: PipeProbe | None = None,
    drain_timeout: float = 0.02,
) -> BootEnding:
    return BootEnding(
        kernel,
        port,
        boot_ending().with_settings(drain_timeout=drain_timeout),
        plan,
        outcome,
        failure=failure,
        name="scheduler 1",
        probe=probe,
        on_probe=lambda name, chunk: port.send(frames.PROBE, name.encode() + b"\0" + chunk),
    )


def end(
    wire: tuple[GuestPort, socket.socket],
    folder: Path,
    outcome: Outcome | None,
    *,
    payload: tuple[str, ...] = (),
    probe: PipeProbe | None = None,
    failure: str = "",
    drain_timeout: float = 0.02,
) -> list[tuple[int, Any]]:
    port, host = wire
    (folder / "log").write_bytes(b"the log\n")
    output = os.open(folder / "payload", os.O_RDWR | os.O_CREAT)
    plan = Plan(
        command="/none",
        log_path=str(folder / "log"),
        payload=payload,
        payload_environment=dict(os.environ),
        payload_output=output,
    )
    ending_of(port, plan, outcome, failure=failure, probe=probe, drain_timeout=drain_timeout).run()
    os.close(output)
    if probe is not None:
        assert probe.stopped == 1
        probe.close()
    return told(host)


FAILED = {
    StartupDied: "SchedulerDied",
    SpawnFailed: "SchedulerDied",
    NotAttached: "SchedulerNotAttached",
}


@pytest.mark.parametrize("kind", FAILED)
def test_row_20_a_failed_start_is_told_before_the_probe_is_drained(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path, kind: type[Outcome]
) -> None:
    heard = end(wire, tmp_path, kind(reason="why"), probe=PipeProbe(b"a dump", ends=True), failure="EACCES")
    order = [frames.LIFECYCLE, frames.OUTCOME, frames.EXIT, frames.PROBE]
    assert list(dict.fromkeys(type for type, _ in heard)) == order
    content = dict(heard[:-1])
    assert content[frames.LIFECYCLE] == {"event": FAILED[kind], "outcome": kind.name, "reason": "why"}
    assert content[frames.EXIT] == {"status": kind.exit_code, "payload": None, "fault": None}
    assert b"".join(chunk for type, chunk in heard if type == frames.PROBE) == b"pipe\0a dump and its last words"


@pytest.mark.parametrize("kind", [Stopped, Exited])
def test_row_24_a_run_is_drained_before_its_last_word(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path, kind: type[Outcome]
) -> None:
    outcome = kind(exit={"code": 0}, payload={"exit": {"code": 3}})
    heard = end(wire, tmp_path, outcome, probe=PipeProbe(b"a dump", ends=True))
    assert list(dict.fromkeys(type for type, _ in heard)) == [
        frames.PROBE,
        frames.OUTCOME,
        frames.EXIT,
    ]
    assert heard[-1][1]["payload"] == {"exit": {"code": 3}}


@pytest.mark.parametrize("kind", [Stopped, NotAttached])
def test_defect_19_a_probe_that_never_ends_is_not_waited_for_without_bound(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path, kind: type[Outcome]
) -> None:
    heard = end(wire, tmp_path, kind(), probe=PipeProbe(b"a dump", ends=False))
    kinds = [type for type, _ in heard]
    assert {frames.OUTCOME, frames.EXIT, frames.PROBE} <= {*kinds}
    assert b"".join(chunk for type, chunk in heard if type == frames.PROBE).endswith(b"its last words")


def test_row_1_without_a_scheduler_the_payload_runs_all_the_same(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path
) -> None:
    heard = end(wire, tmp_path, NotConfigured(), payload=("/bin/sh", "-c", "echo it ran; exit 4"))
    content = dict(heard)
    assert (tmp_path / "payload").read_bytes() == b"it ran\n"
    assert content[frames.OUTCOME]["payload"] == {"exit": {"code": 4}}
    assert content[frames.OUTCOME]["outcome"] == "not-configured"
    assert heard[-1][0] == frames.EXIT


def test_L17_no_scheduler_that_was_asked_for_is_an_outcome_of_its_own(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path
) -> None:
    heard = end(wire, tmp_path, None, payload=("/bin/sh", "-c", "echo it ran; exit 4"))
    assert [kind for kind, _ in heard] == [frames.OUTCOME, frames.EXIT]
    outcome = dict(heard)[frames.OUTCOME]
    assert (outcome["outcome"], outcome["payload"]) == ("no-scheduler", {"exit": {"code": 4}})
    assert outcome["reason"] == "no scheduler was asked for; the payload ran on the kernel's own"
    assert dict(heard)[frames.EXIT]["status"] == 0


class SilentProbe:
    """Has nothing to say: readable only when it is asked, as a trace pipe is."""

    name = "silent"
    stopped = 0

    def open(self) -> None:
        """It is."""

    def fileno(self) -> int | None:
        return None

    def read(self, size: int) -> bytes | None:
        return None if self.stopped else b""

    def stop(self) -> None:
        self.stopped += 1

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("outcome", [None, NotConfigured(reason="why")])
def test_a_probe_without_a_word_does_not_hold_a_bare_payload_back(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path, outcome: Outcome | None
) -> None:
    # Waited for in vain, it would take all of this test's time.
    probe: Any = SilentProbe()
    heard = end(wire, tmp_path, outcome, payload=("/bin/sleep", "0.2"), probe=probe, drain_timeout=3600.0)
    assert heard[-1][0] == frames.EXIT


def test_a_payload_that_can_not_be_started_without_a_scheduler_is_told(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path
) -> None:
    heard = end(wire, tmp_path, NotConfigured(), payload=("/none/such",))
    assert "ENOENT" in dict(heard)[frames.OUTCOME]["payload"]["error"]


def test_a_log_that_can_not_be_read_does_not_keep_the_outcome_back(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path
) -> None:
    port, host = wire
    plan = Plan(command="/none", log_path=str(tmp_path))  # a folder
    ending_of(port, plan, StartupDied()).run()
    heard = dict(told(host))
    assert heard[frames.OUTCOME]["outcome"] == "startup-died"
    assert "Is a directory" in heard[frames.EXIT]["fault"]


def test_the_payload_is_its_own_to_bury_while_it_runs(wire: tuple[GuestPort, socket.socket], tmp_path: Path) -> None:
    output = os.open(tmp_path / "payload", os.O_RDWR | os.O_CREAT)
    plan = Plan(command="/none", payload=("/bin/sleep", "300"), payload_output=output)
    ending = ending_of(wire[0], plan, NotConfigured())
    asked = Event("not_configured")
    assert ending.pids() == ()
    ending.start_payload(asked)
    (pid,) = ending.pids()
    ending.kill_payload(asked)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    ending.reap_payload(Event("payload_ended", {"exit": {"signal": 9}}))
    assert ending.pids() == ()
    os.close(output)


def test_a_link_in_the_place_of_the_log_is_not_followed(wire: tuple[GuestPort, socket.socket], tmp_path: Path) -> None:
    port, host = wire
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "log").symlink_to(tmp_path / "secret")
    plan = Plan(command="/none", log_path=str(tmp_path / "log"))
    ending_of(port, plan, StartupDied()).run()
    heard = told(host)
    assert all(content != b"secret" for _, content in heard)
    assert "Too many levels of symbolic links" in dict(heard)[frames.EXIT]["fault"]


def test_the_console_has_half_a_minute_for_the_words_of_a_failure(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    monkeypatch.setattr("scxlife.lifecycle.console.say", lambda kernel, text, until: given.append(until))
    before = kernel.monotonic()
    end(wire, tmp_path, SpawnFailed(reason="why"), failure="EACCES")
    assert given and all(before + 30 <= until <= kernel.monotonic() + 30 for until in given)


def test_the_console_has_the_end_of_the_log_of_a_start_that_failed(
    wire: tuple[GuestPort, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bytes] = []
    monkeypatch.setattr("scxlife.lifecycle.console.say", lambda kernel, text, until: said.append(text))
    end(wire, tmp_path, StartupDied(reason="why"))
    assert any(b"the log\n" in text for text in said)

"""What a service manager is told: by NOTIFY_SOCKET as systemd wants it, by a descriptor as s6 and dinit want it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.listeners import Listeners
from scxlife.lifecycle.notify import STATUS_BYTES, ReadinessDescriptor, ServiceManager, Watchdog, watchdog_interval
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outlet import Outlets
from scxlife.lifecycle.plan import scheduler_environment
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.linux import LinuxKernel

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "run"]
LIMIT = 60


class Manager:
    """The service manager's end: what arrives is kept message by message."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(LIMIT)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def next(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.socket.recv(65536).decode().splitlines())

    def heard(self) -> list[dict[str, str]]:
        """Everything that has arrived by now."""
        self.socket.settimeout(0)
        found = []
        while True:
            try:
                found.append(self.next())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@scxlife-test-{os.getpid()}")
    with made.socket:
        yield made


def run(*words: str, tmp: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*SCXLIFE, "--log", str(tmp / "log"), *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def supervised(*words: str, pass_fds: Sequence[int] = (), **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor that is asked to end, whatever became of the test."""
    command = [*SCXLIFE, "--ready", "none", "--liveness", "50ms", "--log", "/dev/null", *words]
    env = {**os.environ, **environment}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env, pass_fds=pass_fds) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT)


# -- systemd


def test_K9_readiness_is_told_when_it_is_ready_and_the_end_when_it_ends(manager: Manager, tmp_path: Path) -> None:
    told: list[dict[str, str]] = []
    with supervised("--for", "50ms", "--", "sleep", "300", NOTIFY_SOCKET=manager.address) as process:
        # Linux lets ten messages wait, net.unix.max_dgram_qlen: they are read as they come.
        while not told or not told[-1].get("STATUS", "").startswith("stopped:"):
            told.append(manager.next())
        process.wait(LIMIT)
    assert process.returncode == 0
    states = [message["STATUS"].partition(":")[0] for message in told if "STATUS" in message]
    assert states[:5] == ["locating", "spawning", "startup", "attaching", "running"]
    assert [list(message) for message in told if "STATUS" not in message] == [["READY"], ["STOPPING"]]
    ready, stopping = told.index({"READY": "1"}), told.index({"STOPPING": "1"})
    assert told[ready - 1]["STATUS"].startswith("running:"), "K8: who is told ready finds it running"
    assert told[stopping + 1]["STATUS"].startswith("stopping:")
    assert re.fullmatch(r"stopped: it was ready for \d+\.\d s and ended as asked", told[-1]["STATUS"])


def test_what_is_never_ready_never_says_so(manager: Manager, tmp_path: Path) -> None:
    done = run("--ready", "none", "--", "false", tmp=tmp_path, NOTIFY_SOCKET=manager.address)
    assert done.returncode == 10
    told = manager.heard()
    assert not [message for message in told if "READY" in message]
    assert told[-1]["STATUS"] == "startup-died: it died before it was ready (code 1)"


def test_K9_the_message_comes_from_the_process_that_the_service_manager_started(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    with manager.socket as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with supervised("--", "sleep", "300", NOTIFY_SOCKET=manager.address) as process:
            senders = set()
            while True:
                message, ancillary, _, _ = there.recvmsg(4096, socket.CMSG_SPACE(12))
                senders |= {int.from_bytes(data[:4], sys.byteorder) for _, _, data in ancillary}
                if message == b"READY=1":
                    break
    assert senders == {process.pid}


def test_a_child_finds_nothing_of_the_service_managers_in_its_environment(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    with manager.socket:
        names = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
        run("--ready", "none", "--", "/usr/bin/env", tmp=tmp_path, SOMETHING="kept", **names)
    told = (tmp_path / "log").read_text()
    assert "SOMETHING=kept" in told
    assert not [name for name in names if f"{name}=" in told]
    assert scheduler_environment({**names, "A": "b"}).keys() == {"A", "RUST_LOG"}


@pytest.mark.parametrize("address", ["/nowhere/at/all", "vsock:2:1234"])
def test_a_service_manager_that_is_not_there_ends_no_run(tmp_path: Path, address: str) -> None:
    done = run("--ready", "none", "--json", "--", "false", tmp=tmp_path, NOTIFY_SOCKET=address)
    assert done.returncode == 10
    assert "the service manager" in done.stdout and "told" in done.stdout


def fill(here: ServiceManager) -> None:
    """Until a message has to wait, net.unix.max_dgram_qlen: ten of them, or 512 under systemd."""
    for _ in range(10_000):
        here.tell(STATUS="full")
        if here._unsent:
            return
    raise AssertionError("everything fits")


def test_what_does_not_fit_is_sent_with_the_next_message(tmp_path: Path) -> None:
    there = Manager(str(tmp_path / "notify"))
    with there.socket:
        here = ServiceManager(there.address)
        fill(here)
        here.tell(READY="1")
        assert not [message for message in there.heard() if "READY" in message]
        here.tell(STATUS="there is room")
        assert there.next() == {"STATUS": "there is room", "READY": "1"}
        assert here.degraded is None
        here.close()


def test_the_last_words_of_a_run_have_a_moment_more(tmp_path: Path) -> None:
    there = Manager(str(tmp_path / "notify"))
    with there.socket:
        here = ServiceManager(there.address)
        fill(here)
        here.tell(STATUS="stopped: as asked")
        close = threading.Thread(target=here.close)
        close.start()
        told = [there.next()]
        close.join(LIMIT)
        assert [*told, *there.heard()][-1] == {"STATUS": "stopped: as asked"}


def test_a_status_is_one_line_and_not_long(tmp_path: Path) -> None:
    there = Manager(str(tmp_path / "notify"))
    with there.socket:
        here = ServiceManager(there.address)
        here.status("two\nlines " + "é" * 1000)
        (message,) = there.heard()
        assert message["STATUS"].startswith("two lines éé")
        assert message["STATUS"].endswith("…")
        assert len(message["STATUS"].encode()) <= STATUS_BYTES
        here.close()


# -- the watchdog


class Clock:
    """A waiter whose time passes only while it waits; each wait and its bound are kept."""

    def __init__(self) -> None:
        self.now = 100.0
        self.bounds: list[float | None] = []

    def monotonic(self) -> float:
        return self.now

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        self.bounds.append(timeout)
        self.now += timeout or 0.0
        return []


class Heard(ServiceManager):
    def __init__(self) -> None:
        super().__init__(None)
        self.told: list[Mapping[str, str]] = []

    def tell(self, **assignments: str) -> None:
        self.told.append(assignments)


def test_a_sign_of_life_is_given_at_each_half_of_the_time_while_the_loop_turns() -> None:
    clock, manager = Clock(), Heard()
    watchdog = Watchdog(clock, manager, 10.0)
    watchdog.poll((), None)
    assert manager.told == [{"WATCHDOG": "1"}]
    watchdog.poll((), 4.0)
    watchdog.poll((), 30.0)
    assert clock.bounds == [10.0, 4.0, 6.0]
    assert len(manager.told) == 2, "the second is due at 110 and the third wait begins there"
    clock.now += 300
    watchdog.poll((), None)
    assert len(manager.told) == 3, "who was away for long gives one sign, not thirty"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_who_is_to_give_signs_of_life_and_how_often(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_interval(environment, 7) == seconds


def test_nothing_wakes_a_run_of_which_no_signs_of_life_are_wanted() -> None:
    outlets = Outlets(LinuxKernel())
    assert Listeners(shipped(), {}, outlets, notify_fd=None, metrics=None).waiter(7) is outlets


def signs_of_life(manager: Manager, wanted: int) -> None:
    while wanted:
        wanted -= "WATCHDOG" in manager.next()


def test_a_supervisor_that_hangs_gives_no_sign_of_life(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    with (
        manager.socket as there,
        supervised("--", "sleep", "300", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000") as process,
    ):
        signs_of_life(manager, 3)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        manager.heard()
        there.settimeout(0.5)
        with pytest.raises(TimeoutError):
            there.recv(4096)
        process.send_signal(signal.SIGCONT)
        there.settimeout(LIMIT)
        signs_of_life(manager, 1)
    assert process.returncode == 0


# -- s6 and dinit


def pipe_of(write: Callable[[int], Any]) -> bytes:
    there, here = os.pipe()
    write(here)
    os.close(here)
    with os.fdopen(there, "rb") as reader:
        return reader.read()


def test_the_descriptor_is_given_a_newline_when_it_is_ready_and_then_closed(tmp_path: Path) -> None:
    there, here = os.pipe()
    with supervised("--notify-fd", str(here), "--", "sleep", "300", pass_fds=[here]) as process:
        os.close(here)
        with os.fdopen(there, "rb") as reader:
            assert reader.read() == b"\n", "the end of the file comes while it runs"
        assert process.poll() is None
    assert process.returncode == 0


def test_the_descriptor_of_what_is_never_ready_is_closed_without_a_word(tmp_path: Path) -> None:
    def start(here: int) -> None:
        subprocess.run(
            [*SCXLIFE, "--notify-fd", str(here), "--ready", "none", "--log", "/dev/null", "--", "false"],
            stdout=subprocess.DEVNULL,
            pass_fds=[here],
            timeout=LIMIT,
        )

    assert pipe_of(start) == b""


@pytest.mark.parametrize("words", ["1", "999", "-4", "99999999999999999999"])
def test_a_descriptor_that_is_none_is_an_error_and_nothing_is_started(tmp_path: Path, words: str) -> None:
    done = run(f"--notify-fd={words}", "--ready", "none", "--", "touch", str(tmp_path / "started"), tmp=tmp_path)
    assert done.returncode == 2
    assert f"--notify-fd {words}: " in done.stderr
    assert not (tmp_path / "started").exists()


def test_a_descriptor_that_can_only_be_read_is_an_error(tmp_path: Path) -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(UsageError, match="reading only"):
        ReadinessDescriptor(fd, Outlets(LinuxKernel()))
    os.close(fd)


def test_a_reader_that_has_gone_or_takes_nothing_ends_no_run() -> None:
    there, here = os.pipe()
    os.close(there)
    gone = ReadinessDescriptor(here, Outlets(LinuxKernel()))
    gone.ready()
    assert "Broken pipe" in str(gone.degraded)
    there, here = os.pipe()
    os.set_blocking(here, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(here, bytes(65536))
    os.set_blocking(here, True)
    outlets = Outlets(LinuxKernel())
    full = ReadinessDescriptor(here, outlets)
    full.ready()
    assert "nobody reads it" in str(full.degraded)
    os.read(there, 1 << 20)
    outlets.poll((), 0)
    assert full.degraded is None, "it is reported as soon as there is room"
    assert os.read(there, 2) == b"\n"
    assert os.read(there, 2) == b"", "and closed after that"
    os.close(there)

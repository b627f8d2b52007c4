"""A descriptor that somebody else reads, with real pipes, terminals, sockets and files."""

from __future__ import annotations

import fcntl
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

from scxlife.lifecycle.outlet import Outlet, Outlets, finish
from scxlife.platform.linux import LinuxKernel

LIMIT = 60
KERNEL = LinuxKernel()


class Channel:
    """Somebody's descriptor to write to, and the end at which it is read."""

    def __init__(self, kind: str) -> None:
        self.socket: socket.socket | None = None
        if kind == "pipe":
            self.read, self.write = os.pipe()
        elif kind == "terminal":
            self.read, self.write = pty.openpty()
            settings = termios.tcgetattr(self.write)
            settings[1] &= ~termios.OPOST
            termios.tcsetattr(self.write, termios.TCSANOW, settings)
        else:
            there, here = socket.socketpair()
            self.read, self.write = there.detach(), here.detach()

    def drain(self) -> bytes:
        """Everything that comes until the writer is gone."""
        found = b""
        while True:
            try:
                part = os.read(self.read, 65536)
            except OSError:  # EIO: a terminal without a writer
                part = b""
            if not part:
                return found
            found += part

    def close(self) -> None:
        for fd in (self.read, self.write):
            try:
                os.close(fd)
            except OSError:
                continue


@pytest.fixture(params=["pipe", "terminal", "socket"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    made = Channel(request.param)
    yield made
    made.close()


@pytest.fixture
def alarm() -> Iterator[None]:
    """A write that waits ends the test."""

    def stuck(*_: object) -> None:
        raise AssertionError("a write waited for the reader")

    former = signal.signal(signal.SIGALRM, stuck)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


def lines(count: int, width: int = 99) -> list[bytes]:
    return [f"{number:<{width}}\n".encode() for number in range(count)]


def test_L3_an_unread_descriptor_does_not_stop_the_writer(channel: Channel, alarm: None) -> None:
    outlet = Outlet(KERNEL, channel.write)
    for line in lines(5000):
        outlet.write(line)
    assert outlet.pending
    assert outlet.fileno() is not None
    assert not KERNEL.poll([outlet.fileno() or 0], 0)
    assert os.get_blocking(channel.write), "its flags belong to all who share it"
    outlet.give_up()
    assert outlet.dropped


def test_L3_what_was_kept_is_written_when_it_is_read(channel: Channel, alarm: None) -> None:
    outlet = Outlet(KERNEL, channel.write)
    for line in lines(5000):
        outlet.write(line)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(channel.drain()))
    reader.start()
    assert finish(KERNEL, [outlet]) == []
    os.close(channel.write)
    reader.join(LIMIT)
    assert found[0] == b"".join(lines(5000))


def test_L3_a_gap_stands_where_lines_are_missing(channel: Channel, alarm: None) -> None:
    outlet = Outlet(KERNEL, channel.write, limit=10_000, gap=lambda count: f"gap {count}")
    for line in lines(20_000):
        outlet.write(line)
    dropped = outlet.dropped
    assert dropped
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(channel.drain()))
    reader.start()
    assert finish(KERNEL, [outlet]) == [f"the output: {dropped} lines were dropped: they were not read in time"]
    os.close(channel.write)
    reader.join(LIMIT)
    read = found[0].splitlines(keepends=True)
    gap = read.index(f"gap {dropped}\n".encode())
    assert read[:gap] + read[gap + 1 :] == lines(20_000)[:gap] + lines(20_000)[gap + dropped :]


def test_L3_two_gaps_are_both_recorded(alarm: None) -> None:
    channel = Channel("pipe")
    outlet = Outlet(KERNEL, channel.write, limit=1000, gap=lambda count: f"gap {count}")
    for line in lines(1000):
        outlet.write(line)
    found = os.read(channel.read, 65536)
    outlet.flush()
    for line in lines(1000):
        outlet.write(line)
    found += os.read(channel.read, 65536)
    finish(KERNEL, [outlet])
    os.close(channel.write)
    found += channel.drain()
    gaps = [int(line.split()[1]) for line in found.splitlines() if line.startswith(b"gap")]
    assert len(gaps) == 2
    assert sum(gaps) == outlet.dropped
    assert len(found.splitlines()) == 2000 - outlet.dropped + 2
    channel.close()


def test_L3_a_reader_that_has_gone_is_no_error(channel: Channel, alarm: None) -> None:
    outlet = Outlet(KERNEL, channel.write)
    os.close(channel.read)
    outlet.write(b"one\n")
    outlet.write(b"two\n")
    assert outlet.error is not None
    assert not outlet.pending
    finish(KERNEL, [outlet])


def test_a_reader_that_goes_while_lines_wait_ends_the_wait(alarm: None) -> None:
    channel = Channel("pipe")
    outlet = Outlet(KERNEL, channel.write)
    for line in lines(5000):
        outlet.write(line)
    os.close(channel.read)
    assert finish(KERNEL, [outlet], patience=LIMIT * 2) == []
    assert isinstance(outlet.error, BrokenPipeError)
    channel.close()


def test_a_full_disk_is_reported(alarm: None) -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        outlet = Outlet(KERNEL, file.fileno(), name="--tape x")
        outlet.write(b"one\n")
        assert outlet.finish() == "--tape x ends early: No space left on device"


def test_a_regular_file_is_written_where_it_is_at(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before\n")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    outlet = Outlet(KERNEL, fd)
    outlet.write(b"one\n")
    os.write(fd, b"somebody else\n")
    outlet.line("zwölf \udcff")
    assert outlet.finish() is None
    os.close(fd)
    assert path.read_bytes() == "before\none\nsomebody else\nzwölf \\udcff\n".encode()


def test_no_descriptor_is_left_behind(channel: Channel) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    outlet = Outlet(KERNEL, channel.write)
    outlet.write(b"one\n")
    outlet.finish()
    assert outlet.closed
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_L3_a_wait_writes_meanwhile(channel: Channel, alarm: None) -> None:
    outlets = Outlets(KERNEL)
    outlet = outlets.add(Outlet(KERNEL, channel.write))
    for line in lines(5000):
        outlet.write(line)
    total = 5000 * 100
    found = b""
    while len(found) < total:
        found += os.read(channel.read, 65536)
        assert outlets.poll((), 0.01) == []
    assert found == b"".join(lines(5000))
    assert not outlet.pending
    outlets.finish()


BACKGROUND = """
import os, signal, sys
from scxlife.lifecycle.outlet import Outlet
from scxlife.platform.linux import LinuxKernel
outlet = Outlet(LinuxKernel(), 1)
outlet.write(b"from the background\\n")
os._exit(0 if outlet.error is None and not outlet.pending else 1)
"""


def test_L3_tostop_does_not_stop_a_background_process() -> None:
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    settings[3] |= termios.TOSTOP
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    # A session whose terminal this is, with a foreground group that is not the writer's.
    script = "import fcntl, os, subprocess, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    script += "sys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]], process_group=0).returncode)"
    done = subprocess.Popen(
        [sys.executable, "-c", script, BACKGROUND], stdin=slave, stdout=slave, start_new_session=True
    )
    assert done.wait(LIMIT) == 0
    assert b"from the background" in os.read(master, 4096)
    os.close(master)
    os.close(slave)


def test_L3_a_pipe_that_can_not_be_opened_again(alarm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after su(1): the pipe belongs to another user, or there is no /proc."""

    class Closed(LinuxKernel):
        def open(self, path: str, flags: int, mode: int = 0o600) -> int:
            raise PermissionError(13, "Permission denied")

    for kind in ("pipe", "terminal"):
        channel = Channel(kind)
        outlet = Outlet(Closed(), channel.write)
        for line in lines(5000):
            outlet.write(line)
        assert outlet.pending
        assert fcntl.fcntl(channel.write, fcntl.F_GETFL) & os.O_NONBLOCK == 0
        outlet.give_up()
        channel.close()

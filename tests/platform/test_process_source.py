"""The end of a process is told once, and truly. Real processes; the one race that can't be forced is scripted."""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scxlife.fsm.events import Event
from scxlife.platform.kernel import ExitStatus
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.process import Child, ProcessSource

SH = "/bin/sh"

kernel = LinuxKernel()


class Held:
    """A child that waits for `release` before it runs its script."""

    def __init__(self, script: str) -> None:
        held, self._release = os.pipe()
        null = kernel.open("/dev/null", os.O_RDWR)
        argv = (SH, "-c", f"read x; {script}")
        self.pid = kernel.spawn(SH, argv, {}, stdin=held, stdout=null, stderr=null)
        self.pidfd = kernel.pidfd_open(self.pid)
        self.child = Child(self.pid, self.pidfd, 3, SH)
        os.close(held)
        os.close(null)

    def release(self) -> None:
        os.close(self._release)

    def ended(self) -> None:
        self.release()
        assert kernel.poll([self.pidfd], 30)


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def wait_for(source: ProcessSource, port: LinuxKernel = kernel) -> list[Event]:
    """What a driver would do."""
    while True:
        told = source.drain()
        if told:
            return told
        fd, deadline = source.fileno(), source.next_deadline()
        assert fd is not None or deadline is not None, "nothing would ever wake the driver"
        port.poll([] if fd is None else [fd], 30 if deadline is None else deadline - port.monotonic())


@pytest.mark.parametrize(
    ("script", "expected"),
    [("exit 0", {"code": 0}), ("exit 143", {"code": 143}), ("kill -TERM $$", {"signal": signal.SIGTERM})],
)
def test_the_end_is_told_once_and_the_zombie_left(script: str, expected: dict[str, int]) -> None:
    held = Held(script)
    source = ProcessSource(kernel, held.child)
    source.open()
    assert source.drain() == []
    assert (source.fileno(), source.next_deadline()) == (held.pidfd, None)
    held.release()
    told = wait_for(source)
    assert [(event.name, event.data) for event in told] == [
        ("exited", {"pid": held.pid, "generation": 3, "exit": expected, "how": "waitid"})
    ]
    # A zombie's pidfd stays readable: who polled it still would spin.
    assert (source.drain(), source.fileno(), source.next_deadline()) == ([], None, None)
    source.close()
    status = kernel.pidfd_wait(held.pidfd, reap=True)
    assert status is not None and status.as_data() == expected
    kernel.close(held.pidfd)


def test_what_is_dead_when_it_opens_is_told_by_the_first_drain() -> None:
    held = Held("exit 9")
    held.ended()
    source = ProcessSource(kernel, held.child, "payload_exited")
    source.open()
    assert [(event.name, event.data["exit"]) for event in source.drain()] == [("payload_exited", {"code": 9})]
    source.close()
    kernel.pidfd_wait(held.pidfd, reap=True)
    kernel.close(held.pidfd)


@pytest.fixture
def sigchld_ignored() -> Iterator[None]:
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, former)


def kernel_remembers() -> bool:
    return tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 15)


@pytest.mark.skipif(not kernel_remembers(), reason="PIDFD_INFO_EXIT came with Linux 6.15")
@pytest.mark.parametrize("round", range(30))
def test_C2_C4_a_status_that_the_kernel_reaped_is_found_or_unknown(sigchld_ignored: None, round: int) -> None:
    held = Held("exit 5")
    source = ProcessSource(kernel, held.child)
    source.open()
    held.release()
    (event,) = wait_for(source)
    assert (event.data["exit"], event.data["how"]) == ({"code": 5}, "pidfd_info")
    source.close()
    kernel.close(held.pidfd)


class Reaped(LinuxKernel):
    """A process that was reaped by others: what poll and the ioctl say, one answer after the other."""

    def __init__(self, answers: list[tuple[int, ExitStatus | OSError | None]]) -> None:
        self.now = 100.0
        self.answers = answers
        self.asked = 0

    def monotonic(self) -> float:
        return self.now

    def poll(self, fds: Any, timeout: float | None) -> list[tuple[int, int]]:
        if timeout is not None and timeout > 0:
            self.now += timeout
        revents = self.answers[min(self.asked, len(self.answers) - 1)][0]
        return [(fd, revents) for fd in fds if revents]

    def pidfd_wait(self, pidfd: int, *, reap: bool) -> ExitStatus | None:
        raise ChildProcessError(errno.ECHILD, "no child")

    def pidfd_exit_info(self, pidfd: int) -> ExitStatus | None:
        answer = self.answers[min(self.asked, len(self.answers) - 1)][1]
        self.asked += 1
        if isinstance(answer, OSError):
            raise answer
        return answer


STATUS = ExitStatus(code=5, signal=None)
GONE = ProcessLookupError(errno.ESRCH, "gone")
HUNG_UP = select.POLLIN | select.POLLHUP


@pytest.mark.parametrize(
    ("answers", "expected", "asked"),
    [
        # C4: readable, not yet stored; then it is.
        ([(select.POLLIN, None), (HUNG_UP, STATUS)], {"code": 5}, 2),
        ([(select.POLLIN, None), (select.POLLIN, GONE), (HUNG_UP, STATUS)], {"code": 5}, 3),
        # Reaped for good, and nothing stored: no use in waiting.
        ([(HUNG_UP, None)], None, 1),
        # C5: no such ioctl.
        ([(select.POLLIN, OSError(errno.ENOTTY, "no"))], None, 1),
        ([(select.POLLIN, OSError(errno.EINVAL, "no"))], None, 1),
    ],
)
def test_C4_C5_a_stored_status_is_waited_for_as_long_as_it_can_come(
    answers: list[tuple[int, ExitStatus | OSError | None]], expected: dict[str, int] | None, asked: int
) -> None:
    port = Reaped(answers)
    source = ProcessSource(port, Child(1, 50, 1, SH))
    source.open()
    (event,) = wait_for(source, port)
    assert (event.data["exit"], port.asked) == (expected, asked)
    assert event.data["how"] == ("unknown" if expected is None else "pidfd_info")


def test_C4_C7_the_wait_for_a_status_goes_on_though_a_poll_is_refused() -> None:
    class Poor(Reaped):
        """Has no memory for the first poll that comes later."""

        refused = False

        def poll(self, fds: Any, timeout: float | None) -> list[tuple[int, int]]:
            if fds and self.now > 100.0 and not self.refused:
                self.refused = True
                raise OSError(errno.ENOMEM, "no memory")
            return super().poll(fds, timeout)

    port = Poor([*[(select.POLLIN, None)] * 32, (HUNG_UP, STATUS)])
    source = ProcessSource(port, Child(1, 50, 1, SH))
    source.open()
    (event,) = wait_for(source, port)
    assert port.refused
    assert event.data["exit"] == {"code": 5}


def test_C4_the_wait_for_a_status_is_bounded_and_does_not_spin() -> None:
    port = Reaped([(select.POLLIN, None)])
    source = ProcessSource(port, Child(1, 50, 1, SH))
    source.open()
    (event,) = wait_for(source, port)
    assert (event.data["exit"], event.data["how"]) == (None, "unknown")
    assert port.now - 100.0 == pytest.approx(0.1)
    assert port.asked <= 32 + 8


def test_C3_gone_before_a_pidfd_could_be_had_is_dead_and_unknown() -> None:
    source = ProcessSource(kernel, Child(1, None, 1, SH))
    source.open()
    deadline = source.next_deadline()
    assert source.fileno() is None and deadline is not None and deadline <= kernel.monotonic()
    (event,) = source.drain()
    assert (event.data["exit"], event.data["how"]) == (None, "unknown")
    assert (source.drain(), source.next_deadline()) == ([], None)


def test_C15_a_closed_pidfd_is_told_not_polled_for_ever() -> None:
    held = Held("exit 0")
    source = ProcessSource(kernel, held.child)
    source.open()
    kernel.close(held.pidfd)
    (event,) = wait_for(source)
    assert (event.data["exit"], source.fileno()) == (None, None)
    held.release()
    os.waitpid(held.pid, 0)


def test_C15_what_poll_was_not_asked_for_is_told_not_polled_for_ever() -> None:
    class Erring(LinuxKernel):
        def poll(self, fds: Any, timeout: float | None) -> list[tuple[int, int]]:
            return [(fd, select.POLLERR) for fd in fds]

        def pidfd_wait(self, pidfd: int, *, reap: bool) -> ExitStatus | None:
            return None

    source = ProcessSource(Erring(), Child(1, 50, 1, SH))
    source.open()
    (event,) = source.drain()
    assert (event.data["exit"], event.cause, source.fileno()) == (None, "pidfd revents 0x8", None)


def test_C18_a_stopped_child_is_alive() -> None:
    held = Held("exit 0")
    source = ProcessSource(kernel, held.child)
    source.open()
    kernel.pidfd_send_signal(held.pidfd, signal.SIGSTOP)
    os.waitid(os.P_PIDFD, held.pidfd, os.WSTOPPED | os.WNOWAIT)
    assert source.drain() == []
    kernel.pidfd_send_signal(held.pidfd, signal.SIGKILL)
    (event,) = wait_for(source)
    assert event.data["exit"] == {"signal": signal.SIGKILL}
    kernel.pidfd_wait(held.pidfd, reap=True)
    kernel.close(held.pidfd)
    held.release()

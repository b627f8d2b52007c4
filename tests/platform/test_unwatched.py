"""Children that have no pidfd. Real processes."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Container, Iterator

import pytest

from scxlife.fsm.events import Event
from scxlife.platform.kernel import ExitStatus
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.process import Child
from scxlife.platform.sources.remains import RemainsSource
from scxlife.platform.sources.unwatched import UnwatchedSource
from scxlife.platform.unwatched import UnwatchedChild

SH = "/bin/sh"
REFUSED = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class NoPidfds(LinuxKernel):
    """What has no pidfd for anybody. `blind` looks for children fail."""

    def __init__(self) -> None:
        self.blind = 0

    def pidfd_open(self, pid: int) -> int:
        raise REFUSED

    def reap_orphan(self, owned: Container[int]) -> tuple[int, ExitStatus] | None:
        if self.blind:
            self.blind -= 1
            raise REFUSED
        return super().reap_orphan(owned)


@pytest.fixture
def kernel() -> NoPidfds:
    return NoPidfds()


@pytest.fixture
def child(kernel: NoPidfds) -> Iterator[Child]:
    """One that waits to be killed."""
    null = kernel.open("/dev/null", os.O_RDWR)
    pid = kernel.spawn(SH, (SH, "-c", "kill -STOP $$"), {}, stdin=null, stdout=null, stderr=null)
    kernel.close(null)
    yield Child(pid, None, 3, SH, REFUSED)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


@pytest.fixture
def ignored_children() -> Iterator[None]:
    """SIGCHLD ignored: the kernel reaps."""
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, former)


def told_by(source: UnwatchedSource | RemainsSource, kernel: NoPidfds) -> list[Event]:
    """What a driver would do, for a minute at most."""
    until = kernel.monotonic() + 60
    while kernel.monotonic() < until:
        if told := source.drain():
            return told
        due = source.next_deadline()
        assert source.fileno() is None and due is not None, "nothing would ever wake the driver"
        kernel.poll((), max(0.0, due - kernel.monotonic()))
    raise TimeoutError("nothing was told")


def test_C6_the_end_of_a_child_without_a_pidfd_is_told_once_and_it_is_reaped(kernel: NoPidfds, child: Child) -> None:
    source = UnwatchedSource(kernel, child)
    source.open()
    assert source.drain() == []
    os.kill(child.pid, signal.SIGKILL)
    (event,) = told_by(source, kernel)
    exit_status = {"signal": signal.SIGKILL}
    assert (event.name, event.data) == (
        "exited", {"pid": child.pid, "generation": 3, "exit": exit_status, "how": "waitid"}
    )  # fmt: skip
    assert (source.drain(), source.next_deadline()) == ([], None)
    source.close()


def test_C6_who_can_not_look_for_the_moment_looks_again(kernel: NoPidfds, child: Child) -> None:
    source = UnwatchedSource(kernel, child, "payload_ended")
    source.open()
    os.kill(child.pid, signal.SIGKILL)
    kernel.blind = 3
    (event,) = told_by(source, kernel)
    assert (event.name, event.data["exit"], kernel.blind) == ("payload_ended", {"signal": signal.SIGKILL}, 0)


def test_C6_who_can_open_nothing_at_all_invents_no_end(child: Child) -> None:
    class Full(NoPidfds):
        def open(self, path: str, flags: int, mode: int = 0o600) -> int:
            raise REFUSED

    full = Full()
    source = UnwatchedSource(full, child)
    source.open()
    assert source.drain() == []
    looked = UnwatchedChild(full, child.pid)
    assert not looked.ended()
    # Room again: it is still the same, and alive.
    looked._kernel = NoPidfds()
    assert not looked.ended()
    os.kill(child.pid, signal.SIGKILL)
    (event,) = told_by(source, full)
    assert event.data["exit"] == {"signal": signal.SIGKILL}


def test_C6_what_it_looks_with_may_be_refused_for_good(kernel: NoPidfds, child: Child) -> None:
    class Denied(NoPidfds):
        def reap_orphan(self, owned: Container[int]) -> tuple[int, ExitStatus] | None:
            raise PermissionError(errno.EPERM, "no")

    source = UnwatchedSource(Denied(), child)
    source.open()
    with pytest.raises(PermissionError):
        source.drain()
    os.kill(child.pid, signal.SIGKILL)
    assert told_by(UnwatchedSource(kernel, child), kernel)


def test_C2_C6_where_the_kernel_reaps_the_end_is_told_without_a_status(
    ignored_children: None, kernel: NoPidfds, child: Child
) -> None:
    source = UnwatchedSource(kernel, child)
    source.open()
    assert source.drain() == []
    os.kill(child.pid, signal.SIGKILL)
    (event,) = told_by(source, kernel)
    assert (event.data["exit"], event.data["how"]) == (None, "unknown")


def test_C6_a_zombie_of_another_child_is_left_to_its_owner(kernel: NoPidfds, child: Child) -> None:
    null = kernel.open("/dev/null", os.O_RDWR)
    other = kernel.spawn(SH, (SH, "-c", "exit 5"), {}, stdin=null, stdout=null, stderr=null)
    kernel.close(null)
    os.waitid(os.P_PID, other, os.WEXITED | os.WNOWAIT)
    looked = UnwatchedChild(kernel, child.pid)
    assert not looked.ended()
    os.kill(child.pid, signal.SIGKILL)
    told_by(UnwatchedSource(kernel, child), kernel)
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 5


def test_C6_the_pauses_grow_to_a_twentieth_of_a_second(child: Child) -> None:
    class Still(NoPidfds):
        def monotonic(self) -> float:
            return 1000.0

    still = Still()
    source = UnwatchedSource(still, child)
    source.open()
    pauses = []
    for _ in range(8):
        assert source.drain() == []
        due = source.next_deadline()
        assert due is not None
        pauses.append(round(due - 1000.0, 6))
    assert pauses == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.05]
    os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)


def test_C6_what_is_left_of_a_scheduler_is_waited_for_without_a_pidfd_too(kernel: NoPidfds, child: Child) -> None:
    remains = RemainsSource(kernel, child.pid, (), cadence=0.005)
    remains.open()
    assert remains.drain() == []
    os.kill(child.pid, signal.SIGKILL)
    (event,) = told_by(remains, kernel)
    assert (event.name, event.data) == ("gone", {"pid": child.pid})
    assert (remains.drain(), remains.next_deadline()) == ([], None)
    remains.close()

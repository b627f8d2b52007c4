"""Cgroups of the host's own kernel: who is born in one stays in it, and goes with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.platform import cgroup
from scxlife.platform.cgroup import Cgroup
from scxlife.platform.kernel import CgroupError
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.cgroup import CgroupSource

kernel = LinuxKernel()
LIMIT_S = 60.0


@pytest.fixture
def made() -> Iterator[Cgroup]:
    made = cgroup.make(kernel, f"scxlife-test-{os.getpid()}")
    yield made
    if Path(made.path).exists():
        Path(made.path, "cgroup.kill").write_text("1")
        while "populated 1" in Path(made.path, "cgroup.events").read_text():
            os.sched_yield()
        Path(made.path).rmdir()
    for fd in (made.procs, made.killer, made.events):
        # Unless the test has given it back, and the number is another's.
        if os.path.realpath(f"/proc/self/fd/{fd}").startswith(made.path):
            os.close(fd)


@pytest.fixture
def null() -> Iterator[int]:
    fd = kernel.open("/dev/null", os.O_RDWR)
    yield fd
    kernel.close(fd)


def start(made: Cgroup, null: int, script: str) -> tuple[int, int]:
    """A shell in the cgroup and the read end of its stdout, once it has said `ready`."""
    read_end, write_end = os.pipe()
    argv = ("/bin/sh", "-c", script)
    pid = kernel.spawn(argv[0], argv, dict(os.environ), stdin=null, stdout=write_end, stderr=null, cgroup=made.procs)
    os.close(write_end)
    assert os.read(read_end, 100) == b"ready\n"
    return pid, read_end


def told(source: CgroupSource) -> list[str]:
    """What the source tells at its next wake-up by the kernel, which must come."""
    fd = source.fileno()
    assert fd is not None
    assert kernel.poll((fd,), LIMIT_S)
    return [event.name for event in source.drain()]


def test_E5_Q9_nobody_escapes_not_by_a_session_of_his_own_either(made: Cgroup, null: int) -> None:
    pid, output = start(made, null, "setsid sh -c 'echo ready; exec sleep 600' & exec sleep 600")
    members = Path(made.path, "cgroup.procs").read_text().split()
    assert len(members) == 2
    assert str(pid) in members
    assert cgroup.populated(kernel, made)
    cgroup.kill(kernel, made)
    # Both hold the pipe: its end is seen only when both are gone.
    assert os.read(output, 100) == b""
    os.close(output)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_C17_deserted_comes_when_the_last_has_died_and_a_zombie_does_not_count(made: Cgroup, null: int) -> None:
    pid, output = start(made, null, "sleep 600 & echo ready; exec sleep 600")
    source = CgroupSource(kernel, (made,), cadence=0.05)
    source.open()
    while source.next_deadline() is not None:
        # It looks again by itself, soon and more than once, and then waits for the kernel alone.
        kernel.poll((), max(0.0, (source.next_deadline() or 0.0) - kernel.monotonic()))
        assert source.drain() == []
    cgroup.kill(kernel, made)
    names: list[str] = []
    while not names:
        names = told(source)
    assert names == ["deserted"]
    assert source.drain() == []
    assert (source.fileno(), source.next_deadline()) == (None, None)
    source.close()
    # Nobody has reaped it: a zombie keeps no cgroup.
    assert os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT) is not None
    cgroup.remove(kernel, made)
    assert not Path(made.path).exists()
    os.waitpid(pid, 0)
    os.close(output)


def test_a_cgroup_that_nobody_entered_is_deserted(made: Cgroup) -> None:
    source = CgroupSource(kernel, (made,), cadence=0.05)
    source.open()
    assert [event.name for event in source.drain()] == ["deserted"]
    source.close()


def test_L2_where_there_is_none_any_more_all_are_deserted() -> None:
    """What a dead supervisor left may have ended since it was looked for."""
    source = CgroupSource(kernel, (), "vacated", cadence=0.05)
    source.open()
    assert [event.name for event in source.drain()] == ["vacated"]
    source.close()


def test_one_that_was_removed_meanwhile_is_deserted(made: Cgroup) -> None:
    Path(made.path).rmdir()
    source = CgroupSource(kernel, (made,), cadence=0.05)
    source.open()
    assert source.fileno() is None
    assert source.degraded is not None
    assert [event.name for event in source.drain()] == ["deserted"]
    source.close()


def test_G4_a_child_that_can_not_enter_is_not_started_and_the_error_says_so(
    made: Cgroup, null: int, tmp_path: Path
) -> None:
    cgroup.remove(kernel, made)
    nothing = os.open("/dev/null", os.O_RDONLY)
    gone = Cgroup(made.path, nothing, nothing, nothing)
    started = tmp_path / "started"
    with pytest.raises(CgroupError):
        kernel.spawn(
            "/bin/sh", ("sh", "-c", f": >{started}"), {}, stdin=null, stdout=null, stderr=null, cgroup=gone.procs
        )
    os.close(nothing)
    assert not started.exists()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_G6_a_name_that_a_dead_supervisor_left_behind_is_not_taken_again(made: Cgroup, null: int) -> None:
    pid, output = start(made, null, "echo ready; exec sleep 600")
    second = cgroup.make(kernel, f"scxlife-test-{os.getpid()}")
    assert second.path != made.path
    assert not cgroup.populated(kernel, second)
    cgroup.remove(kernel, second)
    assert cgroup.populated(kernel, made)
    cgroup.kill(kernel, made)
    os.waitpid(pid, 0)
    os.close(output)


def test_what_was_made_below_goes_too_and_what_is_inhabited_stays(made: Cgroup, null: int) -> None:
    Path(made.path, "below", "deeper.still").mkdir(parents=True)
    pid, output = start(made, null, "echo ready; exec sleep 600")
    with pytest.raises(OSError, match="busy"):
        cgroup.remove(kernel, made)
    assert Path(made.path).exists()
    assert not Path(made.path, "below").exists()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(output)


MOUNTS = {
    "plain": ("/", "/sys/fs/cgroup", "/user/ours", "/sys/fs/cgroup/user/ours"),
    "root of a namespace": ("/", "/sys/fs/cgroup", "/", "/sys/fs/cgroup"),
    "bind mount of a part": ("/user", "/mnt", "/user/ours", "/mnt/ours"),
    "a space": ("/", "/sys/fs/c\\040g", "/a", "/sys/fs/c g/a"),
}


@pytest.mark.parametrize("case", MOUNTS)
def test_our_own_cgroup_is_found_wherever_it_is_mounted(tmp_path: Path, case: str) -> None:
    root, mount, ours, path = MOUNTS[case]
    (tmp_path / "self").mkdir()
    lines = ["24 1 0:22 / /proc rw - proc proc rw", f"30 24 0:27 {root} {mount} rw,nosuid shared:9 - cgroup2 none rw"]
    (tmp_path / "self" / "mountinfo").write_text("\n".join(lines))
    (tmp_path / "self" / "cgroup").write_text(f"4:pids:/x\n0::{ours}\n")
    assert cgroup.own(kernel, proc=str(tmp_path)) == path


@pytest.mark.parametrize(
    "mount", ["24 1 0:22 / /proc rw - proc proc rw", "30 24 0:27 /other /mnt rw - cgroup2 none rw"]
)
def test_where_there_is_none_of_ours_that_is_said(tmp_path: Path, mount: str) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(mount + "\n")
    (tmp_path / "self" / "cgroup").write_text("0::/ours\n")
    with pytest.raises(FileNotFoundError):
        cgroup.make(kernel, "x", proc=str(tmp_path))

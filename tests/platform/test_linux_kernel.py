"""The port against the kernel that runs the tests: real processes, real descriptors."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.platform import cgroup
from scxlife.platform.kernel import RB_AUTOBOOT, ExitStatus
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.linux.kernel import _milliseconds
from scxlife.platform.sources import inotify

SH = "/bin/sh"
# Those whose default is not to end the process.
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
CLASSIC = sorted(set(range(1, 32)) - HARMLESS - STOPPING)

kernel = LinuxKernel()


def open_descriptors() -> set[str]:
    """Number and target of each, but for the one with which the directory is read."""
    return {f"{fd.name} {fd.readlink()}" for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def null() -> Iterator[int]:
    fd = kernel.open("/dev/null", os.O_RDWR)
    yield fd
    kernel.close(fd)


class Birth:
    """Where `start` puts its children."""

    cgroup: int | None = None


@pytest.fixture(params=["as we are", "in a cgroup"])
def birth(request: pytest.FixtureRequest) -> Iterator[None]:
    """Two ways to spawn, and what is promised of one is promised of the other."""
    if request.param == "as we are":
        yield
        return
    made = cgroup.make(kernel, f"scxlife-test-{os.getpid()}")
    Birth.cgroup = made.procs
    yield
    Birth.cgroup = None
    # Who has closed its descriptors is not yet out of its cgroup.
    while cgroup.populated(kernel, made):
        os.sched_yield()
    cgroup.remove(kernel, made)
    assert not Path(made.path).exists()


def start(null: int, *argv: str, env: dict[str, str] | None = None, stdout: int | None = None) -> int:
    output = null if stdout is None else stdout
    return kernel.spawn(argv[0], argv, env or {}, stdin=null, stdout=output, stderr=null, cgroup=Birth.cgroup)


def end(pid: int) -> ExitStatus:
    """Wait for the end of a child by its pidfd, and reap it."""
    pidfd = kernel.pidfd_open(pid)
    try:
        assert kernel.poll([pidfd], 30) == [(pidfd, select.POLLIN)]
        status = kernel.pidfd_wait(pidfd, reap=True)
        assert status is not None
        return status
    finally:
        kernel.close(pidfd)


def output_of(null: int, *argv: str) -> str:
    read_end, write_end = os.pipe()
    try:
        pid = start(null, *argv, stdout=write_end)
    finally:
        os.close(write_end)
    parts = []
    while part := os.read(read_end, 65536):
        parts.append(part)
    os.close(read_end)
    end(pid)
    return b"".join(parts).decode()


# -- how processes end


def test_C20_every_exit_code_is_reported_exactly(null: int) -> None:
    pids = [start(null, SH, "-c", f"exit {code}") for code in range(256)]
    assert [end(pid) for pid in pids] == [ExitStatus(code=code, signal=None) for code in range(256)]


@pytest.mark.parametrize("number", CLASSIC)
def test_C20_every_signal_is_reported_exactly(null: int, number: int) -> None:
    pid = start(null, "/bin/sleep", "600")
    pidfd = kernel.pidfd_open(pid)
    kernel.pidfd_send_signal(pidfd, number)
    kernel.poll([pidfd], 30)
    looked = kernel.pidfd_wait(pidfd, reap=False)
    status = kernel.pidfd_wait(pidfd, reap=True)
    assert looked == status and status is not None
    assert (status.code, status.signal) == (None, number)
    with pytest.raises(ProcessLookupError):
        kernel.pidfd_send_signal(pidfd, number)
    kernel.close(pidfd)


@pytest.mark.parametrize("status", [0, 1 << 8, 143 << 8, 255 << 8, 9, 15, 64, 11 | 0x80])
def test_both_forms_of_a_status_agree(status: int) -> None:
    told = ExitStatus.from_wait_status(status)
    if os.WIFEXITED(status):
        assert told == ExitStatus.from_waitid(os.CLD_EXITED, os.WEXITSTATUS(status))
        assert told.as_data() == {"code": os.WEXITSTATUS(status)}
    else:
        code = os.CLD_DUMPED if os.WCOREDUMP(status) else os.CLD_KILLED
        assert told == ExitStatus.from_waitid(code, os.WTERMSIG(status))
        assert told.as_data() == {"signal": os.WTERMSIG(status)}


def test_143_and_SIGTERM_stay_distinct(null: int) -> None:
    assert end(start(null, SH, "-c", "exit 143")) != end(start(null, SH, "-c", "kill -TERM $$"))


def test_a_living_child_has_no_status_yet(null: int) -> None:
    pid = start(null, "/bin/sleep", "600")
    pidfd = kernel.pidfd_open(pid)
    assert kernel.pidfd_wait(pidfd, reap=True) is None
    assert kernel.poll([pidfd], 0) == []
    kernel.kill_group(pid, pidfd, signal.SIGKILL)
    kernel.close(pidfd)
    assert end(pid) == ExitStatus(code=None, signal=signal.SIGKILL)


def test_reaped_twice_is_told_not_invented(null: int) -> None:
    pid = start(null, SH, "-c", "exit 3")
    pidfd = kernel.pidfd_open(pid)
    kernel.poll([pidfd], 30)
    kernel.pidfd_wait(pidfd, reap=True)
    with pytest.raises(ChildProcessError):
        kernel.pidfd_wait(pidfd, reap=True)
    kernel.close(pidfd)
    with pytest.raises(ProcessLookupError):
        kernel.pidfd_open(pid)


def pidfd_remembers() -> bool:
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (6, 15)


@pytest.mark.skipif(not pidfd_remembers(), reason="PIDFD_INFO_EXIT came with Linux 6.15")
def test_C4_the_status_survives_an_ignored_SIGCHLD(null: int) -> None:
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        for script, expected in (
            ("exit 7", ExitStatus(code=7, signal=None)),
            ("kill -KILL $$", ExitStatus(code=None, signal=9)),
        ):
            # Held until the pidfd is there: a child that ends before is nobody's to ask.
            held, release = os.pipe()
            pid = kernel.spawn(SH, (SH, "-c", f"read x; {script}"), {}, stdin=held, stdout=null, stderr=null)
            pidfd = kernel.pidfd_open(pid)
            assert kernel.pidfd_exit_info(pidfd) is None
            os.close(held)
            os.close(release)
            while not kernel.poll([pidfd], 30)[0][1] & select.POLLHUP:
                pass
            with pytest.raises(ChildProcessError):
                kernel.pidfd_wait(pidfd, reap=True)
            assert kernel.pidfd_exit_info(pidfd) == expected
            kernel.close(pidfd)
    finally:
        signal.signal(signal.SIGCHLD, former)


def test_C5_what_is_no_pidfd_is_told(null: int) -> None:
    with pytest.raises(OSError) as told:
        kernel.pidfd_exit_info(null)
    assert told.value.errno in (errno.ENOTTY, errno.EINVAL)


def test_C8_an_owned_zombie_hides_no_stranger(null: int) -> None:
    owned = start(null, SH, "-c", "exit 1")
    stranger = start(null, SH, "-c", "exit 2")
    pidfds = [kernel.pidfd_open(owned), kernel.pidfd_open(stranger)]
    for pidfd in pidfds:
        kernel.poll([pidfd], 30)
        kernel.close(pidfd)
    assert kernel.reap_orphan({owned}) == (stranger, ExitStatus(code=2, signal=None))
    assert kernel.reap_orphan({owned}) is None
    assert end(owned) == ExitStatus(code=1, signal=None)
    assert kernel.reap_orphan(()) is None


# -- what spawning promises


@pytest.mark.usefixtures("birth")
def test_G1_each_failure_to_spawn_keeps_its_errno(null: int, tmp_path: Path) -> None:
    no_shebang = tmp_path / "no_shebang"
    no_shebang.write_text("exit 0\n")
    no_shebang.chmod(0o755)
    not_executable = tmp_path / "not_executable"
    not_executable.write_text("#!/bin/sh\n")
    dangling = tmp_path / "dangling"
    dangling.write_text("#!/nowhere/sh\n")
    dangling.chmod(0o755)
    busy = tmp_path / "busy"
    busy.write_bytes(Path("/bin/sleep").read_bytes())
    busy.chmod(0o755)
    expected = {
        str(tmp_path / "missing"): errno.ENOENT,
        str(dangling): errno.ENOENT,
        str(tmp_path): errno.EACCES,
        str(not_executable): errno.EACCES,
        str(no_shebang): errno.ENOEXEC,
        f"{no_shebang}/below": errno.ENOTDIR,
        str(busy): errno.ETXTBSY,
    }
    seen = {}
    with busy.open("ab"):
        for path in expected:
            with pytest.raises(OSError) as told:
                start(null, path)
            seen[path] = told.value.errno
    assert seen == expected
    assert not kernel.access_execute(str(not_executable))
    assert kernel.access_execute(str(busy))


@pytest.mark.usefixtures("birth")
def test_E1_E2_a_child_starts_with_default_dispositions_and_nothing_blocked(null: int) -> None:
    ignored = (signal.SIGCHLD, signal.SIGPIPE, signal.SIGHUP, signal.SIGRTMIN)
    former = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        # With SIGCHLD ignored its pid is gone as soon as it is done: only what it says counts.
        read_end, write_end = os.pipe()
        start(null, "/bin/cat", "/proc/self/status", stdout=write_end)
        os.close(write_end)
        with os.fdopen(read_end) as said:
            status = dict(line.split(":\t", 1) for line in said.read().splitlines() if ":\t" in line)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, 0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in former.items():
            signal.signal(number, handler)
    # Bits count from signal 1; 32 and 33 are the C library's, and as they were.
    own = sum(1 << number - 1 for number in signal.valid_signals())
    assert [int(status[name], 16) & own for name in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]


@pytest.mark.usefixtures("birth")
def test_a_child_leads_a_group_of_its_own_and_grandchildren_die_with_it(null: int) -> None:
    read_end, write_end = os.pipe()
    pid = start(null, SH, "-c", "sleep 600 & echo started; wait", stdout=write_end)
    os.close(write_end)
    assert os.read(read_end, 100) == b"started\n"
    assert os.getpgid(pid) == pid
    pidfd = kernel.pidfd_open(pid)
    kernel.kill_group(pid, pidfd, signal.SIGKILL)
    kernel.close(pidfd)
    # The grandchild holds the pipe too: its end is seen only when both are gone.
    assert os.read(read_end, 100) == b""
    os.close(read_end)
    assert end(pid).signal == signal.SIGKILL


@pytest.mark.usefixtures("birth")
def test_E4_a_child_inherits_no_descriptor_but_the_three(null: int) -> None:
    leaked = os.dup2(null, 200, inheritable=True)
    try:
        listed = output_of(null, "/bin/ls", "/proc/self/fd").split()
    finally:
        os.close(leaked)
    # The fourth is the directory that ls reads.
    assert listed == ["0", "1", "2", "3"]


def test_the_three_descriptors_may_be_0_to_2_in_any_order(tmp_path: Path) -> None:
    script = """
import os, sys
from scxlife.platform.linux import LinuxKernel
for fd, text in ((0, b"zero"), (1, b"one"), (2, b"two")):
    made = os.memfd_create("x")
    os.write(made, text)
    os.dup2(made, fd)
reader = "import os, sys; print(*(os.pread(fd, 9, 0).decode() for fd in range(3)), file=open(sys.argv[1], 'w'))"
command = (sys.executable, "-c", reader, sys.argv[1])
pid = LinuxKernel().spawn(command[0], command, {}, stdin=2, stdout=0, stderr=1)
os.waitpid(pid, 0)
"""
    result = tmp_path / "result"
    subprocess.run([sys.executable, "-c", script, str(result)], check=True)
    assert result.read_text().split() == ["two", "zero", "one"]


# -- waiting


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [
        (0.0, 0),
        (-1.0, 0),
        (1e-9, 1),
        (0.0009, 1),
        (0.001, 1),
        (0.0011, 2),
        (1e10, 86_400_000),
        (float("inf"), 86_400_000),
    ],
)
def test_C13_C14_a_wait_is_rounded_up_and_bounded(seconds: float, milliseconds: int) -> None:
    assert _milliseconds(seconds) == milliseconds


def test_C14_a_wait_never_ends_early() -> None:
    for _ in range(20):
        began = kernel.monotonic()
        assert kernel.poll([], 0.0011) == []
        assert kernel.monotonic() - began >= 0.0011


def test_C15_broken_descriptors_are_told() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    assert kernel.poll([read_end], None) == [(read_end, select.POLLHUP)]
    os.close(read_end)
    assert kernel.poll([read_end], None) == [(read_end, select.POLLNVAL)]


# -- signals


def test_D1_signals_turn_into_data_and_are_put_back() -> None:
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    fd = kernel.signal_fd([signal.SIGINT, signal.SIGTERM])
    with pytest.raises(OSError) as told:
        kernel.signal_fd([signal.SIGHUP])
    assert told.value.errno == errno.EBUSY
    assert kernel.signal_read(fd) == []
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert kernel.poll([fd], 30) == [(fd, select.POLLIN)]
    assert kernel.signal_read(fd) == [signal.SIGINT, signal.SIGTERM]
    kernel.signal_close(fd)
    assert {number: signal.getsignal(number) for number in former} == former
    assert signal.set_wakeup_fd(-1) == -1
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        # The handler runs between two instructions of this thread.
        threading.Event().wait(30)


def test_signals_that_can_not_be_caught_leave_nothing_behind() -> None:
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError):
        kernel.signal_fd([signal.SIGTERM, signal.SIGKILL])
    assert signal.getsignal(signal.SIGTERM) == former
    kernel.signal_close(kernel.signal_fd([signal.SIGTERM]))


# -- the rest


def test_files(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    fd = kernel.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    assert not os.get_inheritable(fd)
    assert kernel.write(fd, b"hello") == 5
    assert kernel.lseek(fd, 1, os.SEEK_SET) == 1
    assert (kernel.read(fd, 3), kernel.pread(fd, 9, 3), kernel.read(fd, 9), kernel.read(fd, 9)) == (
        b"ell",
        b"lo",
        b"o",
        b"",
    )
    found = kernel.stat(path)
    assert found == kernel.fstat(fd)
    assert (found.size, found.ino) == (5, Path(path).stat().st_ino)
    if os.geteuid() == 0:
        os.chown(path, 4711, -1)
    assert kernel.stat(path).uid == Path(path).stat().st_uid
    kernel.close(fd)
    assert kernel.listdir(str(tmp_path)) == ["file"]
    (tmp_path / "link").symlink_to("file")
    assert kernel.readlink(str(tmp_path / "link")) == "file"
    kernel.unlink(path)
    with pytest.raises(FileNotFoundError):
        kernel.stat(path)


def test_inotify_tells_what_happened(tmp_path: Path) -> None:
    fd = kernel.inotify_init()
    with pytest.raises(BlockingIOError):
        kernel.read(fd, 4096)
    watch = kernel.inotify_add_watch(fd, str(tmp_path), inotify.IN_CREATE | inotify.IN_DELETE)
    (tmp_path / "näme").touch()
    (tmp_path / "näme").unlink()
    told = inotify.parse(kernel.read(fd, 4096))
    assert [(event.watch, event.mask, event.name, event.overflow) for event in told] == [
        (watch, inotify.IN_CREATE, "näme", False),
        (watch, inotify.IN_DELETE, "näme", False),
    ]
    with pytest.raises(FileNotFoundError):
        kernel.inotify_add_watch(fd, str(tmp_path / "missing"), inotify.IN_CREATE)
    kernel.close(fd)


def test_calls_that_only_a_machine_may_see_fail_with_their_errno(tmp_path: Path) -> None:
    with pytest.raises(OSError) as told:
        kernel.mount("none", str(tmp_path), "no-such-filesystem", 0, "")
    assert told.value.errno in (errno.ENODEV, errno.EPERM)
    (tmp_path / "module").write_bytes(b"no module")
    module = kernel.open(str(tmp_path / "module"), os.O_RDONLY)
    with pytest.raises(OSError) as told:
        kernel.load_module(module)
    assert told.value.errno in (errno.ENOEXEC, errno.EPERM, errno.ENOSYS)
    kernel.close(module)
    with pytest.raises(OSError) as told:
        kernel.reboot(RB_AUTOBOOT ^ 0x5A5A)
    assert told.value.errno in (errno.EINVAL, errno.EPERM)


def test_D6_orphans_come_to_a_subreaper() -> None:
    script = """
import os, select
from scxlife.platform.linux import LinuxKernel
kernel = LinuxKernel()
kernel.set_child_subreaper()
fd = kernel.open("/dev/null", 2)
read_end, write_end = os.pipe()
sh = "/bin/sh"
pid = kernel.spawn(sh, (sh, "-c", "(exit 5) & exit 0"), {}, stdin=fd, stdout=write_end, stderr=fd)
os.close(write_end)
assert os.read(read_end, 1) == b""
os.waitpid(pid, 0)
found = None
while found is None:
    found = kernel.reap_orphan({pid})
    select.poll().poll(1)
assert found[1].code == 5, found
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_importing_the_port_imports_little() -> None:
    script = """
import sys
import scxlife.platform.linux
print(*sorted(set(sys.modules) & {"subprocess", "ctypes", "socket", "asyncio", "logging", "pathlib", "dataclasses"}))
"""
    done = subprocess.run([sys.executable, "-S", "-c", script], env={"PYTHONPATH": os.pathsep.join(sys.path)},
                          check=True, capture_output=True, text=True)  # fmt: skip
    assert done.stdout.split() == []

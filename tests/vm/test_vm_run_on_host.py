"""What the host does in `vm run`: a program that speaks a guest's protocol stands in QEMU's place."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from scxlife.platform.vm import accel, guest, host_files
from scxlife.platform.vm.children import tied
from scxlife.platform.vm.qemu import run_guest

FAKE = Path(__file__).with_name("speaking_qemu.py")
SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--cold", "--accel", "tcg"]
#: Seconds: only so that a test that fails ends.
LIMIT = 120.0
STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPWR, signal.SIGXCPU, signal.SIGABRT]


@attrs.frozen
class Host:
    """A folder with everything that a `vm run` needs, and what it leaves."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "TMPDIR": f"{self.folder}/tmp",
            "FAKE_SEEN": f"{self.folder}/seen",
            "FAKE_GO": f"{self.folder}/go",
        }

    def start(self, fake: str, *words: str, **more: Any) -> subprocess.Popen[str]:
        kernel = ["--kernel", f"{self.folder}/vmlinuz"]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
        environment = {**self.environment, "FAKE": fake}
        return subprocess.Popen([*SCXLIFE, *kernel, *words], env=environment, cwd=self.folder, **more)

    def run(self, fake: str, *words: str) -> subprocess.CompletedProcess[str]:
        with self.start(fake, *words, stdin=subprocess.DEVNULL) as process:
            out, err = process.communicate(timeout=LIMIT)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def seen(self, what: str) -> list[str]:
        """What the program in QEMU's place has noted under that word so far."""
        try:
            lines = (self.folder / "seen").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]

    def wait_for(self, what: str) -> str:
        end = time.monotonic() + LIMIT
        while not (found := self.seen(what)):
            assert time.monotonic() < end, f"no {what}"
            time.sleep(0.01)
        return found[-1]

    def left(self) -> list[str]:
        return [file.name for file in (self.folder / "tmp").iterdir()]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    qemu = tmp_path / "bin/qemu-system-x86_64"
    qemu.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    qemu.chmod(0o755)
    (tmp_path / "vmlinuz").write_text("a kernel")
    scheduler = tmp_path / "mine"
    scheduler.write_text("#!/bin/sh\n")
    scheduler.chmod(0o755)
    yield Host(tmp_path)
    assert Host(tmp_path).left() == []


def gone(pid: int) -> bool:
    """Whether that process is dead, or dies now."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], LIMIT)[0])
    finally:
        os.close(pidfd)


def until(process: subprocess.Popen[str], words: str) -> None:
    """Reads the standard output as far as `words`."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"no {words!r}")


# -- signals


@pytest.mark.parametrize("number", STOPS)
def test_L12_a_signal_stops_the_run_and_all_is_reported(host: Host, number: signal.Signals) -> None:
    keep = ["--log", "log", "--tape", "tape", "--json"]
    with host.start("obeys", *keep, "./mine", "--", "sleep", "9") as process:
        host.wait_for("pid")
        until_hello(host, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, json.loads(out)["outcome"]) == (0, "stopped"), err
    assert host.seen("heard")[0] == f"interrupt {number:02x}"
    assert f"scxlife: {number.name}: the guest is asked to end" in err
    assert (host.folder / "log").read_text() == "the log\n"
    assert len((host.folder / "tape").read_text().splitlines()) == 2  # its header and a step
    assert gone(int(host.seen("pid")[0]))


def until_hello(host: Host, process: subprocess.Popen[str]) -> None:
    """The first frame has come: its line stands on standard error, or on standard output without --json."""
    assert process.stderr is not None
    for line in process.stderr:
        if "kernel_says" in line:
            return
    raise AssertionError("the guest said nothing")


def test_L12_a_second_signal_ends_the_guest_at_once(host: Host) -> None:
    with host.start("ignores", "--json", "./mine") as process:
        until_hello(host, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "a second signal ends it at once" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 15, err
    told = json.loads(out)
    assert (told["outcome"], told["guest"], told["reason"]) == (
        "guest-failed",
        "interrupted",
        "it was asked to end twice",
    )
    assert gone(int(host.seen("pid")[0]))


def test_L12_a_request_during_the_boot_is_kept_until_hello(host: Host) -> None:
    os.mkfifo(host.folder / "go")
    with host.start("late", "--json", "./mine") as process:
        host.wait_for("pid")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        for line in process.stderr:
            if "asked to end" in line:
                break
        (host.folder / "go").write_text("go")
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, json.loads(out)["outcome"]) == (0, "stopped"), err


@pytest.mark.parametrize(("number", "line"), [(signal.SIGINT, "scxlife: interrupted"), (signal.SIGHUP, "")])
@pytest.mark.parametrize("action", ["run", "warm"])
def test_L12_a_signal_while_a_guest_is_saved_ends_the_command_and_leaves_nothing(
    host: Host, action: str, number: signal.Signals, line: str
) -> None:
    """There is no guest yet that could be asked, and no outcome to report."""
    kernel = f"{host.folder}/vmlinuz"
    words = [kernel] if action == "warm" else ["--kernel", kernel, "--log", "log", "./mine"]
    argv = [*SCXLIFE[:4], action, "--accel", "tcg", *words]
    environment = {**host.environment, "FAKE": "silent", "XDG_CACHE_HOME": f"{host.folder}/cache"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, env=environment, cwd=host.folder, stdin=subprocess.DEVNULL, **pipes) as process:
        pid = host.wait_for("pid")
        wait_until_caught(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 128 + number, err
    assert "outcome" not in out
    assert [said for said in err.splitlines() if said.startswith("scxlife: ")] == [line] * bool(line)
    assert gone(int(pid))
    assert not [left for left in (host.folder / "cache/scxlife/warm").iterdir() if "partial" in left.name]
    assert not (host.folder / "log").exists()


def test_L12_ctrl_c_on_a_terminal_stops_the_run(host: Host) -> None:
    master, terminal = pty.openpty()
    standard: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    with host.start("obeys", "./mine", preexec_fn=own_terminal, text=False, **standard) as process:
        os.close(terminal)
        shown = b""
        asked = False
        while True:
            try:
                shown += os.read(master, 4096)
            except OSError:
                break
            if b"kernel_says" in shown and not asked:
                asked = True
                os.write(master, b"\x03")
    os.close(master)
    assert process.returncode == 0, shown
    assert b"outcome    stopped" in shown
    assert b"KeyboardInterrupt" not in shown


def test_L5_a_hangup_that_was_ignored_stays_ignored(host: Host) -> None:
    environment = {**host.environment, "FAKE": "obeys"}
    argv = ["nohup", *SCXLIFE, "--kernel", f"{host.folder}/vmlinuz", "--json", "./mine"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, env=environment, cwd=host.folder, stdin=subprocess.DEVNULL, **pipes) as process:
        until_hello(host, process)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert host.seen("heard")[0] == f"interrupt {signal.SIGTERM:02x}"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGALRM, signal.SIGIO, signal.SIGTSTP, signal.SIGSEGV])
def test_L1_other_signals_end_neither_the_run_nor_qemu(host: Host, number: signal.Signals) -> None:
    with host.start("obeys", "--json", "./mine") as process:
        until_hello(host, process)
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, json.loads(out)["outcome"]) == (0, "stopped"), err


class Requests:
    """Requests to end, from a pipe: each byte is one."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def fileno(self) -> int:
        return self.read_end

    def take(self) -> list[int]:
        return list(os.read(self.read_end, 100))


def spec(host: Host, monkeypatch: pytest.MonkeyPatch, fake: str, **more: Any) -> guest.GuestSpec:
    for name, value in {**host.environment, "FAKE": fake}.items():
        monkeypatch.setenv(name, value)
    (host.folder / "initrd").write_bytes(b"070701")
    tcg = accel.Accel("tcg", "asked")
    qemu = host.folder / "bin/qemu-system-x86_64"
    made = guest.GuestSpec(host.folder / "vmlinuz", host.folder / "initrd", tcg, qemu, timeout=LIMIT)
    return attrs.evolve(made, **more)


@pytest.mark.parametrize("fake", ["ignores", "silent"])
def test_L12_a_guest_that_does_not_end_is_ended(host: Host, monkeypatch: pytest.MonkeyPatch, fake: str) -> None:
    requests = Requests()
    os.write(requests.write_end, b"\x02")
    result = run_guest(spec(host, monkeypatch, fake, stop_within=1.0), on_frame=lambda _: None, interrupts=requests)
    assert isinstance(result, guest.Interrupted), result
    assert result.reason == "it was asked to end and did not in time"
    assert gone(int(host.seen("pid")[0]))


# -- readers that stall


def stalled_pipe() -> tuple[int, int]:
    """A pipe that nobody reads, full."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    return read_end, write_end


WHERE = {"stdout": [], "stderr": ["--json"], "a tape": ["--tape", "tape"], "the log": ["--log", "-", "--json"]}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("ends", ["--timeout", "SIGTERM"])
def test_L3_a_stalled_reader_keeps_vm_run_from_nothing(host: Host, where: str, ends: str) -> None:
    read_end, write_end = stalled_pipe()
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    held = -1
    if where == "a tape":
        os.mkfifo(host.folder / "tape")
        held = os.open(host.folder / "tape", os.O_RDONLY | os.O_NONBLOCK)
    else:
        pipes["stderr" if where == "stderr" else "stdout"] = write_end
    bound = ["--timeout", "3s"] if ends == "--timeout" else []
    with host.start("talks", *bound, *WHERE[where], "./mine", **pipes) as process:
        os.close(write_end)
        if ends == "SIGTERM":
            host.wait_for("pid")
            wait_until_caught(process.pid)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 15
    os.close(read_end)
    if held >= 0:
        os.close(held)
    assert gone(int(host.seen("pid")[0]))


def wait_until_caught(pid: int) -> None:
    """SIGPWR is caught only while a guest runs."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("SigCgt")]
        if int(line.split()[1], 16) >> (signal.SIGPWR - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError("no signals are caught")


def test_L3_a_terminal_that_was_stopped_keeps_vm_run_from_nothing(host: Host) -> None:
    master, terminal = pty.openpty()
    termios.tcflow(terminal, termios.TCOOFF)
    with host.start("talks", "--timeout", "3s", "./mine", stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        assert process.wait(LIMIT) == 15
    os.close(master)
    assert gone(int(host.seen("pid")[0]))


# -- what is left behind


def test_L2_a_vm_run_that_is_killed_leaves_nothing(host: Host) -> None:
    with host.start("ignores", "--json", "./mine") as process:
        until_hello(host, process)
        name = host.seen("initrd")[0]
        process.kill()
        process.communicate(timeout=LIMIT)
    assert gone(int(host.seen("pid")[0]))
    assert name.startswith("070701 ")
    assert host.left() == []


def test_L2_an_accel_probe_that_is_killed_leaves_nothing(host: Host) -> None:
    code = (
        "from scxlife.platform.vm import accel; from pathlib import Path; import sys; accel._probe(Path(sys.argv[1]))"
    )
    qemu = host.folder / "bin/qemu-system-x86_64"
    slow = f"from scxlife.platform.vm import accel; accel._PROBE_TIMEOUT_S = {LIMIT}; "
    with subprocess.Popen([sys.executable, "-c", slow + code, qemu], env=host.environment) as process:
        pid = int(host.wait_for("probe"))
        process.kill()
    assert gone(pid)
    assert host.left() == []


def test_L2_what_is_tied_to_a_parent_that_is_gone_is_not_started() -> None:
    argv = tied(["echo", "started"], "KILL")
    # This shell is its parent, and not the process that made the line.
    done = subprocess.run(["sh", "-c", '"$@"; true', "sh", *argv], capture_output=True, text=True, timeout=LIMIT)
    assert done.stdout == ""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT)
    assert done.stdout == "started\n"


def test_L2_a_guest_run_in_a_thread_outlives_other_threads(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, results, requests = spec(host, monkeypatch, "obeys"), [], Requests()
    said = threading.Event()

    def life() -> None:
        results.append(run_guest(wanted, on_frame=lambda _: said.set(), interrupts=requests))

    running = threading.Thread(target=life)
    starter = threading.Thread(target=running.start)
    starter.start()
    starter.join()
    assert said.wait(LIMIT)
    os.write(requests.write_end, bytes((signal.SIGTERM,)))
    running.join(LIMIT)
    assert isinstance(results[0], guest.Completed), results


def listener(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def test_L2_a_socket_of_a_dead_vm_run_is_replaced(host: Host) -> None:
    path = host.folder / "s"
    with host.start("ignores", "--json", "--control", str(path), "./mine") as process:
        host.wait_for("pid")
        process.kill()
        process.communicate(timeout=LIMIT)
    assert path.is_socket()
    done = host.run("completes", "--control", str(path), "./mine")
    assert done.returncode == 0, done.stderr
    assert not path.exists()


def test_L2_a_socket_of_a_living_vm_run_is_left_to_it(host: Host) -> None:
    path = host.folder / "s"
    with host.start("obeys", "--json", "--control", str(path), "./mine") as process:
        host.wait_for("pid")
        done = host.run("completes", "--control", str(path), "./mine")
        assert (done.returncode, len(host.seen("pid"))) == (2, 1)
        assert "another supervisor listens there" in done.stderr
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        wait_until_caught(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0


@pytest.mark.parametrize("kind", ["file", "folder", "fifo", "link"])
def test_L2_what_is_no_socket_is_never_removed(host: Host, kind: str) -> None:
    path = host.folder / "s"
    make: dict[str, Callable[[], object]] = {
        "file": lambda: path.write_text("mine"),
        "folder": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("elsewhere"),
    }
    make[kind]()
    before = path.lstat().st_ino
    done = host.run("completes", "--control", str(path), "./mine")
    assert (done.returncode, path.lstat().st_ino, host.seen("pid")) == (2, before, [])
    assert not Path(f"{path}.lock").exists()


# -- paths and numbers

REFUSED = {
    "--log in a missing folder": (["--log", "none/x"], "--log none/x: No such file"),
    "--dump in a missing folder": (["--dump", "none/x"], "--dump none/x: No such file"),
    "--tape in a missing folder": (["--tape", "none/x"], "--tape none/x: No such file"),
    "--control in a missing folder": (["--control", "none/x"], "--control none/x: No such file"),
    "--log at a FIFO": (["--log", "fifo"], "it is a FIFO"),
    "--log at a link": (["--log", "link"], "it is a symbolic link"),
    "--log at a folder": (["--log", "tmp"], "Is a directory"),
    "--log at a device": (["--log", "/dev/null"], "it is a device"),
    "--dump at a FIFO": (["--dump", "fifo"], "it is a FIFO"),
    "--dump at a link": (["--dump", "link"], "it is a symbolic link"),
    "--tape at a FIFO": (["--tape", "fifo"], "nobody reads this FIFO"),
    "--tape at a link": (["--tape", "link"], "it is a symbolic link"),
    "--timeout 0s": (["--timeout", "0s"], "--timeout: '0s'"),
    "--timeout 30": (["--timeout", "30"], "it has no unit; write 30s"),
    "--timeout 0ms": (["--timeout", "0ms"], "--timeout: '0ms'"),
    "--timeout -1s": (["--timeout=-1s"], "--timeout: '-1s'"),
    "--memory 10": (["--memory", "10"], "write a number with K, M or G"),
    "--memory 0": (["--memory", "0"], "write a number with K, M or G"),
    "--memory 10M": (["--memory", "10M"], "too little for a guest: at least 96M"),
    "--memory 0G": (["--memory", "0G"], "too little for a guest: at least 96M"),
    "--memory M": (["--memory", "M"], "write a number with K, M or G"),
    "--memory ²G": (["--memory", "²G"], "write a number with K, M or G"),
    "--memory without end": (["--memory", "9" * 5000 + "G"], "write a number with K, M or G"),
    "--cpus 0": (["--cpus", "0"], "from 1 to 255"),
    "--cpus 256": (["--cpus", "256"], "from 1 to 255"),
    "--cpus ²": (["--cpus", "²"], "from 1 to 255"),
    "--cpus 2.5": (["--cpus", "2.5"], "from 1 to 255"),
    "--topology of three numbers": (["--topology", "1,2,3"], "write NODES,LLCS,CORES,THREADS, such as 2,2,4,2"),
    "--topology of no such name": (["--topology", "laptop"], "or one of smt, 2llc, numa2, epyc-like"),
    "--topology too large": (["--topology", "16,16,2,2"], "these are 1024 CPUs, and a guest has at most 255"),
    "--topology and other --cpus": (["--topology", "smt", "--cpus", "2"], "has 4 CPUs, and --cpus says 2"),
    "--topology and little --memory": (["--topology", "8,1,1,1", "--memory", "256M"], "needs 64 MiB of memory: 512M"),
    "--rw without --rootfs host": (["--rw", "tmp"], "use it with --rootfs host"),
    "--rw a FIFO": (["--rootfs", "host", "--rw", "fifo"], "--rw fifo: it is no folder"),
    "--rw everything": (["--rootfs", "host", "--rw", "/"], "--rw /: all of this host would be writable"),
    "--rw what is missing": (["--rootfs", "host", "--rw", "none"], "--rw none: No such file"),
    "--rw the kernel's": (["--rootfs", "host", "--rw", "/sys"], "--rw /sys: it is not shared"),
    "--rootfs host and --add": (["--rootfs", "host", "--add", "vmlinuz"], "leave --add out"),
    "--rootfs of no such kind": (["--rootfs", "debian"], "invalid choice"),
    "--get to a FIFO": (["--get", "/a=fifo"], "fifo is a FIFO"),
    "--get to a folder": (["--get", "/a=tmp"], "tmp is a directory"),
    "--get to a link": (["--get", "/a=link"], "link is no regular file"),
    "--get into no folder": (["--get", "/a=none/b"], "nothing can be written in"),
    "--get two to one": (["--get", "/a/x", "--get", "/b/x"], "/a/x goes to"),
    "--get nothing": (["--get", ""], "use FILE or FILE=DEST"),
    "--get the root": (["--get", "/"], "use FILE or FILE=DEST"),
    "--append with an open quotation": (["--append", 'a="b'], "a quotation is left open"),
    "--append with a control character": (["--append", "a\x07b"], "control character"),
    "--append too long": (["--append", "x" * 2000], "at most 1900 bytes"),
    "--add a FIFO": (["--add", "fifo"], "--add fifo: it is a FIFO"),
    "--add a device": (["--add", "/dev/zero"], "--add /dev/zero: it is a device"),
    "--add a folder": (["--add", "tmp"], "--add tmp: it is a directory"),
    "--add a file of the kernel": (["--add", "/proc/kmsg"], "it is no file on a disk"),
    "--add more than fits": (["--add", "huge"], "give it more than twice as much: --memory"),
    "--add what is missing": (["--add", "none"], "--add none: No such file"),
    "--sched-args with an open quotation": (["--sched-args", '"half'], "no closing quotation"),
    "--sched-args with an open escape": (["--sched-args", "half\\"], "no escaped character"),
    "--sched-args not UTF-8": (["--sched-args", os.fsdecode(b"\xff")], "it is not UTF-8"),
    "--stage with an open quotation": (["--stage", "b=./mine 'x"], "no closing quotation"),
    "--stage a FIFO": (["--stage", "b=./fifo"], "the scheduler fifo: it is a FIFO"),
    "--kernel a FIFO": (["--kernel", "./fifo"], "--kernel fifo: it is a FIFO"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_L4_what_can_not_be_is_refused_before_anything_starts(host: Host, what: str) -> None:
    words, reason = REFUSED[what]
    os.mkfifo(host.folder / "fifo")
    (host.folder / "link").symlink_to("elsewhere")
    with (host.folder / "huge").open("wb") as huge:
        huge.truncate(1 << 30)
    before = {*host.folder.iterdir()}
    done = host.run("completes", *words, "./mine")
    assert (done.returncode, host.seen("pid")) == (2, [])
    assert reason in done.stderr
    assert {*host.folder.iterdir()} == before


@pytest.mark.parametrize("payload", ["./fifo", "./none", "./tmp", "no-such-program", "/dev/zero"])
def test_L4_a_payload_that_can_not_be_taken_along_is_refused(host: Host, payload: str) -> None:
    os.mkfifo(host.folder / "fifo")
    done = host.run("completes", "./mine", "--", payload)
    assert (done.returncode, host.seen("pid")) == (2, [])
    assert "scxlife: error: the payload " in done.stderr


def test_a_host_without_virtiofsd_is_told_in_one_line(host: Host) -> None:
    hidden = [place for place in host_files.PLACES if Path(place).exists()]
    line = " && ".join([*(f"mount --bind /dev/null {place}" for place in hidden), f'exec {" ".join(SCXLIFE)} "$@"'])
    words = ["--kernel", f"{host.folder}/vmlinuz", "--rootfs", "host", "./mine"]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", line, "sh", *words],
        env={**host.environment, "FAKE": "completes"},
        cwd=host.folder,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, host.seen("pid")) == (1, [])
    error, hint = done.stderr.splitlines()
    assert error == "scxlife: error: --rootfs host: virtiofsd is not installed"
    assert hint == "hint: run: apt-get install virtiofsd qemu-system-common"


def test_L4_a_log_that_can_not_be_written_whole_is_reported(host: Host) -> None:
    host.run("completes", "./mine")  # The base of the image is in the cache from now on.
    (host.folder / "kept").mkdir()
    # Its one page holds the tape's first record already.
    words = ["--tape", "kept/tape", "--log", "kept/log", "./mine"]
    mount = "mount -t tmpfs -o size=4k none kept"
    line = f"{mount} && exec {' '.join([*SCXLIFE, '--kernel', f'{host.folder}/vmlinuz', *words])}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", line],
        env={**host.environment, "FAKE": "completes"},
        cwd=host.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "scxlife: warning: --log kept/log lacks its last 8 bytes: No space left on device" in done.stdout
    assert "Traceback" not in done.stderr


def test_L4_a_log_keeps_what_it_holds_until_the_end(host: Host) -> None:
    (host.folder / "log").write_text("of an earlier run")
    done = host.run("completes", "--log", "log", "--kernel", "./none", "./mine")
    assert done.returncode == 1
    assert (host.folder / "log").read_text() == "of an earlier run"
    assert host.run("completes", "--log", "log", "./mine").returncode == 0
    assert (host.folder / "log").read_text() == "the log\n"


def test_the_log_on_stdout_leaves_it_to_the_log(host: Host) -> None:
    done = host.run("completes", "--log", "-", "./mine")
    assert (done.returncode, done.stdout) == (0, "the log\n")
    assert "outcome    stopped" in done.stderr

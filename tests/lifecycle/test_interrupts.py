"""L12: Ctrl-C and SIGTERM at any moment are one clean end with one line. All with real processes and real signals."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.control.supervisor import supervisor

LIMIT = 120
SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
TOLD = {signal.SIGINT: "scxlife: interrupted\n", signal.SIGTERM: "scxlife: terminated\n"}

# The command line, with a signal to itself at the Nth audit event after it is handled: every import, every file opened.
AT_AN_EVENT = """
import os, signal, sys
left, number, mark = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def event(name, arguments):
    global left
    if left and signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler):
        left -= 1
        if not left:
            os.close(os.open(mark, os.O_CREAT | os.O_WRONLY))
            os.kill(os.getpid(), number)
sys.addaudithook(event)
sys.argv[1:4] = []
from scxlife.lifecycle.cli import main
raise SystemExit(main())
"""
# The same at the Nth call of a function: anywhere in Hypothesis, the simulation or the properties.
AT_A_CALL = """
import os, signal, sys
left, number, mark = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def called(frame, event, argument):
    global left
    if event == 'call':
        left -= 1
        if not left:
            sys.setprofile(None)
            os.close(os.open(mark, os.O_CREAT | os.O_WRONLY))
            os.kill(os.getpid(), number)
sys.argv[1:4] = []
import scxlife.lifecycle.commands.fuzz, scxlife.lifecycle.simulated.attack
from scxlife.lifecycle.cli import main
sys.setprofile(called)
raise SystemExit(main())
"""
# A finaliser, a callback and a thread's hook swallow what is raised in them.
SWALLOWED = """
import gc, os, signal, sys, weakref
from scxlife.lifecycle.cli import main
from scxlife.lifecycle.commands import status
def ask(*_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass
class Final:
    def __del__(self): ask()
class Ring:
    def __init__(self): self.me = self
def run(parsed):
    match sys.argv[2:]:
        case ['finaliser']: Final()
        case ['weak reference']: kept = weakref.ref(Ring(), ask); gc.collect()
        case ['collector']: gc.callbacks.append(ask); gc.collect(); gc.callbacks.clear()
        case ['generator']:
            def wait():
                try: yield
                finally: ask()
            waits = wait(); next(waits); del waits
        case ['except']:
            try: ask()
            except BaseException: return 0
    while True: pass
status.run = run
raise SystemExit(main(["status"]))
"""

COMMANDS = {
    "status": ["status"],
    "check": ["check", "{repository}/lifecycle/scheduler.yaml"],
    "diagram": ["diagram", "--format", "dot"],
    "timeline": ["timeline", "{scenario}", "-o", "{folder}/out.html"],
    "replay": ["replay", "{scenario}"],
    "names": ["names", "{repository}/lifecycle/scheduler.yaml"],
    "schema": ["schema"],
    "import": ["import", "{repository}/tests/importing/machines/lamp.json"],
    "unit": ["unit", "--", "/bin/true"],
    "kernel": ["kernel", "list"],
    "schedulers": ["schedulers", "list"],
    "explore": ["explore"],
    "fuzz": ["fuzz", "--examples", "3", "--keep", "{folder}/kept"],
    "ctl": ["ctl", "--control", "{folder}/none", "status"],
}
REPOSITORY = Path(__file__).parent.parent.parent


def words(command: str, folder: Path) -> list[str]:
    (folder / "a.yaml").write_text("kernel: '7.2'\n")
    known = {"repository": str(REPOSITORY), "folder": str(folder), "scenario": str(folder / "a.yaml")}
    return [word.format(**known) for word in COMMANDS[command]]


def run(code: str, *given: str, folder: Path, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *given], capture_output=True, text=True, timeout=LIMIT, cwd=folder, **more
    )  # type: ignore[call-overload,no-any-return]


def assert_one_clean_end(code: int, error: str, number: signal.Signals = signal.SIGINT) -> None:
    assert "Traceback" not in error and "Exception ignored" not in error, error
    assert code == 128 + number, (code, error)
    assert error.endswith(TOLD[number]), error
    assert error.count(TOLD[number]) == 1


@pytest.mark.parametrize("moment", [1, 40, 400, 1200])
@pytest.mark.parametrize("command", COMMANDS)
def test_L12_ctrl_c_while_a_command_starts_is_one_line(command: str, moment: int, tmp_path: Path) -> None:
    mark = tmp_path / "sent"
    done = run(AT_AN_EVENT, str(moment), "2", str(mark), *words(command, tmp_path), folder=tmp_path)
    assert "Traceback" not in done.stderr
    if mark.exists():
        assert_one_clean_end(done.returncode, done.stderr)
        assert not list(tmp_path.glob("*.html*")) and not list(tmp_path.glob(".*"))
    else:
        assert done.returncode != 130 and moment > 1


@pytest.mark.parametrize("moment", [1, 300])
@pytest.mark.parametrize("command", ["status", "fuzz"])
def test_L12_sigterm_while_a_command_starts_is_143(command: str, moment: int, tmp_path: Path) -> None:
    done = run(AT_AN_EVENT, str(moment), "15", str(tmp_path / "sent"), *words(command, tmp_path), folder=tmp_path)
    assert_one_clean_end(done.returncode, done.stderr, signal.SIGTERM)


@pytest.mark.parametrize("calls", [200, 5_000, 20_000, 50_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000])
def test_L12_ctrl_c_anywhere_in_fuzz_is_no_finding(calls: int, tmp_path: Path) -> None:
    mark, keep = tmp_path / "sent", tmp_path / "kept"
    given = ["fuzz", "--seconds", "1h", "--profile", "7.2", "--keep", str(keep)]
    done = run(AT_A_CALL, str(calls), "2", str(mark), *given, folder=tmp_path)
    assert mark.exists()
    assert_one_clean_end(done.returncode, done.stderr)
    assert not keep.exists() and "violation" not in done.stdout
    if calls > 200_000:
        found = re.search(r"^(\d+) runs.*\noutcomes: (.*)\n", done.stdout)
        assert found is not None and int(found[1]) > 0
        assert int(found[1]) == sum(int(number) for number in re.findall(r" (\d+)(?:,|$)", found[2]))
        assert "nothing was violated" in done.stdout


@pytest.mark.parametrize("where", ["finaliser", "weak reference", "collector", "generator", "except"])
def test_L12_what_swallows_an_exception_swallows_no_ctrl_c(where: str, tmp_path: Path) -> None:
    done = run(SWALLOWED, "status", where, folder=tmp_path)
    assert_one_clean_end(done.returncode, done.stderr)


def test_L12_what_was_found_is_kept_at_ctrl_c(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from scxlife.lifecycle.simulated import attack, properties
count = 0
def planted(done):
    global count
    count += 1
    if count == 2: os.kill(os.getpid(), signal.SIGINT)
    return ["it was tried"]
properties.PROPERTIES["planted"] = planted
from scxlife.lifecycle.cli import main
raise SystemExit(main())
"""
    done = run(code, "fuzz", "--seconds", "1h", "--keep", str(tmp_path / "kept"), folder=tmp_path)
    assert_one_clean_end(done.returncode, done.stderr)
    assert "1 kinds of violation" in done.stdout
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_L12_a_second_ctrl_c_does_not_wait_for_a_run(tmp_path: Path) -> None:
    code = """
import os, sys
from scxlife.lifecycle.simulated import attack
def run(scenario):
    os.write(1, b"stuck\\n")
    while True: pass
attack.run = run
from scxlife.lifecycle.cli import main
raise SystemExit(main())
"""
    command = [sys.executable, "-c", code, "fuzz", "--jobs", "2", "--keep", str(tmp_path / "kept")]
    ours = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert ours.stdout is not None and ours.stdout.readline() == "stuck\n"
        workers = children(ours.pid)
        until = time.monotonic() + LIMIT
        while ours.poll() is None and time.monotonic() < until:
            ours.send_signal(signal.SIGINT)
            select.select([], [], [], 0.05)
        # The pipe ends when the last worker has gone.
        _, error = ours.communicate(timeout=LIMIT)
        assert workers
        assert_one_clean_end(ours.returncode, error)
    finally:
        # Its workers go with it.
        ours.kill()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("runs", [1, 300])
def test_L12_workers_count_what_they_have_done(runs: int, number: signal.Signals, tmp_path: Path) -> None:
    command = [*SCXLIFE, "fuzz", "--seconds", "1h", "--jobs", "2", "--keep", str(tmp_path / "kept")]
    with terminal(command) as shown:
        if runs == 1:
            shown.wait_for(lambda text: len(children(shown.process.pid)) >= 2)
        else:
            shown.wait_for(lambda text: any(int(n) >= runs for n in re.findall(r"(\d+) runs", text)))
        shown.process.send_signal(number)
        text = shown.rest()
    assert_one_clean_end(shown.process.returncode, plain(text), number)
    counted = re.findall(r"(\d+) runs", plain(text))[-1]
    assert int(counted) >= (runs if runs > 1 else 0)


@pytest.mark.parametrize("more", [[], ["--twice"], ["--jobs", "2"], ["--jobs", "2", "--twice"]])
def test_L12_ctrl_c_on_a_terminal_reaches_every_process(more: list[str], tmp_path: Path) -> None:
    command = [*SCXLIFE, "fuzz", "--seconds", "1h", "--keep", str(tmp_path / "kept"), *more]
    with terminal(command) as shown:
        wanted = 2 if "--jobs" in more else 1
        if "--jobs" in more:
            shown.wait_for(lambda text: len(children(shown.process.pid)) >= wanted)
        else:
            shown.wait_for(lambda text: re.search(r"[1-9]\d* runs", text) is not None)
        shown.type(b"\x03")
        text = shown.rest()
    assert_one_clean_end(shown.process.returncode, plain(text))
    assert not (tmp_path / "kept").exists()


def test_L12_an_exploration_shows_what_was_covered() -> None:
    ours = subprocess.Popen(
        [*SCXLIFE, "explore", "--faults", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert ours.stderr is not None and ours.stderr.readline() == "exploring …\n"
    ours.send_signal(signal.SIGINT)
    out, error = ours.communicate(timeout=LIMIT)
    assert_one_clean_end(ours.returncode, error)
    assert "states" in out


def test_L12_ctl_watch_ends_with_ctrl_c(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours:
        command = [*SCXLIFE, "ctl", "--control", str(ours.path), "watch"]
        watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watcher.stdout is not None and watcher.stdout.readline().startswith("status")
        watcher.send_signal(signal.SIGINT)
        _, error = watcher.communicate(timeout=LIMIT)
        assert_one_clean_end(watcher.returncode, error)
        assert ours.ctl("stop")[0] == 0


def test_L12_an_ignored_ctrl_c_stays_ignored(tmp_path: Path) -> None:
    def ignored() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    code = AT_AN_EVENT.replace("from scxlife", "os.kill(os.getpid(), 2)\nfrom scxlife")
    done = run(code, "0", "2", str(tmp_path / "sent"), "schema", folder=tmp_path, preexec_fn=ignored)
    assert (done.returncode, done.stderr) == (0, "")


def test_L12_a_stalled_reader_does_not_keep_it(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 65_536)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    command = [sys.executable, "-c", AT_AN_EVENT, "50", "2", str(tmp_path / "sent"), "status"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=write_end, timeout=LIMIT)
    os.close(write_end)
    os.close(read_end)
    assert done.returncode == 130


@pytest.mark.parametrize("in_thread", [False, True])
def test_L12_an_embedder_keeps_its_handlers(in_thread: bool) -> None:
    code = f"""
import signal, sys, threading
from scxlife.lifecycle.cli import main
before = [signal.getsignal(number) for number in (2, 14, 15)], sys.unraisablehook
def call(): assert main(["schema"]) == 0
if {in_thread}:
    thread = threading.Thread(target=call); thread.start(); thread.join()
else:
    call()
assert ([signal.getsignal(number) for number in (2, 14, 15)], sys.unraisablehook) == before
"""
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, timeout=LIMIT).returncode == 0


def plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r\033[K", "").replace("^C", "")


class terminal:
    """A process on a terminal of its own, which Ctrl-C reaches with all its children."""

    def __init__(self, command: list[str]) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=_take_terminal
        )
        os.close(theirs)
        self.text = ""

    def __enter__(self) -> terminal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.ours)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def wait_for(self, seen: object) -> None:
        until = time.monotonic() + LIMIT
        while not seen(self.text):  # type: ignore[operator]
            assert time.monotonic() < until, self.text
            self._read()

    def rest(self) -> str:
        while self._read():
            pass
        self.process.wait(LIMIT)
        return self.text

    def _read(self) -> bool:
        if not select.select([self.ours], [], [], 0.05)[0]:
            return True
        try:
            chunk = os.read(self.ours, 65_536)
        except OSError:
            return False  # the last holder of the terminal has gone
        self.text += chunk.decode()
        return bool(chunk)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

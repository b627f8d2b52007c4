"""Where output may go is found out before anything starts, with real files, FIFOs, devices and terminals."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
# Only a guard against a hang.
LIMIT = 60


def run(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
    command = [*SCXLIFE, "run", "--ready", "none", "--liveness", "10ms", *map(str, words)]
    done = subprocess.run(command, text=True, timeout=LIMIT, **{"capture_output": True, **more})  # type: ignore[call-overload]
    assert "Traceback" not in (done.stderr or "")
    return done  # type: ignore[no-any-return]


def a_file(path: Path) -> None:
    path.write_text("precious")


def a_link(path: Path) -> None:
    a_file(path.with_name("precious"))
    path.symlink_to(path.with_name("precious"))


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def in_no_folder(path: Path) -> None:
    path.parent.rmdir()


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    a_file(path.parent)


UNFIT: dict[str, Callable[[Path], None]] = {
    "a link": a_link,
    "a dangling link": a_dangling_link,
    "a folder": Path.mkdir,
    "a FIFO that nobody reads": os.mkfifo,
    "a socket": a_socket,
    "in no folder": in_no_folder,
    "below a file": below_a_file,
}


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.parametrize("option", ["--tape", "--log", "--metrics"])
def test_L4_an_unfit_output_is_refused_before_the_start(tmp_path: Path, option: str, kind: str) -> None:
    path = tmp_path / "folder" / "out"
    path.parent.mkdir()
    UNFIT[kind](path)
    before = [(each, each.lstat().st_mode) for each in sorted(tmp_path.rglob("*"))]
    done = run(option, path, "--", "touch", tmp_path / "ran")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"scxlife: error: {option} {path}: ")
    assert [(each, each.lstat().st_mode) for each in sorted(tmp_path.rglob("*"))] == before
    precious = path.with_name("precious")
    assert not precious.exists() or precious.read_text() == "precious"


@pytest.mark.parametrize("option", ["--tape", "--metrics"])
def test_L4_operations_refuse_the_same(tmp_path: Path, option: str) -> None:
    done = run(option, tmp_path / "none" / "out", "--restart", "never", "--", "touch", tmp_path / "ran")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"scxlife: error: {option} {tmp_path}/none/out: ")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["", "/", "x/", "/dev/fd/999", "/dev/stdin", "a" * 300, "/proc/1/none"])
@pytest.mark.parametrize("option", ["--tape", "--log", "--metrics"])
def test_L4_a_path_that_is_none_is_refused(tmp_path: Path, option: str, path: str) -> None:
    done = run(f"{option}={path}", "--", "touch", tmp_path / "ran", cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"scxlife: error: {option} {path}: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["diagram"], ["timeline", "tape"]])
@pytest.mark.parametrize("name", ["none/x.svg", ".", "tape/x.svg"])
def test_L4_a_drawing_is_not_begun_for_an_unfit_file(tmp_path: Path, command: list[str], name: str) -> None:
    (tmp_path / "tape").write_text("no tape")
    words = [*SCXLIFE, *command, "--format", "svg", "-o", name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("scxlife: error: -o ")


# -- what may be written to


def test_L4_a_tape_goes_into_a_fifo_that_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "tape"
    os.mkfifo(fifo)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()))
    reader.start()
    # The reader may not have opened it yet.
    while (done := run("--tape", fifo, "--", "true")).returncode == 2:
        assert "nobody reads this FIFO" in done.stderr
    reader.join(LIMIT)
    assert json.loads(found[0].splitlines()[-1])["kind"] == "end"


def test_L4_a_tape_goes_to_an_inherited_descriptor(tmp_path: Path) -> None:
    there, here = os.pipe()
    done = run("--tape", f"/dev/fd/{here}", "--", "true", pass_fds=(here,))
    os.close(here)
    with open(there) as tape:  # noqa: PTH123
        assert json.loads(tape.read().splitlines()[-1])["kind"] == "end"
    assert done.returncode == 10


LINES = [f"line {number}" for number in range(20_000)]
PRINTS = ("sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo oops >&2; exec sleep 300")


@pytest.mark.parametrize("log", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_L7_the_output_goes_to_our_stdout_whole_and_in_order(log: str) -> None:
    command = [*SCXLIFE, "run", "--ready", "none", "--log", log, "--", *PRINTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = []
        for line in process.stdout:
            found.append(line.rstrip("\n"))
            if line == "oops\n":
                process.terminate()
        _, stderr = process.communicate(timeout=LIMIT)
    assert found == [*LINES, "oops"]
    assert "outcome    " in stderr


def test_L7_the_result_is_the_last_line_behind_the_output() -> None:
    done = run("--log", "-", "--json", "--", "sh", "-c", "echo one; echo two >&2; exit 3")
    *output, result = done.stdout.splitlines()
    assert output == ["one", "two"]
    assert json.loads(result)["exit"] == {"code": 3}
    assert json.loads(result)["log_lost"] is None


def test_L7_several_lives_write_to_our_stdout() -> None:
    done = run(
        "--log", "-", "--restart", "always", "--start-limit", "2", "--backoff-first", "1ms", "--", "echo", "hello"
    )
    assert done.stdout.splitlines().count("hello") >= 2
    assert "TIME" in done.stderr


def test_L7_a_log_into_our_stderr_or_a_terminal_is_written(tmp_path: Path) -> None:
    done = run("--log", "/dev/stderr", "--", "echo", "hello")
    assert done.stderr == "hello\n"
    assert "outcome    " in done.stdout
    master, slave = pty.openpty()
    run("--log", os.ttyname(slave), "--", "echo", "hello", start_new_session=True)
    assert os.read(master, 4096) == b"hello\r\n"
    for fd in (master, slave):
        os.close(fd)


def test_L7_our_stdout_stays_as_large_as_it_is(tmp_path: Path) -> None:
    """It is not truncated, and not trimmed as a log of ours would be."""
    out = tmp_path / "out"
    out.write_text("before\n")
    with out.open("a") as file:
        run("--log", "-", "--", "echo", "hello", capture_output=False, stdout=file)
    assert out.read_text() == "before\nhello\n"


def test_L7_an_output_that_stalls_stops_the_child_and_not_us() -> None:
    there, here = os.pipe()
    words = ["--log", "-", "--for", "200ms", "--stop-grace", "100ms", "--", "yes"]
    done = run(*words, capture_output=False, stdout=here, stderr=subprocess.PIPE)
    assert "outcome    stopped" in done.stderr
    for fd in (there, here):
        os.close(fd)


# -- files that are read


def test_L4_an_argument_file_that_is_none_is_refused(tmp_path: Path) -> None:
    from scxlife.lifecycle.arguments_file import ArgumentsError, read_arguments
    from scxlife.platform.linux import LinuxKernel

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large").open("wb") as large:
        large.truncate(300 << 20)
    a_socket(tmp_path / "socket")

    def stuck(*_: object) -> None:
        raise AssertionError("it waits for a writer, or reads for ever")

    former = signal.signal(signal.SIGALRM, stuck)
    signal.alarm(LIMIT)
    try:
        for name in ("fifo", "zero", "folder", "large", "socket"):
            with pytest.raises(ArgumentsError, match=f"{name} can't be read: "):
                read_arguments(LinuxKernel(), str(tmp_path / name))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("command", [["replay"], ["timeline"], ["diagram", "--highlight"], ["check"]])
@pytest.mark.parametrize("name", ["fifo", "fifo.yaml", "/dev/zero", "zero.yaml", "folder.yaml", "large.yaml"])
def test_L4_a_file_that_is_none_ends_no_reader(tmp_path: Path, command: list[str], name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    with (tmp_path / "large.yaml").open("wb") as large:
        large.truncate(100 << 20)
    words = [*SCXLIFE, *command, name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert name in done.stderr + done.stdout


# -- durations


@pytest.mark.parametrize("text", ["1h30m", "1m30s", "250ms", "1d12h", " 2 s "])
def test_L4_a_duration_in_any_spelling_is_taken(text: str) -> None:
    assert run("--liveness", text, "--log", "/dev/null", "--", "false").returncode == 10


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--for", "-1", "--", "true"),
        ("run", "--for", "5", "--", "true"),
        ("run", "--for=5 parsecs", "--", "true"),
        ("run", "--restart", "always", "--start-limit", "-1", "--", "true"),
        ("run", "--restart", "always", "--start-window", "0s", "--", "true"),
        ("run", "--restart", "always", "--start-limit", "1e99", "--", "true"),
        ("ctl", "--control", "/none", "--timeout", "0s", "status"),
        ("fuzz", "--seconds", "0s"),
        ("run", "--notify-fd", "-1", "--", "true"),
    ],
)
def test_L4_a_number_that_makes_no_sense_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run([*SCXLIFE, *words], capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr

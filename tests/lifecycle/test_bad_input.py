"""What a user, a disk or another process does wrong: told clearly, in a line, and nothing is left behind."""

from __future__ import annotations

import errno
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.arguments_file import ArgumentsError, read_arguments
from scxlife.lifecycle.outcomes import NotConfigured, SpawnFailed, StartupDied, Stopped
from scxlife.platform.linux import LinuxKernel

from .programs.life import LIMIT, PROGRAMS, Life, profile

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
#: A mount namespace of our own; as a user, inside a user namespace too.
PRIVATE_MOUNTS = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
USAGE = 2
HINT = "hint: name a file in a folder that can be written"


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path)
    yield life
    assert life.members() == [] or life.family
    life.bury()


def executable(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o755)
    return path


# -- what can't be executed ----------------------------------------------------------------------------------------


def test_G1_a_binary_that_somebody_still_writes_is_named_as_such_and_runs_when_he_is_done(life: Life) -> None:
    binary = life.folder / "binary"
    shutil.copy("/bin/true", binary)
    with binary.open("r+b"):
        outcome = life.run(profile("none"), binary)
        assert (type(outcome), outcome.status) == (SpawnFailed, 126)
        assert "ETXTBSY" in outcome.reason
        assert "somebody still writes to it" in outcome.reason
    assert type(life.run(profile("none", liveness=LIMIT), binary)) is StartupDied


@pytest.mark.parametrize(
    ("content", "name", "hint"),
    [
        ("just words\n", "ENOEXEC", "no #! line"),
        ("", "ENOEXEC", "no #! line"),
        (b"\0" * 4096, "ENOEXEC", "not a program for this machine"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0\xf7\xff" + b"\0" * 100, "ENOEXEC", "for this machine"),
        ("#!/no/such/interpreter\n", "ENOENT", "its interpreter is missing"),
        ("#!/etc\n", "EACCES", ""),
        ("#!/etc/passwd\n", "EACCES", ""),
    ],
    ids=["text", "empty", "zeros", "foreign ELF", "dangling interpreter", "folder interpreter", "no program"],
)
def test_G1_G2_a_file_that_is_no_program_is_spawn_failed_with_the_errno_and_a_hint(
    life: Life, content: str | bytes, name: str, hint: str
) -> None:
    outcome = life.run(profile("none"), executable(life.folder / "program", content))
    assert (type(outcome), outcome.status, outcome.exit) == (SpawnFailed, 126, None)
    assert name in outcome.reason
    assert hint in outcome.reason


def test_G2_an_elf_whose_loader_is_missing_is_spawn_failed(life: Life) -> None:
    binary = Path("/bin/true").read_bytes()
    loader = next(name for name in (b"/lib64/ld-linux-x86-64.so.2", b"/lib/ld-linux-aarch64.so.1") if name in binary)
    lost = executable(life.folder / "program", binary.replace(loader, b"/none" + loader[5:], 1))
    outcome = life.run(profile("none"), lost)
    assert type(outcome) is SpawnFailed
    assert "its interpreter is missing" in outcome.reason


def test_a_program_that_exec_can_only_half_load_is_told_by_its_signal(life: Life) -> None:
    """What goes wrong behind the point of no return is no errno any more, but a death."""
    whole = Path(sys.executable).resolve().read_bytes()
    outcome = life.run(profile("none", liveness=LIMIT), executable(life.folder / "program", whole[:8192]))
    assert type(outcome) in (SpawnFailed, StartupDied)
    assert outcome.exit != {"code": 0}


def test_only_a_file_that_is_not_there_is_not_configured(life: Life) -> None:
    folder, loop, plain = life.folder / "folder", life.folder / "loop", life.folder / "plain"
    folder.mkdir()
    loop.symlink_to(loop)
    plain.write_text("#!/bin/sh\n")
    (life.folder / "dangling").symlink_to("nowhere")
    told = {}
    for path in (folder, loop, plain, plain / "below", life.folder / ("n" * 256), life.folder / "dangling"):
        outcome = life.run(profile("none"), path)
        told[path.name[:8]] = (type(outcome), next((n for n in errno.errorcode.values() if n in outcome.reason), ""))
    assert told == {
        "folder": (SpawnFailed, "EACCES"),
        "loop": (SpawnFailed, "ELOOP"),
        "plain": (SpawnFailed, "EACCES"),
        "below": (SpawnFailed, "ENOTDIR"),
        "nnnnnnnn": (SpawnFailed, "ENAMETOOLONG"),
        "dangling": (NotConfigured, ""),
    }


def test_arguments_that_no_kernel_takes_are_spawn_failed(life: Life) -> None:
    outcome = life.run(profile("none"), "ends", "x" * 200_000)
    assert type(outcome) is SpawnFailed
    assert "E2BIG" in outcome.reason


def test_an_argument_with_a_nul_is_spawn_failed_and_says_so(life: Life) -> None:
    outcome = life.run(profile("none"), "ends", "a\0b")
    assert type(outcome) is SpawnFailed
    assert "null" in outcome.reason.lower()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make itself another user")
def test_a_folder_that_may_not_be_entered_is_spawn_failed() -> None:
    """Told to a user without rights: root may enter everything."""
    with tempfile.TemporaryDirectory() as name:
        folder, closed = Path(name), Path(name, "closed")
        closed.mkdir(mode=0o700)
        executable(closed / "program", "#!/bin/sh\n")
        folder.chmod(0o777)
        assert as_nobody(folder, closed / "program") == ["SpawnFailed", "EACCES"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make itself another user")
def test_a_readiness_file_that_may_not_be_looked_at_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    kind, *named = as_nobody(tmp_path, Path("/bin/true"), str(tmp_path / "ready"))
    assert kind == "SpawnFailed"
    assert named == [str(tmp_path / "ready")]


def as_nobody(folder: Path, program: Path, *sought: str) -> list[str]:
    """How the run went for a user without rights, and what of `sought` its reason has (an EACCES, if nothing)."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            outcome = Life(folder).run(profile("file", liveness=LIMIT), program)
            found = [word for word in sought or ("EACCES",) if word in outcome.reason]
            os.write(write_end, json.dumps([type(outcome).__name__, *found]).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(pid, 0)
    with os.fdopen(read_end, "rb") as told:
        return [str(word) for word in json.loads(told.read())]


# -- the argument file of a guest's scheduler ----------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(ArgumentsError) as caught:
        read_arguments(LinuxKernel(), str(path))
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b'--name "open', b"--name 'it''s", b"caf\xe9", b"\x7fELF\x02\x01\x01\0\0\0\0\xff\xfe", b"\xff\xfe-\0v\0"],
    ids=["double quote", "single quote", "latin-1", "binary", "UTF-16"],
)
def test_an_argument_file_that_can_not_be_understood_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "args").write_bytes(content)
    assert str(tmp_path / "args") in refusal(tmp_path / "args")


@pytest.mark.parametrize("kind", ["folder", "loop", "below a file"])
def test_an_argument_file_that_can_not_be_read_is_an_error_that_names_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "args"
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.touch()
        path /= "below"
    assert str(path) in refusal(path)


def test_lines_of_any_system_separate_words(tmp_path: Path) -> None:
    (tmp_path / "args").write_bytes(b"a\nb\r\nc")
    assert read_arguments(LinuxKernel(), str(tmp_path / "args")) == ["a", "b", "c"]


# -- the log -------------------------------------------------------------------------------------------------------


def a_log_that_can_not_be_made(life: Life, kind: str) -> str:
    """The errno's name with which making it fails."""
    if kind == "missing folder":
        life.log = life.folder / "no" / "such" / "folder" / "log"
        return "ENOENT"
    if kind == "folder":
        life.log.mkdir()
        return "EISDIR"
    if kind == "dangling symlink":
        life.log.symlink_to("nowhere")
        return "ELOOP"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(life.log))
        return "ENXIO"
    life.log = life.folder / ("n" * 300)
    return "ENAMETOOLONG"


@pytest.mark.parametrize("kind", ["missing folder", "folder", "dangling symlink", "socket", "long name"])
def test_a_log_that_can_not_be_made_is_lost_with_its_reason_and_the_run_goes_on(life: Life, kind: str) -> None:
    name = a_log_that_can_not_be_made(life, kind)
    outcome = life.run(profile("file", liveness=LIMIT), "ends", "code", 7)
    assert (type(outcome), outcome.exit, outcome.log_path, outcome.log_tail) == (StartupDied, {"code": 7}, None, "")
    assert outcome.log_lost is not None
    assert outcome.log_lost.startswith(f"{life.log}: {name}: ")
    assert not (life.folder / "nowhere").exists()


def test_a_log_in_a_folder_behind_a_symlink_is_made(life: Life) -> None:
    (life.folder / "real").mkdir()
    (life.folder / "link").symlink_to("real")
    life.log = life.folder / "link" / "log"
    outcome = life.run(profile("file", liveness=LIMIT), "speaks_bytes", 7)
    assert (outcome.log_lost, outcome.exit) == (None, {"code": 7})
    assert (life.folder / "real" / "log").stat().st_size


def test_a_log_that_is_a_fifo_neither_blocks_the_program_nor_ends_the_run_in_a_traceback(life: Life) -> None:
    os.mkfifo(life.log)
    outcome = life.run(profile("file", run_for=0.0, attach_timeout=5.0), "floods", 200_000, life.ready)
    assert type(outcome) is Stopped


def test_a_log_that_is_a_terminal_is_written_and_has_no_end_to_read() -> None:
    """By a process that leads no session, which would take the terminal for its own."""
    master, slave = pty.openpty()
    words = ["--json", "--ready", "none", "--log", os.ttyname(slave), "--", PROGRAMS / "speaks_bytes", "5"]
    try:
        done = subprocess.run([*SCXLIFE, "run", *words], capture_output=True, text=True, timeout=LIMIT)
        assert b"caf\xe9" in os.read(master, 4096)
    finally:
        os.close(master)
        os.close(slave)
    assert "Traceback" not in done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, outcome["exit"], outcome["log_tail"]) == (10, {"code": 5}, "")


def test_a_log_that_is_removed_meanwhile_is_still_read(life: Life) -> None:
    life.at_ready = life.log.unlink
    outcome = life.run(profile("file", run_for=0.0), "floods", 100, life.ready)
    assert outcome.log_tail.endswith("the last line")


DISKS = {
    "read-only": "mount -t tmpfs -o ro none {disk}",
    "no inode left": "mount -t tmpfs -o nr_inodes=1 none {disk}",
    "full": "mount -t tmpfs -o size=64k none {disk} && ! head -c 1M /dev/zero 2>&- >{disk}/filler",
    "small": "mount -t tmpfs -o size=64k none {disk}",
}


def run_on_disk(disk: str, folder: Path, *words: object) -> tuple[int, dict[str, Any], str]:
    """The CLI's exit code, its outcome and its stderr, with the log on a disk that is mounted for this run only."""
    (folder / "disk").mkdir()
    mount = DISKS[disk].format(disk=folder / "disk")
    options = ["run", "--json", "--for=0s", "--log", folder / "disk" / "log", "--ready", f"file:{folder}/ready", "--"]
    done = subprocess.run(
        [*PRIVATE_MOUNTS, "sh", "-c", f'{mount} || exit 98; exec "$@"', "sh", *SCXLIFE, *options, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1] if done.stdout else "{}"), done.stderr


@pytest.mark.parametrize(("disk", "error"), [("read-only", errno.EROFS), ("no inode left", errno.ENOSPC)])
def test_L7_a_disk_that_takes_no_log_is_refused_before_the_start(tmp_path: Path, disk: str, error: int) -> None:
    code, outcome, stderr = run_on_disk(disk, tmp_path, PROGRAMS / "floods", 100, tmp_path / "ready")
    assert (code, outcome) == (USAGE, {})
    disk = f"{tmp_path}/disk"
    assert stderr == f"scxlife: error: --log {disk}/log: no file can be made in {disk}: {os.strerror(error)}\n{HINT}\n"
    assert not (tmp_path / "ready").exists()


@pytest.mark.parametrize("disk", ["full", "small"])
def test_a_log_that_fills_its_disk_does_not_stop_the_program(tmp_path: Path, disk: str) -> None:
    code, outcome, stderr = run_on_disk(disk, tmp_path, PROGRAMS / "floods", 1_000_000, tmp_path / "ready")
    assert (code, outcome["outcome"], outcome["log_lost"]) == (0, "stopped", None)
    assert "Traceback" not in stderr
    assert ("sixty-three bytes" in outcome["log_tail"]) == (disk == "small")


# -- durations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["liveness", "attach_timeout", "stop_grace", "run_for"])
@pytest.mark.parametrize("value", [-1.0, -1e-9, float("nan"), float("inf"), 1e400, -float("inf"), True, "1s", 1e300])
def test_a_setting_that_is_no_duration_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"setting {setting} is a duration in seconds"):
        profile("none").with_settings(**{setting: value})


@pytest.mark.parametrize("option", ["--liveness", "--attach-timeout", "--attach-at-most", "--stop-grace", "--for"])
@pytest.mark.parametrize(
    "text", ["5", "0", "-1", "-1s", "nan", "inf", "1e400", "1y", "367d", "9" * 400, "", " ", "1,5s", "²"]
)
def test_a_duration_that_is_none_is_a_line_that_says_what_would_be_right(
    option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from scxlife.lifecycle.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["run", f"{option}={text}", "--", "true"])
    assert ended.value.code == USAGE
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: " in last
    assert " is not a duration: " in last or "longer than a year" in last


def test_a_negative_duration_in_a_word_of_its_own_is_refused_too(capsys: pytest.CaptureFixture[str]) -> None:
    from scxlife.lifecycle.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["run", "--for", "-1", "--", "true"])
    assert ended.value.code == USAGE
    assert "argument --for: " in capsys.readouterr().err


NOUGHTS = ("liveness", "attach_timeout", "stop_grace", "run_for", "kill_timeout", "release_timeout", "cadence")


@pytest.mark.parametrize("setting", NOUGHTS)
def test_no_time_at_all_is_a_duration_like_any_other(life: Life, setting: str) -> None:
    definition = profile("file", **{"run_for": 0.0, setting: 0.0})
    outcome = life.run(definition, "stopped", life.ready)
    assert outcome.name in ("stopped", "not-attached", "left-running")
    # Killed and given no time to be gone: it is on its way all the same.
    assert outcome.name != "left-running" or setting in ("kill_timeout", "release_timeout")


@pytest.mark.parametrize("forever", [300 * 86400.0, 366 * 86400.0])
def test_a_year_of_everything_does_not_keep_a_dead_program_waiting(life: Life, forever: float) -> None:
    timers = dict.fromkeys(("liveness", "attach_timeout", "attach_at_most", "stop_grace", "run_for"), forever)
    outcome = life.run(profile("none", **timers), "ends", "code", 4)
    assert (type(outcome), outcome.exit) == (StartupDied, {"code": 4})

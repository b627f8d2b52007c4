"""What may come in through the control socket: each a clear error, and the scheduler that runs is not disturbed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.control.supervisor import DAEMON, PATIENCE, Supervisor, supervisor

from scxlife.lifecycle.control.protocol import LONGEST, BadRequest, check_name, parse


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Supervisor, int]]:
    """A supervisor whose scheduler `a` is attached, and that one's pid."""
    with supervisor(tmp_path) as ours:
        assert ours.ctl("attach", "a")[:2] == (0, "attached   a\n")
        pid = ours.status()["run"]["pid"]
        yield ours, pid
        assert ours.status()["run"]["pid"] == pid
        assert ours.status()["state"] == "running"


def lines(connection: socket.socket, count: int) -> list[dict[str, Any]]:
    with connection.makefile("rb") as file:
        return [json.loads(file.readline()) for _ in range(count)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"version": 1, "do": "attach", "name": "../a"}', "bad-name"),
        (b'{"version": 1, "do": "attach", "name": ".."}', "bad-name"),
        (b'{"version": 1, "do": "attach", "name": "' + b"n" * 129 + b'"}', "bad-name"),
        (b'{"version": 1, "do": "attach", "name": ""}', "bad-name"),
        (b'{"version": 1, "do": "attach", "name": "sched_args"}', "bad-name"),
        (b'{"version": 1, "do": "attach", "name": "a\\u0000"}', "bad-name"),
        (b'{"version": 1, "do": "attach", "name": "nobody"}', "unknown-name"),
        (b'{"version": 1, "do": "attach", "name": 7}', "wrong-type"),
        (b'{"version": 1, "do": "attach"}', "wrong-type"),
        (b'{"version": 1, "do": "detach", "name": "a"}', "unknown-key"),
        (b'{"version": 1, "do": "status", "colour": "red"}', "unknown-key"),
        (b'{"version": 1, "do": "explode"}', "unknown-request"),
        (b'{"version": 1, "do": ["attach"]}', "unknown-request"),
        (b'{"version": 1, "id": {}, "do": "status"}', "wrong-type"),
        (b'{"version": 2, "do": "status"}', "wrong-version"),
        (b'{"do": "status"}', "wrong-version"),
        (b'["attach"]', "not-json"),
        (b'{"version": 1, "do": "att', "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"[" * 60_000, "not-json"),
    ],
)
def test_what_can_not_be_asked_is_told_with_a_code_and_the_next_line_is_heard(
    running: tuple[Supervisor, int], line: bytes, code: str
) -> None:
    with running[0].raw() as connection:
        connection.sendall(line + b'\n{"version": 1, "id": "next", "do": "status"}\n')
        refused, status = lines(connection, 2)
    assert refused["error"]["code"] == code
    assert refused["error"]["message"]
    assert (status["id"], status["status"]["state"]) == ("next", "running")


def test_a_megabyte_without_an_end_is_refused_and_the_client_let_go(running: tuple[Supervisor, int]) -> None:
    with running[0].raw() as connection:
        # It is let go before all was sent.
        with contextlib.suppress(OSError):
            connection.sendall(b"x" * (1 << 20))
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(4096):
                received += chunk
    assert json.loads(received)["error"]["code"] == "too-long"


def test_half_an_object_and_a_hang_up_ask_for_nothing(running: tuple[Supervisor, int]) -> None:
    with running[0].raw() as connection:
        connection.sendall(b'{"version": 1, "do": "detach"')


def test_a_client_that_never_reads_is_let_go_and_keeps_nobody_waiting(running: tuple[Supervisor, int]) -> None:
    ours, _ = running
    with ours.raw() as deaf:
        deaf.setblocking(False)
        # Each question is answered with some hundred bytes, and after a megabyte that nobody reads it is enough.
        question, sent = b'{"version": 1, "do": "status"}\n' * 100, 0
        try:
            while sent < (64 << 20):
                try:
                    sent += deaf.send(question)
                except BlockingIOError:
                    assert ours.ctl("status")[0] == 0
        except OSError:
            return
    raise AssertionError("it was never let go")


def test_sixteen_requests_of_one_client_may_wait(running: tuple[Supervisor, int]) -> None:
    with running[0].raw() as connection:
        connection.sendall(b'{"version": 1, "do": "attach", "name": "b"}\n' * 40)
        told = lines(connection, 40)
    assert [answer["answer"]["result"] for answer in told if "answer" in answer] == ["refused"] * 16
    assert {answer["error"]["code"] for answer in told if "error" in answer} == {"too-many"}


def test_a_client_of_another_user_is_not_listened_to(running: tuple[Supervisor, int]) -> None:
    ours, _ = running
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    ask = (
        "import os, socket, sys; os.setgroups([]); os.setuid(65534); "
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(4096).decode())"
    )

    def asked() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", ask, str(ours.path)]
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)

    for folder in ours.path.parents:
        # pytest's folders are private too: here only the socket's own protection counts.
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    assert "PermissionError" in asked().stderr
    ours.path.chmod(0o666)
    assert json.loads(asked().stdout)["error"]["code"] == "not-allowed"


def test_the_socket_is_private_and_goes_with_its_supervisor(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours:
        assert stat.S_IMODE(ours.path.stat().st_mode) == 0o600
        assert ours.ctl("stop")[0] == 0
        assert ours.ended()[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_socket() or path.suffix == ".lock") == []
    assert ours.ctl("status")[0] == 69


def start(path: Path) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "scxlife.lifecycle",
        "run",
        "--ready",
        "none",
        "--control",
        str(path),
        "--",
        DAEMON,
        "0",
    ]
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)


def test_K11_a_path_that_is_taken_is_a_clear_error_and_the_other_one_goes_on(running: tuple[Supervisor, int]) -> None:
    done = start(running[0].path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "another supervisor listens there" in done.stderr


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("mine"), "is no socket"),
        (lambda path: path.mkdir(), "is no socket"),
        (lambda path: path.symlink_to("/dev/null"), "is no socket"),
    ],
)
def test_what_is_no_socket_is_left_alone(tmp_path: Path, make: Any, words: str) -> None:
    path = tmp_path / "control"
    make(path)
    before = path.lstat()
    done = start(path)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert path.lstat().st_ino == before.st_ino


def test_a_folder_that_is_not_there_and_a_path_that_is_too_long_are_users_mistakes(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "control", tmp_path / ("x" * 150)):
        done = start(path)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_K11_what_a_killed_supervisor_left_behind_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "control"))
    left.close()
    with supervisor(tmp_path) as ours:
        assert ours.status()["state"] == "idle"


def test_row_19_names() -> None:
    for name in ("a", "scx_simple-2.0", "ä" * 64, "n" * 128, "a b", "scheduler2"):
        check_name(name)
    for name in ("", "n" * 129, "ä" * 65, "a/b", "/", "a\\b", "a\0", ".a", ".", "..", "scheduler", "sched_args"):
        with pytest.raises(ValueError, match="name"):
            check_name(name)


def test_a_line_may_be_as_long_as_is_said() -> None:
    line = json.dumps({"version": 1, "do": "status", "id": ""}).encode()
    longest = line.replace(b'""', b'"' + b"i" * (LONGEST - len(line)) + b'"')
    assert parse(longest, ()).do == "status"
    with pytest.raises(BadRequest, match="at most"):
        parse(longest + b" ", ())

"""L13: the client meets a server that is busy, silent, endless or malformed. The servers are real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.control.client import AsyncControl, Control, ControlError

LIMIT = 60
SHORT = "300ms"

ANSWER = {"result": "attached", "done": True, "name": "a", "reason": ""}
STATUS: dict[str, Any] = {
    "version": 1,
    "state": "idle",
    "desired": None,
    "attached": None,
    "drift": False,
    "kernel": None,
    "run": None,
    "runs": 0,
    "restarts": 0,
    "last": None,
}
DEEP = "[" * 100_000


def ctl(path: Path | str, *words: str, timeout: str = SHORT, **more: Any) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "scxlife.lifecycle", "ctl", "--control", str(path), "--timeout", timeout, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, **more)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def server(path: Path, talk: Callable[[socket.socket, Any], None]) -> Iterator[None]:
    """One that reads a request and then says what `talk` says, to each client in turn."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    request = json.loads(connection.makefile().readline())
                    talk(connection, request)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(LIMIT)


def says(body: Any) -> Callable[[socket.socket, Any], None]:
    """A line with the request's number in it; bytes are said as they are."""

    def talk(connection: socket.socket, request: Any) -> None:
        line = body if isinstance(body, bytes) else json.dumps({"version": 1, "id": request["id"], **body}).encode()
        connection.sendall(line + b"\n")
        connection.recv(1)

    return talk


@contextmanager
def full(path: Path) -> Iterator[socket.socket]:
    """A socket whose backlog is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(1)
        waiting = []
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                waiting[-1].connect(str(path))
        except BlockingIOError:
            yield listening
        finally:
            for one in waiting:
                one.close()


def test_L13_a_full_backlog_is_busy_when_the_time_is_over(tmp_path: Path) -> None:
    with full(tmp_path / "c"):
        code, out, error = ctl(tmp_path / "c", "status")
    assert (code, out) == (69, "")
    assert error == f"scxlife: error: {tmp_path / 'c'}: busy: its queue of clients was full for 0.3 s\n"


def test_L13_a_place_in_the_queue_is_waited_for(tmp_path: Path) -> None:
    with full(tmp_path / "c") as listening:
        command = [sys.executable, "-m", "scxlife.lifecycle", "ctl", "--control", str(tmp_path / "c"), "attach", "a"]
        asking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # It waits in connect(2), or it has ended, which is what must not be.
        while asking.poll() is None and "unix" not in wchan(asking.pid):
            pass
        assert asking.poll() is None
        while True:
            connection, _ = listening.accept()
            # Those who fill the queue say nothing.
            connection.settimeout(0.2)
            with suppress(TimeoutError):
                request = json.loads(connection.makefile().readline() or "{}")
                if request:
                    break
        connection.sendall(json.dumps({"version": 1, "id": request["id"], "answer": ANSWER}).encode() + b"\n")
        out, error = asking.communicate(timeout=LIMIT)
    assert (asking.returncode, out, error) == (0, "attached   a\n", "")


def wchan(pid: int) -> str:
    """Where a process waits in the kernel; where that is not told, the number of its system call."""
    told = Path(f"/proc/{pid}/wchan").read_text()
    call = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    return "unix" if call == "42" else told


def test_L13_a_full_backlog_is_waited_for_by_asyncio(tmp_path: Path) -> None:
    async def ask() -> str:
        try:
            async with AsyncControl(str(tmp_path / "c"), patience=0.2):
                return "connected"
        except ControlError as error:
            return error.code

    with full(tmp_path / "c"):
        assert asyncio.run(ask()) == "busy"


def test_L13_a_silent_server_is_said_to_be_silent(tmp_path: Path) -> None:
    with server(tmp_path / "c", lambda connection, request: connection.recv(1) and None):
        code, _, error = ctl(tmp_path / "c", "detach")
    assert code == 69
    assert "silent: no answer to detach within 0.3 s; it is still worked on" in error


def endless_line(connection: socket.socket, request: Any) -> None:
    while True:
        connection.sendall(b"x" * 65_536)


def endless_lines(connection: socket.socket, request: Any) -> None:
    line = json.dumps({"version": 1, "id": 1, "answer": ANSWER}).encode() + b"\n"
    while True:
        connection.sendall(line * 100)


def endless_spaces(connection: socket.socket, request: Any) -> None:
    connection.sendall(b'{"version": 1, ')
    while True:
        connection.sendall(b" ")


def one_letter(connection: socket.socket, request: Any) -> None:
    connection.sendall(b"{")
    connection.recv(1)


def endless_events(connection: socket.socket, request: Any) -> None:
    line = json.dumps({"version": 1, "id": 1, "event": {"event": "state", "t": 1.0}}).encode() + b"\n"
    while True:
        connection.sendall(line)


ENDLESS = [endless_line, endless_lines, endless_spaces, one_letter, endless_events]


@pytest.mark.parametrize("talk", ENDLESS)
@pytest.mark.parametrize("request_", ["status", "watch"])
def test_L13_an_endless_server_is_said_to_be_endless(tmp_path: Path, talk: Any, request_: str) -> None:
    with server(tmp_path / "c", talk):
        code, _, error = ctl(tmp_path / "c", request_)
    assert (code, error.count("\n")) == (69, 1)
    assert ": endless: " in error


@pytest.mark.parametrize("talk", ENDLESS)
def test_L13_an_endless_server_is_endless_for_asyncio(tmp_path: Path, talk: Any) -> None:
    async def ask() -> None:
        async with AsyncControl(str(tmp_path / "c"), patience=0.2) as control:
            await control.status()

    with server(tmp_path / "c", talk), pytest.raises(ControlError) as caught:
        asyncio.run(asyncio.wait_for(ask(), LIMIT))
    assert caught.value.code in ("endless", "timeout")


def status(**other: Any) -> dict[str, Any]:
    return {"status": {**STATUS, **other}}


def answer(**other: Any) -> dict[str, Any]:
    return {"answer": {**ANSWER, **other}}


MALFORMED = {
    "no JSON": b"hello",
    "not UTF-8": b'{"version": 1, "id": "\xff"}',
    "nothing": b"",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"version"',
    "no version": {"version": None},
    "another version": {"version": 2},
    "a version that is true": {"version": True},
    "nested too deeply": DEEP.encode(),
    "a number of 5000 digits": b'{"version": 1, "id": ' + b"9" * 5000 + b"}",
    "not a number": b'{"version": 1, "id": null, "error": NaN}',
    "an error that is text": {"error": "no"},
    "an error without a message": {"error": {"code": "x"}},
    "an error with a number for a code": {"error": {"code": 1, "message": "x"}},
    "neither answer nor error": {"other": 1},
    "an answer that is a list": {"answer": [1], "status": [1]},
    "an answer that is null": {"answer": None, "status": None},
    "nobody's answer": {"id": None, "answer": ANSWER},
}
MALFORMED_ANSWERS = {
    "done is text": answer(done="yes"),
    "done is missing": {"answer": {"result": "attached"}},
    "result is a number": answer(result=5),
    "name is an object": answer(name={}),
    "reason is a list": answer(reason=["x"]),
    "run is huge": answer(run=10**30),
    "run is true": answer(run=True),
    "outcome is a list": answer(result="failed", done=False, outcome=[1]),
    "outcome has no name": answer(result="failed", done=False, outcome={"hint": "x"}),
    "a hint is a list": answer(result="failed", done=False, outcome={"outcome": "x", "hint": ["x"]}),
    "owner is text": answer(result="busy", done=False, owner="me"),
}
MALFORMED_STATUSES = {
    "drift is null": status(drift=None),
    "state is missing": status(state=None),
    "kernel is a list": status(kernel=[]),
    "kernel's ops is a list": status(kernel={"state": "enabled", "ops": []}),
    "run is true": status(run=True),
    "run has no state": status(run={"name": "a", "number": 1}),
    "last is text": status(last="stopped"),
    "restart_in is text": status(state="backing_off", restart_in="soon"),
    "restart_in is too large": status(state="backing_off", restart_in=10**400),
}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        *(pytest.param(body, ["restart"], id=name) for name, body in MALFORMED.items() if name != "nobody's answer"),
        *(pytest.param(body, ["attach", "a"], id=name) for name, body in MALFORMED_ANSWERS.items()),
        *(pytest.param(body, ["status"], id=name) for name, body in MALFORMED_STATUSES.items()),
        *(pytest.param(body, ["watch"], id=f"watch: {name}") for name, body in MALFORMED_STATUSES.items()),
    ],
)
def test_L13_a_malformed_answer_is_one_line(tmp_path: Path, body: Any, words: list[str]) -> None:
    with (
        server(tmp_path / "c", says(body)),
        pytest.raises(ControlError) as caught,
        Control(str(tmp_path / "c"), patience=LIMIT) as control,
    ):
        request: Any = getattr(control, words[0])
        for _ in request(*words[1:]) if words[0] == "watch" else [request(*words[1:])]:
            pass
    assert caught.value.code == "malformed"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("event", [{"event": 1, "t": 1.0}, {"event": "x"}, {"event": "x", "t": "now"}, [], None,
                                   {"event": "state", "t": 1.0}, {"event": "ended", "t": 1.0, "outcome": "no"},
                                   {"event": "lost", "t": 10**400}])  # fmt: skip
def test_L13_a_malformed_event_is_one_line(tmp_path: Path, event: Any) -> None:
    def talk(connection: socket.socket, request: Any) -> None:
        for body in (status(), {"event": event}):
            connection.sendall(json.dumps({"version": 1, "id": request["id"], **body}).encode() + b"\n")
        connection.recv(1)

    with server(tmp_path / "c", talk):
        code, out, error = ctl(tmp_path / "c", "watch", timeout="60s")
    assert (code, error.count("\n"), out.count("\n")) == (69, 1, 1)
    assert ": malformed: " in error


def test_L13_what_a_server_says_does_not_paint_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b31m\u202e\ud800"
    told = answer(result="failed", done=False, name=evil, reason=evil, outcome={"outcome": evil, "hint": evil})
    with server(tmp_path / "c", says(told)):
        code, out, error = ctl(tmp_path / "c", "attach", "a", timeout="60s")
    assert (code, error) == (1, "")
    assert all(line.isprintable() for line in out.splitlines())
    with server(tmp_path / "d", says({"error": {"code": "x", "message": evil}})):
        code, _, error = ctl(tmp_path / "d", "attach", "a", timeout="60s")
    assert (code, error.rstrip("\n").isprintable()) == (2, True)


def test_L13_who_hangs_up_is_said_to_have_hung_up(tmp_path: Path) -> None:
    with server(tmp_path / "c", lambda connection, request: None):
        code, _, error = ctl(tmp_path / "c", "status", timeout="60s")
    assert (code, "has closed the connection" in error) == (69, True)


def test_L13_another_users_supervisor_is_exit_77(tmp_path: Path) -> None:
    with server(tmp_path / "c", says({"id": None, "error": {"code": "not-allowed", "message": "not you"}})):
        assert ctl(tmp_path / "c", "status", timeout="60s") == (77, "", "scxlife: error: not you\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_L13_a_socket_that_may_not_be_opened_is_exit_77(tmp_path: Path) -> None:
    code = """
import os, sys
from scxlife.lifecycle.cli import main
main(sys.argv[1:])  # with this, all is imported that another user may not read
print("now", file=sys.stderr)
os.setgid(65534); os.setuid(65534)
sys.exit(main())
"""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-c", code, "ctl", "--control", str(folder / "c"), "status"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr.count("\n")) == (77, 3)
    assert "Permission denied" in done.stderr.partition("now")[2]


@pytest.mark.parametrize("what", ["missing", "nobody listens", "a file", "a folder", "too long"])
def test_L13_nothing_to_connect_to_is_said_at_once(tmp_path: Path, what: str) -> None:
    path = tmp_path / "c"
    if what == "nobody listens":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif what == "a file":
        path.write_text("")
    elif what == "a folder":
        path.mkdir()
    elif what == "too long":
        path = tmp_path / ("c" * 200)
    code, _, error = ctl(path, "status", timeout="1h")
    assert (code, error.count("\n")) == (69, 1)
    assert "is a supervisor running" in error

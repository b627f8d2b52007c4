"""The server by itself: who is quiet wakes nobody."""

from __future__ import annotations

import json
import os
import resource
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.lifecycle.control.server import ControlServer
from scxlife.lifecycle.operations.answers import Attached, Reply
from scxlife.lifecycle.operations_names import EventName


def news(server: ControlServer) -> bool:
    """Whether a driver would be woken."""
    poller = select.poll()
    poller.register(server.fileno() or -1, select.POLLIN)
    return bool(poller.poll(0))


class Desk:
    def __init__(self) -> None:
        self.asked: list[tuple[EventName, str | None, Reply]] = []

    def ask(self, what: EventName, name: str | None, reply: Reply) -> None:
        self.asked.append((what, name, reply))


@pytest.fixture(params=["a client", "a port"])
def talk(request: pytest.FixtureRequest) -> Iterator[tuple[ControlServer, Desk, socket.socket]]:
    """A server, whom it asks, and the other end of a connection that it has."""
    ours, theirs = socket.socketpair()
    desk, server = Desk(), ControlServer(None, {"a"})
    server.bind(desk.ask, lambda: {"state": "idle"})
    if request.param == "a port":
        server.adopt(ours.detach())
    else:
        server._welcome(_client(ours))
    server.open()
    theirs.settimeout(30)
    with theirs:
        yield server, desk, theirs
        server.close()
        server.hang_up()


def _client(connection: socket.socket) -> object:
    from scxlife.lifecycle.control.server import Client

    return Client(connection.detach(), standing=False)


def settled(server: ControlServer) -> bool:
    """Whether looking makes an end of the news."""
    for _ in range(8):
        if not news(server):
            return True
        server.drain()
    return False


def test_who_is_quiet_wakes_nobody(talk: tuple[ControlServer, Desk, socket.socket]) -> None:
    server, desk, theirs = talk
    assert settled(server)
    theirs.sendall(b'{"version": 1, "id": 1, "do": "attach", "name": "a"}\n{"version": 1, "do": "status"}\n')
    assert news(server)
    assert settled(server)
    assert json.loads(theirs.recv(4096))["status"] == {"state": "idle"}
    ((what, name, reply),) = desk.asked
    assert (what, name) == (EventName.ATTACH, "a")
    reply(Attached(name="a", run=1))
    assert settled(server)
    assert json.loads(theirs.recv(4096))["answer"]["done"]


def test_a_line_may_come_in_pieces_and_several_at_once(talk: tuple[ControlServer, Desk, socket.socket]) -> None:
    server, _, theirs = talk
    line = b'{"version": 1, "id": 7, "do": "status"}\n'
    for at in range(len(line)):
        theirs.sendall(line[at : at + 1])
        server.drain()
    theirs.sendall(line * 5)
    assert settled(server)
    assert theirs.recv(65536).count(b"\n") == 6


def test_what_is_not_read_yet_goes_out_when_there_is_room(talk: tuple[ControlServer, Desk, socket.socket]) -> None:
    server, _, theirs = talk
    theirs.sendall(b'{"version": 1, "do": "watch"}\n')
    assert settled(server)
    for number in range(4000):
        server.publish({"event": "state", "number": number, "text": "x" * 100})
    received = b""
    while not received.endswith(b'"number": 3999, "text": "' + b"x" * 100 + b'"}}\n'):
        received += theirs.recv(1 << 20)
        server.drain()
    assert settled(server)
    assert received.count(b"\n") == 4001


def test_who_comes_when_no_descriptor_is_left_is_turned_away_and_wakes_nobody_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as theirs:
        listening.bind(str(tmp_path / "control"))
        listening.listen()
        listening.setblocking(False)
        server = ControlServer(listening, ())
        server.open()
        theirs.connect(str(tmp_path / "control"))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.open(os.devnull, os.O_RDONLY)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            for _ in range(8):
                server.drain()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert not news(server)
        assert json.loads(theirs.recv(4096))["error"]["code"] == "too-many"
        server.close()

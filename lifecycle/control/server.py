"""Who listens for requests: any number of clients, none of whom can keep the others, or the machine, waiting."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from typing import TYPE_CHECKING, Any

from scxlife.lifecycle.operations_names import EventName

from .protocol import LONGEST, OPERATIONS, BadRequest, encode, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from scxlife.fsm.events import Event
    from scxlife.lifecycle.operations.answers import Answer, Reply

    Ask = Callable[[EventName, str | None, Reply], None]
    Status = Callable[[], Mapping[str, Any]]

# More clients wait in the socket's queue; one who asks for more at once is told so.
MOST_CLIENTS = 64
MOST_WAITING = 16
# Bytes that a client may leave unread before it is let go.
MOST_UNREAD = 1 << 20
_CHUNK = 65_536
_EVENTS_AT_ONCE = 32

# struct ucred: unix(7), SO_PEERCRED
_UCRED = struct.Struct("3i")

# What the socket calls it, and what the machine does.
ASKED = {name: EventName(name) for name in OPERATIONS if name != "stop"} | {"stop": EventName.CLOSE}


class Client:
    """Who talks at a descriptor: what it has sent of a line, and what it has not read yet.

    At a `standing` one, a port to a guest's host, there is another one behind each hang-up. What a client sends at once
    can be there before the kernel says that it is (drivers/char/virtio_console.c: data and PORT_OPEN come in two
    queues), so a port that was never seen `connected` has not hung up.
    """

    def __init__(self, fd: int, *, standing: bool) -> None:
        self.fd = fd
        self.standing = standing
        self.read = bytearray()
        self.unread = bytearray()
        self.waiting = 0
        self.watches: object = None
        self.watching = False
        self.leaving = False
        self.connected = not standing
        self.listened = 0


class ControlServer:
    """An event source that tells nothing: what clients ask goes to `ask`, which answers when there is an answer.

    `listening` is a socket that listens already. `bind` says whom to ask, before the first `open`. Clients of another
    user are let go at once, but for root.
    """

    degraded: str | None = None

    def __init__(self, listening: socket.socket | None, staged: Container[str]) -> None:
        self._listening = listening
        self._staged = staged
        self._clients: dict[int, Client] = {}
        self._epoll: select.epoll | None = None
        self._spare = -1
        self._ask: Ask | None = None
        self._status: Status | None = None

    def bind(self, ask: Ask, status: Status) -> None:
        self._ask, self._status = ask, status

    def adopt(self, port: int) -> None:
        """A port at which clients come and go without a word: whoever hands it over vouches for them."""
        self._welcome(Client(port, standing=True))

    def open(self) -> None:
        self._epoll = select.epoll()
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if self._listening is not None:
            self._epoll.register(self._listening, select.EPOLLIN)
        for client in self._clients.values():
            self._listen_to(client)

    def fileno(self) -> int | None:
        return None if self._epoll is None else self._epoll.fileno()

    def next_deadline(self) -> float | None:
        return None

    def drain(self) -> list[Event]:
        if self._epoll is None:
            return []
        for fd, events in self._epoll.poll(0, _EVENTS_AT_ONCE):
            if self._listening is not None and fd == self._listening.fileno():
                self._accept()
                continue
            client = self._clients.get(fd)
            if client is None:
                continue
            client = self._present(client, hung_up=bool(events & select.EPOLLHUP))
            if events & select.EPOLLOUT:
                self._send(client)
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and self._clients.get(fd) is client:
                self._receive(client)
        return []

    def close(self) -> None:
        """Nobody is listened to any more; answers still go out, until `hang_up`."""
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
            os.close(self._spare)

    def hang_up(self) -> None:
        """The end. Whoever still waits for a line gets what fits into the socket."""
        for client in list(self._clients.values()):
            self._send(client)
            self._leave(client)

    def publish(self, told: Mapping[str, Any]) -> None:
        """An event for everybody who watches."""
        for client in [client for client in self._clients.values() if client.watching]:
            self._say(client, {"id": client.watches, "event": told})

    # -- inside

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            connection, _ = self._listening.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return  # else it is gone already
        if len(self._clients) >= MOST_CLIENTS:
            self._dismiss(connection, "too-many", f"{MOST_CLIENTS} clients are connected already")
            return
        _, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if uid not in (0, os.geteuid()):
            self._dismiss(connection, "not-allowed", f"user {uid} may not ask: only user {os.geteuid()} and root")
            return
        self._welcome(Client(connection.detach(), standing=False))

    def _turn_away(self) -> None:
        """No descriptor is left for who waits; unanswered, he would wake us for ever. The spare one is for him."""
        assert self._listening is not None
        os.close(self._spare)
        try:
            connection, _ = self._listening.accept()
            self._dismiss(connection, "too-many", "the supervisor has no descriptor left")
        except OSError:
            pass
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _welcome(self, client: Client) -> None:
        os.set_blocking(client.fd, False)
        self._clients[client.fd] = client
        self._listen_to(client)

    def _listen_to(self, client: Client) -> None:
        if self._epoll is not None:
            client.listened = _events(client)
            self._epoll.register(client.fd, client.listened)

    @staticmethod
    def _dismiss(connection: socket.socket, code: str, text: str) -> None:
        with connection:
            connection.setblocking(False)
            try:
                connection.send(encode({"id": None, "error": {"code": code, "message": text}}))
            except OSError:
                return

    def _present(self, client: Client, *, hung_up: bool) -> Client:
        """Who is at the other side now. What can be read when a port has hung up may be the next one's already."""
        if not client.standing:
            return client
        if not hung_up:
            client.connected = True
        elif client.connected:
            self._leave(client)
            self._clients[client.fd].connected = False
        return self._clients[client.fd]

    def _receive(self, client: Client) -> None:
        while self._clients.get(client.fd) is client:
            try:
                chunk = os.read(client.fd, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            if not chunk:
                if not client.standing:
                    # What it has asked for goes on: nobody is told of it.
                    self._leave(client)
                return
            self._heard(client, chunk)
            if not client.standing:
                return  # there may be more, which the next look finds; others come first

    def _heard(self, client: Client, chunk: bytes) -> None:
        client.read += chunk
        while not client.leaving and (end := client.read.find(b"\n")) >= 0:
            line = bytes(client.read[:end])
            del client.read[: end + 1]
            self._asked(client, line)
        if len(client.read) > LONGEST and not client.leaving:
            self._refuse(client, BadRequest("too-long", f"a line has at most {LONGEST} bytes"))
            # Where the next line begins is not known any more.
            client.leaving = True
            client.read.clear()
        if client.leaving and not client.unread:
            self._leave(client)

    def _asked(self, client: Client, line: bytes) -> None:
        if not line.strip():
            return
        try:
            asked = parse(line, self._staged)
        except BadRequest as refusal:
            self._refuse(client, refusal)
            return
        assert self._ask is not None
        assert self._status is not None
        if asked.do == "status":
            self._say(client, {"id": asked.id, "status": self._status()})
        elif asked.do == "watch":
            client.watching, client.watches = True, asked.id
            self._say(client, {"id": asked.id, "watching": True, "status": self._status()})
        elif client.waiting >= MOST_WAITING:
            self._refuse(client, BadRequest("too-many", f"{MOST_WAITING} requests wait already", asked.id))
        else:
            client.waiting += 1

            def reply(answer: Answer) -> None:
                client.waiting -= 1
                self._say(client, {"id": asked.id, "answer": answer.as_json()})

            self._ask(ASKED[asked.do], asked.name, reply)

    def _refuse(self, client: Client, refusal: BadRequest) -> None:
        self._say(client, {"id": refusal.id, "error": {"code": refusal.code, "message": str(refusal)}})

    def _say(self, client: Client, message: Mapping[str, Any]) -> None:
        if self._clients.get(client.fd) is not client:
            return  # it has left
        client.unread += encode(message)
        self._send(client)

    def _send(self, client: Client) -> None:
        try:
            while client.unread:
                del client.unread[: os.write(client.fd, client.unread)]
        except BlockingIOError:
            pass
        except OSError:
            self._leave(client)
            return
        if len(client.unread) > MOST_UNREAD or (client.leaving and not client.unread):
            self._leave(client)
        elif self._epoll is not None and client.listened != _events(client):
            # Only then: to say the same once more makes a port that can be written to news again, for ever.
            client.listened = _events(client)
            self._epoll.modify(client.fd, client.listened)

    def _leave(self, client: Client) -> None:
        if self._clients.get(client.fd) is not client:
            return
        del self._clients[client.fd]
        if client.standing and self._epoll is not None:
            again = self._clients[client.fd] = Client(client.fd, standing=True)
            again.listened, again.connected = client.listened, client.connected
            return
        if self._epoll is not None:
            self._epoll.unregister(client.fd)
        os.close(client.fd)


def _events(client: Client) -> int:
    """A port whose other side is away is hung up all the time: only what changes there is told."""
    wanted = select.EPOLLIN | (select.EPOLLOUT if client.unread else 0)
    return wanted | (select.EPOLLOUT | select.EPOLLET if client.standing else 0)

"""Clients of a supervisor's control socket, for programs that wait and for those that do not.

with Control("/run/scxlife/control") as control:
    control.replace("scx_simple")

async with AsyncControl("/run/scxlife/control") as control:
    await control.replace("scx_simple")
    async for event in control.watch():
        print(event)
"""

from __future__ import annotations

import errno
import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from . import told
from .protocol import encode

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

PATIENCE = 180.0
"""Seconds that an answer is waited for: longer than the machine's own bounds for one request, as a start that makes
progress may take a minute, and a stop a dozen seconds before it."""
_CHUNK = 65_536
# Seconds between two tries of a client that must not block. The kernel does not notify it when a backlog has room.
_AGAIN = 0.05
_SHORTEST = 1e-3


class ControlError(Exception):
    """The supervisor can't be asked, or did not understand.

    `code` is the protocol's (docs/control.md), or one of

    - `unreachable`: nothing is at that path, or nobody listens there
    - `not-allowed`: the socket, or the supervisor, is for another user
    - `busy`: its queue of clients stayed full
    - `timeout`: it is silent; what was asked for goes on
    - `endless`: it sends, and no answer is in it, or a line has no end
    - `malformed`: what it sends is not of the protocol
    - `closed`: it hung up before it answered
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Words:
    """What both kinds of client share: numbers for requests, deadlines, and what stands in a line."""

    def __init__(self, path: str, patience: float, once: bool) -> None:
        self.path = path
        self.patience = patience
        # Behind a guest's port others were heard before, and an answer to one of them may be on its way.
        self._number = secrets.randbits(48)
        self._once = once
        self._until = 0.0
        self._heard = False

    def _begin(self) -> None:
        """The first wait begins."""
        self._until = time.monotonic() + self.patience

    def _request(self, do: str, name: str | None) -> tuple[int, bytes]:
        self._number += 1
        self._heard = False
        if not self._once:
            self._begin()
        return self._number, encode({"id": self._number, "do": do, **({} if name is None else {"name": name})})

    def _left(self) -> float:
        """Seconds. Some are always left, for no time at all means no bound to a socket."""
        return max(_SHORTEST, self._until - time.monotonic())

    def _unreachable(self, error: OSError | ValueError) -> ControlError:
        if isinstance(error, ValueError):
            return ControlError("unreachable", f"{self.path}: {error}")  # there is a NUL in it
        if error.errno == errno.EAGAIN:
            return ControlError("busy", f"{self.path}: busy: its queue of clients was full for {self.patience:g} s")
        if isinstance(error, PermissionError):
            return ControlError(
                "not-allowed", f"{self.path}: {error.strerror}: only the supervisor's user and root may"
            )
        why = error.strerror or str(error)
        return ControlError("unreachable", f"{self.path}: {why}: is a supervisor running with --control?")

    def _late(self, do: str) -> ControlError:
        if self._heard:
            text = f"{self.path}: endless: it sends, and no answer to {do} came within {self.patience:g} s"
            return ControlError("endless", text)
        text = f"{self.path}: silent: no answer to {do} within {self.patience:g} s; it is still worked on"
        return ControlError("timeout", text)

    def _too_long(self) -> ControlError:
        return ControlError("endless", f"{self.path}: endless: it sends a line of more than {told.LONGEST} bytes")

    def _malformed(self, error: told.Malformed) -> ControlError:
        return ControlError("malformed", f"{self.path}: malformed: {error}")

    def _for_us(self, line: bytes, number: int) -> Mapping[str, Any] | None:
        """The message in a line, unless it is for a request that was given up."""
        self._heard = True
        try:
            message = told.message(line)
            error = told.checked(message.get("error"), [told.ERROR], "error")
        except told.Malformed as malformed:
            raise self._malformed(malformed) from None
        id = message.get("id")
        # A server that lets a client go has heard no request of it.
        if (id is not None or error is None) and (type(id) is not int or id != number):
            return None
        if error is not None:
            raise ControlError(error["code"], error["message"])
        return message

    def _answer(self, message: Mapping[str, Any], do: str) -> Mapping[str, Any]:
        try:
            return told.answer(message, do)
        except told.Malformed as malformed:
            raise self._malformed(malformed) from None

    def _event(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return told.event(message)
        except told.Malformed as malformed:
            raise self._malformed(malformed) from None

    def _closed(self) -> ControlError:
        return ControlError("closed", f"{self.path}: the supervisor has closed the connection")


class Control(_Words):
    """Waits for each answer. `path` is the unix socket, `patience` bounds each wait, in seconds: for a place in the
    queue, and for the answer to each request from the moment it is sent. With `once` it bounds all of them together.

    It is used with `with`. Every method raises ControlError; what came to nothing is an answer, and no error: its
    `done` is false, `result` and `reason` say why. docs/control.md has every field of answers, status and events.
    """

    def __init__(self, path: str, *, patience: float = PATIENCE, once: bool = False) -> None:
        super().__init__(path, patience, once)
        self._socket: socket.socket | None = None
        self._read = bytearray()
        self._searched = 0

    def __enter__(self) -> Self:
        self._begin()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect(self._socket)
        except (OSError, ValueError) as error:
            self._socket.close()
            raise self._unreachable(error) from None
        return self

    def _connect(self, connection: socket.socket) -> None:
        """Raises OSError: EAGAIN when the queue stayed full."""
        while True:
            # connect(2) of a unix socket waits for room in the queue as long as SO_SNDTIMEO says, if it may block.
            left = self._left()
            bound = struct.pack("ll", int(left), int(left % 1 * 1_000_000))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bound)
            try:
                connection.connect(self.path)
                # Behind a signal Python takes a connection for made that is none.
                connection.getpeername()
                return
            except OSError as error:
                again = error.errno == errno.ENOTCONN
                if not again or self._until <= time.monotonic():
                    raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()

    def attach(self, name: str) -> Mapping[str, Any]:
        """Start the staged scheduler `name`, where none runs. The answer: `{"result", "done", "name", "reason", …}`."""
        return self._ask("attach", name)

    def replace(self, name: str) -> Mapping[str, Any]:
        """Stop the one that runs, wait until the kernel runs none, and start the staged scheduler `name`."""
        return self._ask("replace", name)

    def restart(self) -> Mapping[str, Any]:
        """Start the one that runs, or ran last, anew."""
        return self._ask("restart", None)

    def detach(self) -> Mapping[str, Any]:
        """Stop the one that runs, or is on its way."""
        return self._ask("detach", None)

    def stop(self) -> Mapping[str, Any]:
        """End the supervisor, with all that is its."""
        return self._ask("stop", None)

    def status(self) -> Mapping[str, Any]:
        """What is wanted, what the kernel says at this moment, and whether they differ (`drift`)."""
        return self._ask("status", None)

    def watch(self) -> Iterator[Mapping[str, Any]]:
        """The present status, then every event as it comes, without a bound; ends when the supervisor does."""
        number, line = self._request("watch", None)
        self._send(line)
        yield {"event": "status", **self._answer(self._next("watch", number), "watch")}
        while True:
            try:
                message = self._next("watch", number, bounded=False)
            except ControlError as error:
                if error.code == "closed":
                    return
                raise
            yield self._event(message)

    def _ask(self, do: str, name: str | None) -> Mapping[str, Any]:
        number, line = self._request(do, name)
        try:
            self._send(line)
        except TimeoutError:
            raise self._late(do) from None
        return self._answer(self._next(do, number), do)

    def _send(self, line: bytes) -> None:
        assert self._socket is not None
        self._socket.settimeout(self._left())
        try:
            self._socket.sendall(line)
        except TimeoutError:
            raise
        except OSError:
            """It may have said why before it hung up."""

    def _next(self, do: str, number: int, *, bounded: bool = True) -> Mapping[str, Any]:
        """The next line about that request: others are for requests that were given up."""
        assert self._socket is not None
        while True:
            end = self._read.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._read[:end])
                del self._read[: end + 1]
                self._searched = 0
                if (message := self._for_us(line, number)) is not None:
                    return message
                if not bounded or time.monotonic() < self._until:
                    continue
            self._searched = len(self._read)
            if len(self._read) > told.LONGEST:
                raise self._too_long()
            if bounded and time.monotonic() >= self._until:
                raise self._late(do)
            self._socket.settimeout(self._left() if bounded else None)
            try:
                chunk = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise self._late(do) from None
            except OSError:
                chunk = b""
            if not chunk:
                raise self._closed()
            self._heard = True
            self._read += chunk


class AsyncControl(_Words):
    """The same as `Control` for asyncio, used with `async with`. One request at a time on one connection; cancelling a
    wait does not cancel the request."""

    def __init__(self, path: str, *, patience: float = PATIENCE, once: bool = False) -> None:
        super().__init__(path, patience, once)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        import asyncio

        self._begin()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            # asyncio takes a full queue for a connection that is being made.
            while not self._connects(connection):
                await asyncio.sleep(min(_AGAIN, self._left()))
            self._streams = await asyncio.open_unix_connection(sock=connection, limit=told.LONGEST)
        except (OSError, ValueError) as error:
            connection.close()
            raise self._unreachable(error) from None
        except BaseException:
            connection.close()
            raise
        return self

    def _connects(self, connection: socket.socket) -> bool:
        """Whether there was room in the queue. Raises OSError; BlockingIOError when the time is over."""
        try:
            connection.connect(self.path)
        except BlockingIOError:
            if self._until <= time.monotonic():
                raise
            return False
        return True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def attach(self, name: str) -> Mapping[str, Any]:
        """Start the staged scheduler `name`, where none runs. The answer, as `Control.attach` gives it."""
        return await self._ask("attach", name)

    async def replace(self, name: str) -> Mapping[str, Any]:
        """Stop the one that runs, wait until the kernel runs none, and start the staged scheduler `name`."""
        return await self._ask("replace", name)

    async def restart(self) -> Mapping[str, Any]:
        """Start the one that runs, or ran last, anew."""
        return await self._ask("restart", None)

    async def detach(self) -> Mapping[str, Any]:
        """Stop the one that runs, or is on its way."""
        return await self._ask("detach", None)

    async def stop(self) -> Mapping[str, Any]:
        """End the supervisor, with all that is its."""
        return await self._ask("stop", None)

    async def status(self) -> Mapping[str, Any]:
        """What is wanted, what the kernel says at this moment, and whether they differ (`drift`)."""
        return await self._ask("status", None)

    async def watch(self) -> AsyncIterator[Mapping[str, Any]]:
        """The present status, then every event as it comes; ends when the supervisor does."""
        yield {"event": "status", **await self._ask("watch", None)}
        while True:
            try:
                message = await self._next(self._number)
            except ControlError as error:
                if error.code == "closed":
                    return
                raise
            yield self._event(message)

    async def _ask(self, do: str, name: str | None) -> Mapping[str, Any]:
        import asyncio

        number, line = self._request(do, name)
        assert self._streams is not None
        self._streams[1].write(line)
        try:
            async with asyncio.timeout(self._left()):
                return self._answer(await self._next(number), do)
        except TimeoutError:
            raise self._late(do) from None

    async def _next(self, number: int) -> Mapping[str, Any]:
        import asyncio

        assert self._streams is not None
        while True:
            try:
                line = await self._streams[0].readuntil(b"\n")
            except asyncio.LimitOverrunError:
                raise self._too_long() from None
            except (OSError, EOFError):
                raise self._closed() from None
            if (message := self._for_us(line, number)) is not None:
                return message

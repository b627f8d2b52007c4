"""Clients of a supervisor's control socket, for programs that wait and for those that do not.

with Control("/run/scxlife/control") as control:
    control.replace("scx_simple")

async with AsyncControl("/run/scxlife/control") as control:
    await control.replace("scx_simple")
    async for event in control.watch():
        print(event)
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from .protocol import VERSION, encode

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

PATIENCE = 180.0
"""Seconds that an answer is waited for: longer than the machine's own bounds for one request, as a start that makes
progress may take a minute, and a stop a dozen seconds before it."""
_CHUNK = 65_536
# Of one line that a server sends.
_LONGEST = 16 << 20


class ControlError(Exception):
    """The supervisor can't be asked, or did not understand. `code` is the protocol's (docs/control.md), or one of
    `unreachable` (nobody listens), `timeout` (no answer within `patience`; what was asked goes on), `closed` (it hung
    up before it answered) and `garbled` (whoever listens does not speak the protocol)."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Words:
    """What both kinds of client share: numbers for requests, and what stands in a line."""

    def __init__(self, path: str, patience: float) -> None:
        self.path = path
        self.patience = patience
        # Behind a guest's port others were heard before, and an answer to one of them may be on its way.
        self._number = secrets.randbits(48)

    def _request(self, do: str, name: str | None) -> tuple[int, bytes]:
        self._number += 1
        return self._number, encode({"id": self._number, "do": do, **({} if name is None else {"name": name})})

    def _unreachable(self, error: OSError) -> ControlError:
        hint = "" if isinstance(error, PermissionError) else ": is a supervisor running with --control?"
        return ControlError("unreachable", f"{self.path}: {error.strerror or error}{hint}")

    def _late(self, do: str) -> ControlError:
        return ControlError("timeout", f"no answer to {do} within {self.patience:g} s; it is still worked on")

    def _message(self, line: bytes) -> Mapping[str, Any]:
        try:
            message = json.loads(line)
            if message["version"] != VERSION:
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ControlError("garbled", f"{self.path} does not speak version {VERSION} of this protocol") from None
        told: Mapping[str, Any] = message
        return told

    def _closed(self) -> ControlError:
        return ControlError("closed", f"{self.path}: the supervisor has closed the connection")


def _answer(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a line answers. Raises ControlError when it is a refusal to understand."""
    error = message.get("error")
    if error is not None:
        raise ControlError(str(error.get("code")), str(error.get("message")))
    found: Mapping[str, Any] = message.get("answer") or message.get("status") or message
    return found


class Control(_Words):
    """Waits for each answer. `path` is the unix socket, `patience` bounds every wait, in seconds.

    It is used with `with`. Every method raises ControlError; what came to nothing is an answer, and no error: its
    `done` is false, `result` and `reason` say why. docs/control.md has every field of answers, status and events.
    """

    def __init__(self, path: str, *, patience: float = PATIENCE) -> None:
        super().__init__(path, patience)
        self._socket: socket.socket | None = None
        self._read = bytearray()

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(self.patience)
        try:
            self._socket.connect(self.path)
        except OSError as error:
            self._socket.close()
            raise self._unreachable(error) from None
        return self

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
        assert self._socket is not None
        self._socket.sendall(line)
        yield {"event": "status", **_answer(self._next("watch", number))}
        self._socket.settimeout(None)
        while True:
            try:
                message = self._next("watch", number)
            except ControlError as error:
                if error.code == "closed":
                    return
                raise
            yield message["event"]

    def _ask(self, do: str, name: str | None) -> Mapping[str, Any]:
        number, line = self._request(do, name)
        assert self._socket is not None
        try:
            self._socket.sendall(line)
        except TimeoutError:
            raise self._late(do) from None
        except OSError:
            # It may have said why before it hung up.
            pass
        return _answer(self._next(do, number))

    def _next(self, do: str, number: int) -> Mapping[str, Any]:
        """The next line about that request: others are for requests that were given up."""
        until = time.monotonic() + self.patience
        while True:
            end = self._read.find(b"\n")
            if end >= 0:
                line = bytes(self._read[:end])
                del self._read[: end + 1]
                message = self._message(line)
                if message.get("id") in (number, None):
                    return message
                continue
            if len(self._read) > _LONGEST:
                raise ControlError("garbled", f"{self.path} sends a line without an end")
            assert self._socket is not None
            try:
                if self._socket.gettimeout() is not None:
                    self._socket.settimeout(max(0.001, until - time.monotonic()))
                chunk = self._socket.recv(_CHUNK)
            except TimeoutError:
                raise self._late(do) from None
            except OSError:
                chunk = b""
            if not chunk:
                raise self._closed()
            self._read += chunk


class AsyncControl(_Words):
    """The same as `Control` for asyncio, used with `async with`. One request at a time on one connection; cancelling a
    wait does not cancel the request."""

    def __init__(self, path: str, *, patience: float = PATIENCE) -> None:
        super().__init__(path, patience)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        import asyncio

        try:
            self._streams = await asyncio.open_unix_connection(self.path, limit=_LONGEST)
        except OSError as error:
            raise self._unreachable(error) from None
        return self

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
            yield message["event"]

    async def _ask(self, do: str, name: str | None) -> Mapping[str, Any]:
        import asyncio

        number, line = self._request(do, name)
        assert self._streams is not None
        self._streams[1].write(line)
        try:
            async with asyncio.timeout(self.patience):
                return _answer(await self._next(number))
        except TimeoutError:
            raise self._late(do) from None

    async def _next(self, number: int) -> Mapping[str, Any]:
        assert self._streams is not None
        while True:
            try:
                line = await self._streams[0].readline()
            except (OSError, ValueError):
                line = b""
            if not line.endswith(b"\n"):
                raise self._closed()
            message = self._message(line)
            if message.get("id") in (number, None):
                return message

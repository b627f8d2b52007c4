"""Asks a running QEMU for something by its machine protocol (QMP): JSON objects, one to a line, over a socket.

What QEMU sends is believed no more than what a guest sends: it runs the guest's devices. Lines are bounded, and so is
each wait.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence

#: Bytes of a line.
_LONGEST = 1 << 20
_CHUNK = 1 << 16


class QmpError(Exception):
    """QEMU refused, answered what makes no sense, or not in time."""


class Qmp:
    """QEMU's monitor at the other end of ``connection``, which stays the caller's. Raises QmpError."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""
        self._events: list[dict[str, object]] = []
        self._greeted = False

    def call(
        self, command: str, arguments: dict[str, object] | None = None, *, fds: Sequence[int] = (), timeout_s: float
    ) -> object:
        """What QEMU returns for ``command``. ``fds`` are handed over with it; ``timeout_s`` in seconds."""
        deadline = time.monotonic() + timeout_s
        if not self._greeted:
            if "QMP" not in self._next(deadline):
                raise QmpError("QEMU does not greet")
            self._greeted = True
            self._ask("qmp_capabilities", {}, (), deadline)
        return self._ask(command, arguments or {}, fds, deadline)

    def event(self, *names: str, timeout_s: float) -> dict[str, object]:
        """The next event of one of these names, with its data; those of other names before it are forgotten."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self._events.pop(0) if self._events else self._next(deadline)
            if found.get("event") in names:
                return found

    def _ask(self, command: str, arguments: dict[str, object], fds: Sequence[int], deadline: float) -> object:
        line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        try:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            if fds:
                socket.send_fds(self._connection, [line], list(fds))
            else:
                self._connection.sendall(line)
        except OSError as error:
            raise QmpError(f"{command}: QEMU can't be asked: {error}") from error
        while True:
            answer = self._next(deadline)
            if "event" in answer:
                self._events.append(answer)
            elif "error" in answer:
                said = answer["error"]
                raise QmpError(f"{command}: {said.get('desc') if isinstance(said, dict) else said}")
            elif "return" in answer:
                return answer["return"]

    def _next(self, deadline: float) -> dict[str, object]:
        while b"\n" not in self._rest:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._connection.recv(_CHUNK)
            except TimeoutError:
                raise QmpError("QEMU does not answer in time") from None
            except OSError as error:
                raise QmpError(f"QEMU does not answer: {error}") from error
            if not data:
                raise QmpError("QEMU has ended")
            self._rest += data
            if len(self._rest) > _LONGEST:
                raise QmpError("QEMU's answer is too long")
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise QmpError("QEMU's answer makes no sense")
        return found

"""Events and signals, as the port wants them."""

from __future__ import annotations

import errno
import select
import signal
from collections.abc import Iterable

from .caller import Caller
from .descriptors import Description, fail
from .inotify import Inotify
from .uevents import UeventSocket

# What fits into an inotify queue, and into the receive buffer of a socket, by default.
_QUEUED_EVENTS = 64
_QUEUED_UEVENTS = 64


class SignalPipe(Description):
    name = "pipe:[1]"

    def __init__(self, caught: tuple[int, ...], silent: frozenset[int]) -> None:
        self.caught = caught
        self.silent = silent
        self.numbers: list[int] = []

    def poll(self) -> int:
        return select.POLLIN if self.numbers else 0


class EventCalls(Caller):
    _signals: SignalPipe | None = None

    def inotify_init(self) -> int:
        self.enter("inotify_init")
        return self.install(Inotify(_QUEUED_EVENTS))

    def inotify_add_watch(self, fd: int, path: str, mask: int) -> int:
        self.enter("inotify_add_watch")
        queue = self.descriptors[fd]
        if not isinstance(queue, Inotify):
            fail(errno.EINVAL)
        return queue.watch(self.walk(path), mask)

    def uevent_socket(self) -> int:
        self.enter("uevent_socket")
        return self.install(self.machine.uevents.open(_QUEUED_UEVENTS))

    def uevent_receive(self, fd: int) -> bytes | None:
        self.enter("uevent_receive")
        socket = self.descriptors[fd]
        if not isinstance(socket, UeventSocket):
            fail(errno.ENOTSOCK)
        return socket.receive()

    def signal_fd(self, signals: Iterable[int], *, ignored: Iterable[int] = (), blocked: Iterable[int] = ()) -> int:
        self.enter("signal_fd")
        if self._signals is not None:
            fail(errno.EBUSY)
        pipe = SignalPipe(tuple(signals), frozenset({*ignored, *blocked}))
        fd = self.install(pipe)
        self._signals = pipe
        return fd

    def signal_read(self, fd: int) -> list[int]:
        self.enter("signal_read")
        assert self._signals is not None
        numbers, self._signals.numbers = self._signals.numbers, []
        return numbers

    def signal_close(self, fd: int) -> None:
        self._signals = None
        if self.process.alive:
            self.descriptors.close(fd)

    def interrupted(self, number: int) -> None:
        """A signal has come to the supervisor itself: told, or what its default is in a Python program."""
        if self._signals is not None and number in self._signals.caught:
            self._signals.numbers.append(number)
        elif self._signals is not None and number in self._signals.silent:
            return
        elif number == signal.SIGINT:
            self._interrupted = True
        else:
            self.die()

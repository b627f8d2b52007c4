"""The kernel as PID 1 stands before it: whoever waits, for whatever, buries the orphans meanwhile; and the signals
that ask for the end are kept until somebody listens.

Neither decides anything about the lifecycle, so neither is a state's business: the machine sees only what is its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.signals import ENDING

if TYPE_CHECKING:
    from scxlife.platform.vm.payload_relay import PayloadRelay
    from scxlife.platform.vm.port import GuestPort

# A child of init that nobody owns any more must not be able to keep it from all else, however fast more of them die.
AT_ONCE = 1000


class InitKernel(LinuxKernel):
    """`owned` gives the pids whose zombies have an owner that takes their status; set it before the first spawn."""

    def __init__(self) -> None:
        self.owned: Callable[[], Container[int]] = tuple
        self._deaths: int | None = None
        self._more = False
        self._host: GuestPort | None = None
        self._relay: PayloadRelay | None = None

    def keep_signals(self) -> None:
        """From now on the signals that ask for the end wait. Call it first of all: they would be lost (SIGTERM), or
        raise KeyboardInterrupt anywhere (SIGINT)."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    def signal_fd(self, signals: Iterable[int], *, ignored: Iterable[int] = (), blocked: Iterable[int] = ()) -> int:
        """As the port says, and what came before is told at once."""
        caught = tuple(signals)
        fd = super().signal_fd(caught, ignored=ignored, blocked=blocked)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, caught)
        return fd

    def signal_close(self, fd: int) -> None:
        self.keep_signals()
        super().signal_close(fd)

    def bury_orphans(self) -> None:
        """Begin to: from now on each `poll` does. Raises OSError when the kernel gives no descriptor for it."""
        self._deaths = self.child_fd()
        # Whoever died before that sends no second signal.
        self._more = True

    def listen_to(self, host: GuestPort) -> None:
        """From now on each `poll` hears what the host asks for: it comes as the signal that it names."""
        self._host = host

    def relay_for(self, relay: PayloadRelay) -> None:
        """From now on each `poll` relays what the payload writes and reads, a bounded piece."""
        self._relay = relay

    def finish_relay(self, timeout: float) -> None:
        """Have the host get the rest of it, within `timeout` seconds."""
        if self._relay is not None and not self._relay.complete:
            self._relay.finish()
            self.poll((self._relay.over_fileno(),), timeout)

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        """As the port says: the death of an orphan ends no wait early, nor does what the host asks for or the payload
        writes."""
        if self._deaths is None:
            return super().poll(fds, timeout)
        wanted = {*fds}
        own = {self._deaths} if self._host is None else {self._deaths, self._host.heard_fileno()}
        relay = self._relay
        aside = -1 if relay is None else relay.fileno()
        if relay is not None:
            own.add(aside)
        until = None if timeout is None else self.monotonic() + timeout
        while True:
            if self._more:
                left: float | None = 0.0
            else:
                left = None if until is None else max(0.0, until - self.monotonic())
            ready = super().poll(wanted | own, left)
            theirs = [(fd, revents) for fd, revents in ready if fd not in own]
            ours = {fd for fd, _ in ready if fd in own}
            if relay is not None and aside in ours:
                relay.relay()
            if self._more or ours - {aside}:
                self._bury(self._deaths)
                self._hear()
            if theirs or (until is not None and self.monotonic() >= until):
                return theirs

    def _hear(self) -> None:
        for number in () if self._host is None else self._host.interrupts():
            os.kill(os.getpid(), number if number in ENDING else signal.SIGINT)

    def _bury(self, deaths: int) -> None:
        with suppress(BlockingIOError):
            # Before looking: who dies while we look rings again.
            self.read(deaths, 4096)
        owned = self.owned()
        self._more = all(self.reap_orphan(owned) is not None for _ in range(AT_ONCE))

"""A process of ours from its spawn to its grave: published while it lives, signalled only through its pidfd."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from scxlife.platform.process_group import member_of, members
from scxlife.platform.sources.process import Child, ProcessSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scxlife.fsm.sources import EventSource
    from scxlife.platform.kernel import ExitStatus, Kernel
    from scxlife.platform.process_group import Member


class Process:
    """One slot for a process: empty, alive, dead and not reaped, or reaped. `generation` counts the spawns."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.child: Child | None = None
        self.generation = 0
        self.status: ExitStatus | None = None
        self.reaped = False

    def spawn(
        self,
        path: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: int,
        *,
        cgroup: int | None = None,
        death_signal: int | None = None,
        standard: tuple[int, int, int] | None = None,
        terminal: bool = False,
    ) -> Child:
        """Start it with its stdout and stderr at the descriptor `output`, in the cgroup of that `cgroup.procs`. Raises
        OSError; then nothing is published. A child that nobody could watch is killed and published: see `Child`.

        `standard` are its descriptors 0 to 2, in place of /dev/null and `output`; with `terminal` the first is the
        terminal of its session.

        The kernel sends it `death_signal` when we end. That hangs on the thread that spawns it, so it is left out on
        any but the first."""
        kernel = self._kernel
        outlives_us = death_signal is not None and not kernel.main_thread()
        null = kernel.open("/dev/null", os.O_RDONLY)
        stdin, stdout, stderr = standard or (null, output, output)
        try:
            pid = kernel.spawn(
                path,
                (path, *arguments),
                environment,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cgroup=cgroup,
                death_signal=None if outlives_us else death_signal,
                terminal=terminal,
            )
        finally:
            # Before the pidfd is asked for: there is room for one then. Whatever close(2) says, it is closed, and the
            # child that is there by now must not be lost for it.
            with suppress(OSError):
                kernel.close(null)
        pidfd = member = unwatched = None
        try:
            pidfd, member = self._identity_of(pid)
        except OSError as error:
            unwatched = error
            # At once: nobody has reaped it yet, so the number of its group is still its own.
            with suppress(OSError):
                kernel.kill_group(pid, None, signal.SIGKILL)
            with suppress(OSError):
                member = member_of(kernel, pid)
        self.generation += 1
        self.reaped = pidfd is None and unwatched is None
        self.status = None
        self.child = Child(pid, pidfd, self.generation, path, unwatched, member, outlives_us)
        return self.child

    def _identity_of(self, pid: int) -> tuple[int | None, Member | None]:
        """Its pidfd, and what it is told by from all others; None when it is dead, and was reaped: SIGCHLD is ignored
        here, or somebody else takes what is not his. Its number may be a stranger's by then, who is no child of ours.
        Raises OSError when there can't be a pidfd."""
        try:
            pidfd = self._kernel.pidfd_open(pid)
        except ProcessLookupError:
            return None, None
        try:
            member = member_of(self._kernel, pid)
            # Asked last: who is our child now was so before.
            self._kernel.pidfd_wait(pidfd, reap=False)
        except OSError as error:
            with suppress(OSError):
                self._kernel.close(pidfd)
            if error.errno != errno.ECHILD:
                raise
            return None, None
        return pidfd, member

    def signal(self, *signals: int) -> None:
        """Send signals through the pidfd; a process that is dead already is no failure."""
        if self.child is None or self.child.pidfd is None or self.reaped:
            return
        for number in signals:
            try:
                self._kernel.pidfd_send_signal(self.child.pidfd, number)
            except OSError as error:
                if error.errno != errno.ESRCH:
                    raise

    def kill_group(self) -> None:
        """SIGKILL to its process group, itself included."""
        self.signal_group(signal.SIGKILL)

    def signal_group(self, *signals: int) -> None:
        """Send signals to its process group, itself included, through the pidfd: where SIGCHLD is ignored the number
        may be a stranger's."""
        if self.child is None or self.child.pidfd is None or self.reaped:
            return
        for number in signals:
            try:
                self._kernel.kill_group(self.child.pid, self.child.pidfd, number)
            except OSError as error:
                # EPERM on some kernels when only the zombie is left
                if error.errno not in (errno.ESRCH, errno.EPERM):
                    raise

    def group(self) -> tuple[Member, ...]:
        """Who lives in its process group, beside itself. Where that can't be seen, nobody."""
        if self.child is None or self.reaped:
            return ()
        try:
            found = members(self._kernel, self.child.pid)
        except OSError:
            return ()
        return tuple(member for member in found if member.pid != self.child.pid)

    def reap(self) -> None:
        """Take the status of the dead process. Somebody else's reaping is no failure: the status stays unknown."""
        if self.child is None or self.child.pidfd is None or self.reaped:
            return
        try:
            self.status = self._kernel.pidfd_wait(self.child.pidfd, reap=True)
        except OSError as error:
            if error.errno != errno.ECHILD:
                raise
            self.reaped = True
        else:
            self.reaped = self.status is not None

    def clear(self) -> None:
        """Withdraw it, and give its descriptor back."""
        child, self.child = self.child, None
        if child is not None and child.pidfd is not None:
            self._kernel.close(child.pidfd)


def end_of(kernel: Kernel, child: Child, event: str) -> EventSource:
    """The source that tells its end, by `event`: its pidfd tells it where there is one."""
    if child.unwatched is None:
        return ProcessSource(kernel, child, event)
    from scxlife.platform.sources.unwatched import UnwatchedSource

    return UnwatchedSource(kernel, child, event)

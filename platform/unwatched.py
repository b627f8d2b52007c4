"""A child that has no pidfd: there were no descriptors, no memory, or no such call."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .sched_ext import PROC, start_time

if TYPE_CHECKING:
    from .kernel import ExitStatus, Kernel

# Without these nobody can look: they were missing when its pidfd was asked for, too.
_NOT_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class UnwatchedChild:
    """Looks for the end of our child `pid`, which nobody else reaps. What can't be looked at has not ended."""

    def __init__(self, kernel: Kernel, pid: int) -> None:
        self._kernel = kernel
        self._pid = pid
        self._born: int | None = None
        #: None as long as it is not known.
        self.status: ExitStatus | None = None

    def ended(self) -> bool:
        """Whether it has; its zombie is reaped then, as there is nothing by which it could be told from a stranger."""
        try:
            found = self._kernel.reap_orphan(_AllBut(self._pid))
            if found is not None:
                self.status = found[1]
                return True
            # With SIGCHLD ignored there is no zombie, and who has its number later is not as old.
            started = start_time(self._kernel, self._pid, PROC)
            if self._born is None:
                self._born = started
            return started is None or started != self._born
        except OSError as error:
            if error.errno not in _NOT_NOW:
                raise
            return False


class _AllBut:
    """Every number but one."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __contains__(self, number: object) -> bool:
        return number != self._number

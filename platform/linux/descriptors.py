"""Which descriptors a process that we start is born with: 0 to 2, and no other."""

# ruff: noqa: PTH208
# pathlib is an import that PID 1 does without.

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIRST_AFTER_STANDARD = 3


@contextmanager
def copies(fds: Iterable[int]) -> Iterator[list[int]]:
    """Copies of `fds` above 2: given as (2, 0, 1) they would overwrite one another's source when put into place."""
    made: list[int] = []
    try:
        for fd in fds:
            made.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_AFTER_STANDARD))
        yield made
    finally:
        for fd in made:
            os.close(fd)


def inheritable() -> Iterator[int]:
    """Descriptors that an exec would hand on. Python opens none such: they came from whoever started us."""
    try:
        names = os.listdir("/proc/self/fd")
    except FileNotFoundError:
        # No /proc. It must not look as if the program were missing.
        return
    for fd in map(int, names):
        try:
            if fd >= FIRST_AFTER_STANDARD and os.get_inheritable(fd):
                yield fd
        except OSError as error:
            # The descriptor with which the directory was listed.
            if error.errno != errno.EBADF:
                raise

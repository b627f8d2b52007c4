"""A child that enters a cgroup, and asks for a parent-death signal, before it becomes another program.

posix_spawn(3) can do the first only since glibc 2.39, the second never, and Python's does neither. A process that is
moved in from outside may have had children of its own by then; a child that moves itself has none.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from scxlife.platform.kernel import CgroupError

from .descriptors import inheritable
from .privileges import capabilities_of_children, give_up_protection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What the child says when it could not become the program: whether it was the cgroup's fault, and errno.
_REPORT = struct.Struct("?i")
_FAILED = 127


def fork_exec(
    path: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    standard: Sequence[int],
    cgroup: int | None,
    death_signal: int | None,
    terminal: bool = False,
) -> int:
    """The pid of a child that runs `path` with `standard` as its descriptors 0 to 2, in the cgroup whose
    `cgroup.procs` the descriptor is open on; with `terminal`, the first is the terminal of a session of its own.
    Raises CgroupError, OSError; ValueError for a NUL in an argument."""
    words, environment = [os.fsencode(word) for word in argv], {os.fsencode(k): os.fsencode(v) for k, v in env.items()}
    if any(b"\0" in word for word in (os.fsencode(path), *words, *environment, *environment.values())):
        raise ValueError("embedded null byte")
    kept = capabilities_of_children()
    if death_signal is not None or kept is not None:
        # Loaded before the fork: the child of a process with threads may not take the locks of an import.
        from . import libc  # noqa: F401
    report, said = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    try:
        # Between the fork and the exec no handler of ours may run in the child.
        mask = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                _become(path, words, environment, standard, cgroup, said, kept, death_signal, parent, terminal)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(said)
        told = os.read(report, _REPORT.size)
    finally:
        os.close(report)
    if not told:
        return pid
    # Where SIGCHLD is ignored the kernel has reaped it.
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    of_cgroup, number = _REPORT.unpack(told)
    kind = CgroupError if of_cgroup else OSError
    raise kind(number, os.strerror(number), path)


def _become(
    path: str,
    argv: list[bytes],
    env: dict[bytes, bytes],
    standard: Sequence[int],
    cgroup: int | None,
    said: int,
    kept: int | None,
    death_signal: int | None,
    parent: int,
    terminal: bool,
) -> NoReturn:
    entered = False
    try:
        if death_signal is not None:
            from .libc import set_parent_death_signal

            set_parent_death_signal(death_signal)
            if os.getppid() != parent:
                # It ended before the kernel was asked to tell.
                os.kill(os.getpid(), signal.SIGKILL)
        if terminal:
            # It leads a process group of its own by that, too.
            os.setsid()
        else:
            os.setpgid(0, 0)
        if cgroup is not None:
            os.write(cgroup, b"0")
        entered = True
        give_up_protection()
        if kept is not None:
            from .libc import set_capabilities

            set_capabilities(kept)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        for fd in inheritable():
            os.set_inheritable(fd, False)
        for target, copy in enumerate(standard):
            os.dup2(copy, target)
        if terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(path, argv, env)
    except OSError as error:
        os.write(said, _REPORT.pack(not entered, error.errno or 0))
    finally:
        os._exit(_FAILED)

"""Starting, watching and burying processes."""

# ruff: noqa: PTH123, PTH208
# These are the system calls themselves, and pathlib is an import that PID 1 does without.

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import struct
import threading
from typing import TYPE_CHECKING

from scxlife.platform.kernel import ExitStatus

from .descriptors import copies, inheritable

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

# struct pidfd_info as first published: mask, cgroupid, eleven ids, exit_code.
_PIDFD_INFO = struct.Struct("=QQ11Ii")
_PIDFD_INFO_EXIT = 1 << 3
# _IOWR(0xFF, 11, struct pidfd_info)
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11


# include/uapi/linux/pidfd.h, since Linux 6.9
_PIDFD_SIGNAL_PROCESS_GROUP = 1 << 2


class Processes:
    def spawn(
        self,
        path: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        cgroup: int | None = None,
        death_signal: int | None = None,
        terminal: bool = False,
    ) -> int:
        with copies((stdin, stdout, stderr)) as standard:
            if cgroup is None and death_signal is None and not terminal:
                return _posix_spawn(path, argv, env, standard)
            from .fork import fork_exec

            return fork_exec(path, argv, env, standard, cgroup, death_signal, terminal)

    def main_thread(self) -> bool:
        return threading.get_native_id() == os.getpid()

    def pidfd_open(self, pid: int) -> int:
        return os.pidfd_open(pid)

    def pidfd_send_signal(self, pidfd: int, sig: int) -> None:
        signal.pidfd_send_signal(pidfd, sig)

    def pidfd_wait(self, pidfd: int, *, reap: bool) -> ExitStatus | None:
        found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | (0 if reap else os.WNOWAIT))
        return None if found is None else ExitStatus.from_waitid(found.si_code, found.si_status)

    def pidfd_exit_info(self, pidfd: int) -> ExitStatus | None:
        asked = _PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *[0] * 13)
        told = _PIDFD_INFO.unpack(fcntl.ioctl(pidfd, _PIDFD_GET_INFO, asked))
        return ExitStatus.from_wait_status(told[-1]) if told[0] & _PIDFD_INFO_EXIT else None

    def kill_group(self, leader: int, pidfd: int | None, sig: int) -> None:
        if pidfd is None:
            _kill_group_by_number(leader, os.P_PID, leader, sig)
            return
        try:
            signal.pidfd_send_signal(pidfd, sig, None, _PIDFD_SIGNAL_PROCESS_GROUP)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _kill_group_by_number(leader, os.P_PIDFD, pidfd, sig)

    def reap_orphan(self, owned: Container[int]) -> tuple[int, ExitStatus] | None:
        try:
            first = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if first is None:
            return None
        # P_ALL shows one zombie, always the same while it stays: if that is an owned one, ask each child by its pid.
        for pid in _children() if first.si_pid in owned else (first.si_pid,):
            if pid in owned:
                continue
            try:
                found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
            except ChildProcessError:
                continue
            if found is not None:
                return pid, ExitStatus.from_waitid(found.si_code, found.si_status)
        return None

    def child_fd(self) -> int:
        from . import libc

        # Blocked, or it would be thrown away at once: its default is to be ignored.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        return libc.signalfd(signal.SIGCHLD)

    def set_child_subreaper(self) -> None:
        from . import libc

        libc.set_child_subreaper()


def _posix_spawn(path: str, argv: Sequence[str], env: Mapping[str, str], standard: Sequence[int]) -> int:
    hidden: list[int] = []
    try:
        actions: list[tuple[int, int] | tuple[int, int, int]] = [
            (os.POSIX_SPAWN_DUP2, copy, target) for target, copy in enumerate(standard)
        ]
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for fd in inheritable():
            if fd < limit:
                actions.append((os.POSIX_SPAWN_CLOSE, fd))
            else:
                # The C library refuses to close what is above a limit that was lowered since.
                os.set_inheritable(fd, False)
                hidden.append(fd)
        return os.posix_spawn(
            path,
            list(argv),
            dict(env),
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
            setsigdef=signal.valid_signals(),
        )
    finally:
        for fd in hidden:
            os.set_inheritable(fd, True)


def _kill_group_by_number(leader: int, kind: int, leader_as: int, sig: int) -> None:
    """Before Linux 6.9, or without a pidfd. The number is the leader's own as long as we can wait for it, which
    waitid(2) is asked for by `kind` and `leader_as`."""
    try:
        os.waitid(kind, leader_as, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError as error:
        raise ProcessLookupError(errno.ESRCH, "its leader was reaped") from error
    os.killpg(leader, sig)


def _children() -> Iterator[int]:
    """Our children, dead ones too."""
    us = os.getpid()
    try:
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children", "rb") as listing:
                yield from map(int, listing.read().split())
    except FileNotFoundError:
        # No CONFIG_PROC_CHILDREN. A pid that is not our child is answered with ECHILD.
        yield from (int(name) for name in os.listdir("/proc") if name.isdecimal() and int(name) != us)

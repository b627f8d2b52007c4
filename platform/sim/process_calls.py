"""Processes, as the port wants them."""

from __future__ import annotations

import errno
import select
import stat
from collections.abc import Container, Mapping, Sequence

from scxlife.platform.kernel import CgroupError, ExitStatus

from .caller import Caller
from .cgroups import OpenControl
from .clock import nanoseconds
from .descriptors import Description, fail
from .names import number
from .nodes import File
from .processes import Process


class Pidfd(Description):
    name = "anon_inode:[pidfd]"

    def __init__(self, process: Process) -> None:
        self.process = process

    def poll(self) -> int:
        if self.process.reaped:
            return select.POLLIN | select.POLLHUP
        return 0 if self.process.alive else select.POLLIN


class ChildSignals(Description):
    name = "anon_inode:[signalfd]"

    def __init__(self) -> None:
        self.pending = False

    def poll(self) -> int:
        return select.POLLIN if self.pending else 0

    def read(self, size: int) -> bytes:
        if not self.pending:
            fail(errno.EAGAIN)
        self.pending = False
        return bytes(128)


class ProcessCalls(Caller):
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
        self.enter("spawn")
        node = self.walk(path)
        if not isinstance(node, File) or not node.mode & stat.S_IXUSR:
            fail(errno.EACCES, path)
        program = node.program
        if program is None:
            fail(errno.ENOEXEC, path)
        output = self.descriptors[stdout]
        control = None if cgroup is None else self.descriptors[cgroup]
        if control is not None and (not isinstance(control, OpenControl) or control.cgroup.removed):
            raise CgroupError(errno.ENODEV, "No such device", path)
        machine = self.machine
        if program.exec_errno is not None:
            # The child that could not become the program is there for a moment, and takes a number.
            machine.processes.free_pid()
            fail(number(program.exec_errno), path)
        process = machine.start(self.process, program, comm=path.rpartition("/")[2])
        process.root = process
        process.spawned_by = self.process
        # An execve(2) that gives privileges clears it.
        process.death_signal = None if program.set_user_id else death_signal
        if isinstance(control, OpenControl):
            control.cgroup.enter(process)
        process.output = output
        machine.started.append(process)
        self.started.append(process)
        # vfork(2): we go on when the exec has succeeded.
        self.clock.advance(self.clock.now + nanoseconds(program.exec_takes))
        process.start()
        return process.pid

    def main_thread(self) -> bool:
        return True

    def pidfd_open(self, pid: int) -> int:
        self.enter("pidfd_open")
        if not self.machine.profile.pidfd:
            fail(errno.ENOSYS)
        process = self.machine.processes.by_pid.get(pid)
        if process is None:
            fail(errno.ESRCH)
        return self.install(Pidfd(process))

    def _process(self, pidfd: int) -> Process:
        found = self.descriptors[pidfd]
        if not isinstance(found, Pidfd):
            fail(errno.EBADF)
        return found.process

    def pidfd_send_signal(self, pidfd: int, sig: int) -> None:
        self.enter("pidfd_send_signal")
        process = self._process(pidfd)
        if process.reaped:
            fail(errno.ESRCH)
        self.signals_sent.append((sig, process))
        process.signal(sig)

    def pidfd_wait(self, pidfd: int, *, reap: bool) -> ExitStatus | None:
        self.enter("pidfd_wait")
        process = self._process(pidfd)
        ours = process.parent is self.process and not process.reaped
        if not ours or (not process.alive and self.process.ignores_children):
            fail(errno.ECHILD)
        if process.alive:
            return None
        if reap:
            self.machine.processes.reap(process)
        return process.status

    def pidfd_exit_info(self, pidfd: int) -> ExitStatus | None:
        self.enter("pidfd_exit_info")
        process = self._process(pidfd)
        profile = self.machine.profile
        if profile.exit_info is None:
            fail(profile.info_errno)
        if not profile.exit_info and process.reaped:
            fail(errno.ESRCH)
        return process.status if process.reaped else None

    def kill_group(self, leader: int, pidfd: int | None, sig: int) -> None:
        self.enter("kill_group")
        processes = self.machine.processes
        members = processes.members(leader)
        # Whoever else bears the number by now leads a group of his own: then nobody of the former one is left.
        bearer = processes.by_pid.get(leader)
        if pidfd is None:
            given_out = bearer is None or bearer.parent is not self.process
        else:
            given_out = bearer not in (None, self._process(pidfd))
        if not members or given_out:
            fail(errno.ESRCH)
        for member in members:
            self.signals_sent.append((sig, member))
            member.signal(sig)

    def reap_orphan(self, owned: Container[int]) -> tuple[int, ExitStatus] | None:
        self.enter("reap_orphan")
        for child in self.process.children:
            if not child.alive and child.pid not in owned:
                self.machine.processes.reap(child)
                assert child.status is not None
                return child.pid, child.status
        return None

    def child_fd(self) -> int:
        self.enter("child_fd")
        signals = ChildSignals()

        def tell(dead: Process) -> None:
            if dead.parent is self.process:
                signals.pending = True

        self.machine.processes.on_death.append(tell)
        return self.install(signals)

    def set_child_subreaper(self) -> None:
        self.enter("set_child_subreaper")
        self.process.subreaper = True

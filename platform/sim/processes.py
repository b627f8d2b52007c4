"""Processes: their birth, their signals, their zombies, and who buries them."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import TYPE_CHECKING

from scxlife.platform.kernel import ExitStatus

from .clock import MICROSECOND, MILLISECOND, SECOND, Clock
from .threads import Code, Thread

if TYPE_CHECKING:
    from .cgroups import CgroupNode
    from .descriptors import Description
    from .struct_ops import Link

INIT_PID = 1
# Ticks in which /proc tells times, sysconf(_SC_CLK_TCK).
TICK = 10 * MILLISECOND

_STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}


def _nothing() -> Code[None]:
    yield None


class Process(Thread):
    """`life` makes the code that it runs; without one it only exists, as init and the supervisor do.

    `root`: itself, or its ancestor, that a supervisor has spawned; None: it has nothing to do with one. `spawned_by` is
    that supervisor, known of the root alone.
    """

    def __init__(
        self,
        table: Processes,
        pid: int,
        parent: Process | None,
        *,
        comm: str,
        group: int | None = None,
        session: int | None = None,
        life: Callable[[Process], Code[None]] | None = None,
    ) -> None:
        super().__init__(table.clock, _nothing() if life is None else life(self))
        self.pid = pid
        self.parent = parent
        self.children: list[Process] = []
        self.comm = comm
        self.group = pid if group is None else group
        self.session = pid if session is None else session
        self.root: Process | None = None
        self.spawned_by: Process | None = None
        self.born = table.clock.now
        self.output: Description | None = None
        self.links: dict[int, Link] = {}
        self.cgroup: CgroupNode | None = None
        self.catches: frozenset[int] = frozenset()
        self.ignores: frozenset[int] = frozenset()
        # prctl(2), PR_SET_PDEATHSIG: what its parent's end sends to it. A fork does not inherit it.
        self.death_signal: int | None = None
        # Nobody takes its status: it stays a zombie.
        self.unreaped = False
        self.asked_to_end = False
        self.uninterruptible = False
        self.subreaper = False
        self.ignores_children = False
        self.status: ExitStatus | None = None
        self.died_at: int | None = None
        self.reaped_at: int | None = None
        self.worked = 0
        self.working_since: int | None = None
        self._table = table
        self._stopped = False
        self._overdue = False
        self._pending: list[int] = []
        self._doom: ExitStatus | None = None
        self._exiting = False

    # -- what others see

    @property
    def alive(self) -> bool:
        return self.died_at is None

    @property
    def dying(self) -> bool:
        """Whether it was killed, and has not got round to it yet."""
        return self.alive and (self._doom is not None or self._exiting)

    @property
    def reaped(self) -> bool:
        return self.reaped_at is not None

    @property
    def letter(self) -> str:
        """The state in /proc/PID/stat."""
        if not self.alive:
            return "Z"
        if self.uninterruptible:
            return "D"
        return "T" if self._stopped else "S"

    @property
    def kernel_time(self) -> int:
        """Nanoseconds spent in the kernel."""
        return self.worked + (0 if self.working_since is None else self._clock.now - self.working_since)

    def ancestors(self) -> Iterator[Process]:
        process = self.parent
        while process is not None:
            yield process
            process = process.parent

    # -- signals

    def signal(self, sent: int) -> None:
        """What becomes of a signal that was sent to it. A dead one takes it and nothing happens."""
        number = int(sent)
        if not self.alive or self._exiting or number == 0:
            return
        if number == signal.SIGKILL:
            self._die(ExitStatus(code=None, signal=number))
        elif number == signal.SIGCONT:
            self._go_on()
        elif number in _STOPPING and number not in self.ignores:
            self._stopped = True
        elif number in self.ignores or number in _HARMLESS:
            return
        elif self._stopped:
            self._pending.append(number)
        else:
            self._take(number)

    def _take(self, number: int) -> None:
        if number in self.catches:
            self.asked_to_end = True
            if not self.uninterruptible:
                self.wake()
        else:
            self._die(ExitStatus(code=None, signal=number))

    def _go_on(self) -> None:
        self._stopped = False
        if self._overdue:
            self._overdue = False
            self.wake()
        pending, self._pending = self._pending, []
        for number in pending:
            self._take(number)

    # -- running

    def _due(self, turn: int) -> None:
        if turn == self._turn and self._stopped and not self.uninterruptible:
            self._overdue = True
        else:
            super()._due(turn)

    def _step(self) -> None:
        super()._step()
        if self._doom is not None and not self.uninterruptible and not self._exiting:
            self._die(self._doom)

    def _finished(self) -> None:
        self._table.died(self)

    def _die(self, status: ExitStatus) -> None:
        if self._exiting:
            return
        if self.uninterruptible:
            self._doom = self._doom or status
            return
        self._stopped = False
        self._code = self.exit(status)
        self.wake(self._table.latency())

    def exit(self, status: ExitStatus) -> Code[None]:
        """The way out: what it holds is given back first, and nothing can hurry that."""
        self._exiting = self.uninterruptible = True
        self.status = status
        self.working_since = None
        for fd in list(self.links):
            yield from self.links.pop(fd).drop(self)
        yield self._table.latency()


class Processes:
    """All processes there are, dead or alive, and the numbers that are free.

    `pids` numbers are given out, from FIRST_PID on: in turn, or with `eager_reuse` always the lowest.
    """

    FIRST_PID = 300

    def __init__(self, clock: Clock, random: Random, *, pids: int, eager_reuse: bool) -> None:
        self.clock = clock
        self.everyone: list[Process] = []
        self.by_pid: dict[int, Process] = {}
        self.on_death: list[Callable[[Process], None]] = []
        self._random = random
        self._pids = pids
        self._eager_reuse = eager_reuse
        self._last = self.FIRST_PID - 1
        self.init = self.add(Process(self, INIT_PID, None, comm="init"))
        self.init.ignores_children = True

    def latency(self) -> int:
        """Nanoseconds that a small step inside the kernel takes."""
        return self._random.randrange(10, 300) * MICROSECOND

    def add(self, process: Process) -> Process:
        self.everyone.append(process)
        self.by_pid[process.pid] = process
        if process.parent is not None:
            process.parent.children.append(process)
        return process

    def free_pid(self) -> int:
        """EAGAIN when there is none. A number stays taken while it names a group or a session."""
        taken = {number for process in self.by_pid.values() for number in (process.pid, process.group, process.session)}
        first, count = self.FIRST_PID, self._pids
        start = first if self._eager_reuse else self._last + 1
        for offset in range(count):
            pid = first + (start - first + offset) % count
            if pid not in taken:
                self._last = pid
                return pid
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    def members(self, group: int) -> list[Process]:
        return [process for process in self.by_pid.values() if process.group == group]

    def died(self, process: Process) -> None:
        """Its code has ended: from now on it is a zombie, until somebody takes its status."""
        if process.status is None:
            process.status = ExitStatus(code=0, signal=None)
        process.died_at = self.clock.now
        if process.cgroup is not None:
            process.cgroup.leave(process)
        self._give_away(process)
        parent = process.parent
        assert parent is not None
        if parent.ignores_children and not process.unreaped:
            # The pidfd is readable before the number is free and the status stored.
            self.clock.after(self.latency(), lambda: self.reap(process))
        for tell in self.on_death:
            tell(process)

    def _give_away(self, dead: Process) -> None:
        heir = next((one for one in dead.ancestors() if one.subreaper and one.alive), self.init)
        orphans, dead.children = dead.children, []
        for orphan in orphans:
            if orphan.death_signal is not None:
                orphan.signal(orphan.death_signal)
            orphan.parent = heir
            heir.children.append(orphan)
            if not orphan.alive and heir.ignores_children:
                self.reap(orphan)

    def reap(self, process: Process) -> None:
        """Its number is free from now on."""
        if process.reaped:
            return
        process.reaped_at = self.clock.now
        del self.by_pid[process.pid]
        if process.parent is not None:
            process.parent.children.remove(process)

    def descendants(self, process: Process) -> Iterable[Process]:
        for child in process.children:
            yield child
            yield from self.descendants(child)


def ticks(nanoseconds: int) -> int:
    return nanoseconds // TICK


def seconds(nanoseconds: int) -> float:
    return nanoseconds / SECOND

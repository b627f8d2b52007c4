"""A whole simulated machine: one clock, one kernel, its processes and files, and what befalls them from outside.

All that is random is drawn from one seed, and nothing here looks at the real clock: the same seed gives the same run.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from random import Random

from scxlife.platform.sources import inotify

from . import tracefs
from .cgroups import Hierarchy
from .clock import MILLISECOND, SECOND, Clock, nanoseconds
from .descriptors import Description
from .faults import Injector
from .kernel_log import KernelLog, KernelLogDevice
from .life import live
from .nodes import Device, Disk, File, Folder, MadeUp, Node, SymbolicLink, Text, parent_of
from .outside import (
    CloseReader,
    Eject,
    FullDisk,
    Happening,
    Hotplug,
    Interrupt,
    Kill,
    Noise,
    ReadOnlyDisk,
    RemoveFile,
    ResumeReader,
    StallReader,
    Steal,
    Stranger,
    TouchFile,
)
from .pipes import Pipe
from .processes import Process, Processes
from .procfs import ProcFolder
from .profiles import Profile
from .program import Program
from .struct_ops import PINS, SchedExt
from .sysfs import sched_ext_folder
from .tracefs import Instances
from .uevents import Uevents

_BOOTED = 100 * SECOND
# Who supervises, of which there may be more, each after the end of the one before.
_SUPERVISOR = 200
#: What may have become of the number of a supervisor that was killed.
FREE, ZOMBIE, NEXT, FOREIGN = "free", "zombie", "next", "foreign"
# In less time no number comes round again.
_NUMBER_AGAIN = 20 * MILLISECOND


class Machine:
    """`supervisor` is the process that the port speaks for; `interrupted` what it does with a signal, `killed` hears
    whom it has killed by a cgroup, `descriptors` is what it has open. `started`: who was spawned by any supervisor."""

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int = 0,
        faults: Injector | None = None,
        pids: int = 4096,
        eager_reuse: bool = False,
        ignores_children: bool = False,
    ) -> None:
        self.profile = profile
        self.random = Random(seed)
        self.clock = Clock(_BOOTED)
        self.injector = faults if faults is not None else Injector((), self.random)
        self.log = KernelLog(self.clock)
        self.uevents = Uevents(reach=profile.uevents, injector=self.injector)
        self.processes = Processes(self.clock, self.random, pids=pids, eager_reuse=eager_reuse)
        self.traces = Instances()
        self.sched_ext = SchedExt(self.clock, self.random, profile, self.log, self.uevents, self.traces)
        self.cgroups = Hierarchy(
            self.clock, self.processes.latency, lambda process: self.killed(process), read_only=not profile.cgroups
        )
        self.killed: Callable[[Process], None] = lambda process: None
        self.interrupted: Callable[[int], None] = lambda number: None
        self.descriptors: Callable[[], Mapping[int, Description]] = dict
        self.started: list[Process] = []
        self._supervisors = 0
        self._pipes: list[Pipe] = []
        self._reader_does: Callable[[Pipe], None] = Pipe.resume
        self.supervisor = self.new_supervisor(ignores_children=ignores_children)
        self.disk = Disk(self.clock, dev=2)
        self.root = Folder(self.disk)
        self._furnish()

    def next_supervisor(self, former_pid: str, seconds: float, *, ignores_children: bool) -> None:
        """Another one, `seconds` after the end of the former. The former's number is free, its zombie's, the next
        one's, or that of a process that has nothing to do with either."""
        number = self.supervisor.pid
        wait = nanoseconds(seconds)
        if former_pid in (NEXT, FOREIGN):
            wait = max(wait, _NUMBER_AGAIN)
        self.clock.advance(self.clock.now + wait)
        if former_pid == FOREIGN:
            self.processes.add(Process(self.processes, number, self.processes.init, comm="foreign"))
        self.new_supervisor(ignores_children=ignores_children, pid=number if former_pid == NEXT else None)

    def new_supervisor(self, *, ignores_children: bool, pid: int | None = None) -> Process:
        """A process for the port to speak for, with the number `pid` where that is given."""
        if pid is None:
            pid = _SUPERVISOR + self._supervisors
            self._supervisors += 1
        self.supervisor = Process(self.processes, pid, self.processes.init, comm="scxlife")
        self.supervisor.ignores_children = ignores_children
        self.processes.add(self.supervisor)
        self.cgroups.root.enter(self.supervisor)
        return self.supervisor

    def _furnish(self) -> None:
        root = self.root
        for path in ("/dev", "/tmp", "/run", "/bin", "/sys", "/sys/kernel", "/sys/fs", tracefs.MOUNT):
            folder, name = parent_of(root, path)
            assert isinstance(folder, Folder)
            folder.make_folder(name)
        sys_kernel, sys_fs, dev = (self._folder(path) for path in ("/sys/kernel", "/sys/fs", "/dev"))
        root.entries["proc"] = ProcFolder(self.processes, lambda: self.supervisor, lambda: self.descriptors())
        if self.profile.sched_ext:
            sys_kernel.entries["sched_ext"] = sched_ext_folder(self.sched_ext)
        self._folder(tracefs.MOUNT).entries["instances"] = self.traces
        sys_fs.entries["cgroup"] = self.cgroups.root
        sys_fs.entries["bpf"] = MadeUp(self._pin, lambda: [path.rpartition("/")[2] for path in self.sched_ext.pins])
        dev.entries["null"] = Device()
        dev.entries["kmsg"] = KernelLogDevice(self.log, readable=self.profile.kernel_log)
        dev.entries["stdout"] = SymbolicLink("/dev/null")

    def _folder(self, path: str) -> Folder:
        folder, name = parent_of(self.root, path)
        found = folder.lookup(name)
        assert isinstance(found, Folder)
        return found

    def _pin(self, name: str) -> Node | None:
        return Text(str) if f"{PINS}/{name}" in self.sched_ext.pins else None

    # -- files and programs

    def install(self, path: str, program: Program | None, mode: int = 0o755) -> File:
        """Put a program where it can be executed."""
        folder, name = parent_of(self.root, path)
        assert isinstance(folder, Folder)
        file = folder.make_file(name, mode)
        file.program = program
        return file

    def touch(self, path: str) -> None:
        """Make the file, or write to it. Where that can't be done nothing happens: few programs look."""
        try:
            folder, name = parent_of(self.root, path)
            if not isinstance(folder, Folder):
                return
            found = folder.entries.get(name) or folder.make_file(name)
            if not isinstance(found, File):
                return
            found.append(b"")
        except OSError:
            return
        folder.notify(inotify.IN_CLOSE_WRITE, name)

    def remove(self, path: str) -> None:
        """Unlink the file, where it is one and can be."""
        with suppress(OSError):
            folder, name = parent_of(self.root, path)
            folder.unlink(name)

    # -- processes

    def start(self, parent: Process, program: Program, *, comm: str, own_group: bool = True) -> Process:
        """A new process; its program begins as soon as it has been executed. EAGAIN."""
        process = Process(
            self.processes,
            self.processes.free_pid(),
            parent,
            comm=comm,
            group=None if own_group else parent.group,
            session=parent.session,
            life=lambda process: live(self, process, program),
        )
        self.processes.add(process)
        if parent.cgroup is not None:
            parent.cgroup.enter(process)
        return process

    def fork(self, parent: Process, program: Program, *, session: bool) -> None:
        """A child that goes its own way. Without a free number there is none, and its parent goes on."""
        try:
            child = self.start(parent, program, comm=parent.comm, own_group=session)
            child.root = parent.root
        except BlockingIOError:
            return
        if session:
            child.session = child.pid
        child.output = parent.output
        for link in parent.links.values():
            link.hold(child)
        child.start()

    # -- what befalls it from outside

    def expect(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            self.clock.after(nanoseconds(happening.at), lambda happening=happening: self._happen(happening))  # type: ignore[misc]

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Interrupt():
                self.interrupted(signal.Signals[happening.signal])
            case Eject():
                self.sched_ext.eject(happening.reason)
            case Hotplug():
                self.sched_ext.hotplug()
            case Kill():
                if self.started:
                    self.started[0].signal(signal.Signals[happening.signal])
            case Stranger():
                self._stranger(happening.program)
            case Steal():
                self._steal()
            case FullDisk():
                self.disk.full = not self.disk.full
            case ReadOnlyDisk():
                self.disk.read_only = not self.disk.read_only
            case TouchFile():
                self.touch(happening.path)
            case RemoveFile():
                self.remove(happening.path)
            case StallReader():
                self._read(Pipe.stall)
            case ResumeReader():
                self._read(Pipe.resume)
            case CloseReader():
                self._read(Pipe.close)
            case Noise():
                for number in range(happening.count):
                    self.uevents.send("change", f"/devices/virtual/noise/{number}", SUBSYSTEM="noise")
                    self.log.say(f"noise: line {number}")

    def add_pipe(self, pipe: Pipe) -> None:
        """One more that its reader reads, as it does at this moment."""
        self._pipes.append(pipe)
        self._read(self._reader_does)

    def _read(self, does: Callable[[Pipe], None]) -> None:
        self._reader_does = does
        for pipe in self._pipes:
            does(pipe)

    def _stranger(self, program: Program) -> None:
        try:
            process = self.start(self.processes.init, program, comm="stranger")
        except BlockingIOError:
            return
        process.start()

    def _steal(self) -> None:
        for child in self.supervisor.children:
            if not child.alive:
                self.processes.reap(child)
                return

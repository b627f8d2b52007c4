"""One scenario from its beginning to its end: the production code on a simulated machine, and all that was seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from random import Random
from typing import Any

import attrs

from scxlife.fsm.definition import Definition
from scxlife.fsm.tape import Tape
from scxlife.lifecycle.boot_ending import BootEnding
from scxlife.lifecycle.init import FRAMES
from scxlife.lifecycle.options import boot_ending
from scxlife.lifecycle.outcomes import Outcome
from scxlife.lifecycle.outlet import Outlet, Outlets
from scxlife.lifecycle.plan import Plan, scheduler_environment
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.sim import Machine, SimKernel
from scxlife.platform.sim.caller import Stuck
from scxlife.platform.sim.clock import Endless
from scxlife.platform.sim.faults import Injector, SupervisorKilled
from scxlife.platform.sim.machine import ZOMBIE
from scxlife.platform.sim.outside import Interrupt
from scxlife.platform.sim.pipes import Pipe
from scxlife.platform.sim.processes import Process, ticks
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.struct_ops import Instance
from scxlife.platform.trace_dump import TraceDump
from scxlife.platform.vm import frames

from .scenario import Scenario, definition_of

COMMAND, PAYLOAD, LOG, READY_FILE = "/bin/scheduler", "/bin/payload", "/tmp/sched.log", "/run/ready"


@attrs.frozen
class Announcement:
    """Something that the supervision told, with what was true: when `state` was read last, what it said, of which
    scheduler, and what enable_seq was; and when the supervisor had woken up. Nanoseconds."""

    name: str
    at: int
    told: tuple[int, str, Instance | None, int]
    woke_at: int


@attrs.frozen
class Written:
    """The pipe that the tape goes to, the supervisor's descriptor of it, and what writes to that."""

    pipe: Pipe
    fd: int
    outlet: Outlet
    outlets: Outlets


@attrs.define(eq=False)
class Run:
    """`lines` are the tape's, `records` what stands in them behind the header, `woke` when the supervisor had woken up
    for each. Without an outcome, `error` is what came instead: a signal ended the supervisor, or it failed.
    `newest_link` is which link it knew to be the newest before it has started anything, `payload` what the host of a
    guest was told of the payload. `successor` is the run of the next supervisor on the same machine, after this one was
    killed."""

    scenario: Scenario
    definition: Definition
    machine: Machine
    kernel: SimKernel
    lines: list[str] = attrs.Factory(list)
    records: list[Mapping[str, Any]] = attrs.Factory(list)
    announcements: list[Announcement] = attrs.Factory(list)
    frames: list[tuple[int, str]] = attrs.Factory(list)
    woke: list[int] = attrs.Factory(list)
    outcome: Outcome | None = None
    error: BaseException | None = None
    newest_link: int | None = None
    payload: Any = None
    successor: Run | None = None
    written: Written | None = None
    # Nanoseconds that it waited for its reader behind the end.
    finishing: int = 0
    began_at: int = 0
    ended_at: int = 0
    # What the same kernel, or the same machine, had seen of earlier runs.
    _started: int = 0
    _signals: int = 0
    _waits: int = 0
    enable_seq: int = 0
    _cgroups: frozenset[str] = frozenset()

    @classmethod
    def begin(cls, scenario: Scenario, kernel: SimKernel) -> Run:
        machine = kernel.machine
        return cls(
            scenario,
            definition_of(scenario),
            machine,
            kernel,
            began_at=machine.clock.now,
            started=len(kernel.started),
            signals=len(kernel.signals_sent),
            waits=kernel.waits,
            enable_seq=machine.sched_ext.enable_seq,
            cgroups=frozenset(machine.cgroups.root.below),
        )

    @property
    def started(self) -> list[Process]:
        """Whom it has spawned: the scheduler first."""
        return self.kernel.started[self._started :]

    @property
    def process(self) -> Process | None:
        """The scheduler's, not the payload's."""
        return next((process for process in self.started if process.comm == COMMAND.rpartition("/")[2]), None)

    @property
    def signals_sent(self) -> list[tuple[int, Process]]:
        return self.kernel.signals_sent[self._signals :]

    @property
    def waits(self) -> int:
        """How often it has waited for something."""
        return self.kernel.waits - self._waits

    @property
    def cgroups(self) -> list[str]:
        """The names of those that it has made and that are still there."""
        return [name for name in self.machine.cgroups.root.below if name not in self._cgroups]

    @property
    def cgroups_before(self) -> list[str]:
        """The names of those that a supervisor has made which is dead, and that were there when this one began."""
        alive = f"-{self.kernel.process.pid}-{ticks(self.kernel.process.born)}"
        return sorted(name for name in self._cgroups if name.startswith("scxlife-") and alive not in name)

    @property
    def seconds(self) -> float:
        """Virtual seconds that it took."""
        return (self.ended_at - self.began_at) / 1e9

    def lives(self) -> Iterator[Run]:
        """This one, and those of the supervisors that came after it."""
        run: Run | None = self
        while run is not None:
            yield run
            run = run.successor

    @property
    def killed(self) -> bool:
        """Whether a signal ended the supervisor."""
        return isinstance(self.error, SupervisorKilled)

    def owns(self, process: Process) -> bool:
        """Whether it has started this process, or an ancestor of it."""
        return process.root is not None and process.root in self.started

    def inherits(self, process: Process) -> bool:
        """Whether a supervisor that ended before has started this process, or an ancestor of it."""
        spawned_by = None if process.root is None else process.root.spawned_by
        return spawned_by is not None and spawned_by is not self.kernel.process and not spawned_by.alive


def run(scenario: Scenario) -> Run:
    """Run it. Whatever the supervision raises is in the result."""
    machine = machine_for(scenario)
    machine.expect(scenario.outside)
    machine.supervisor.unreaped = scenario.former_pid == ZOMBIE
    first = latest = live(scenario, SimKernel(machine, descriptors=scenario.descriptors))
    quiet = attrs.evolve(scenario, faults=())
    while isinstance(latest.error, SupervisorKilled):
        machine.injector.replace(())
        machine.next_supervisor(scenario.former_pid, scenario.next_after, ignores_children=scenario.ignores_children)
        # What comes from outside goes on by itself: it is on the machine's clock. So it may kill the next one too.
        latest.successor = live(quiet, SimKernel(machine))
        latest = latest.successor
    return first


def machine_for(scenario: Scenario) -> Machine:
    """The machine, with its programs installed."""
    machine = Machine(
        PROFILES[scenario.kernel],
        seed=scenario.seed,
        faults=Injector(scenario.faults, Random(scenario.seed)),
        pids=scenario.pids,
        eager_reuse=scenario.eager_reuse,
        ignores_children=scenario.ignores_children,
    )
    if scenario.program is not None:
        machine.install(COMMAND, scenario.program)
    if scenario.payload is not None:
        machine.install(PAYLOAD, scenario.payload)
    return machine


def live(scenario: Scenario, kernel: SimKernel) -> Run:
    """One life on a machine that is there already."""
    seen = Run.begin(scenario, kernel)
    kernel.machine.interrupted = kernel.interrupted
    kernel.machine.expect((Interrupt(scenario.patience),))
    probe: TraceDump | None = None
    try:
        seen.written = _written(scenario, kernel)
        probe = _opened_probe(kernel, seen.definition)
        ours = supervision(seen, probe)
        seen.outcome = ours.run()
        seen.newest_link = ours.facts.newest_link
        if scenario.ready == "boot":
            _tell_the_host(seen, ours, probe)
        if seen.written is not None:
            over = kernel.clock.now
            seen.written.outlets.finish()
            seen.finishing = kernel.clock.now - over
    except (
        Exception,
        KeyboardInterrupt,
        SupervisorKilled,
        Endless,
        Stuck,
    ) as error:
        seen.error = error
    if probe is not None and kernel.process.alive:
        with suppress(OSError, KeyboardInterrupt, SupervisorKilled):
            probe.close()
    # Signals that come later are not for this life.
    kernel.machine.interrupted = lambda number: None
    if seen.written is not None and kernel.process.alive:
        for _ in range(2):  # one has come just before
            with suppress(KeyboardInterrupt):
                seen.written.outlet.give_up()
        kernel.descriptors.close(seen.written.fd)
    seen.ended_at = kernel.clock.now
    return seen


def supervision(seen: Run, probe: TraceDump | None = None) -> Supervision:
    """The production code, ready to go; what it does and tells is written into `seen`."""
    scenario, kernel, machine = seen.scenario, seen.kernel, seen.machine
    plan = Plan(
        command=COMMAND,
        environment=scheduler_environment({}),
        log_path=LOG,
        ready_file=READY_FILE if scenario.ready == "file" else None,
        payload=(PAYLOAD,) if scenario.payload is not None else (),
        unit=scenario.unit,
    )
    written = seen.written

    def tell(line: str) -> None:
        seen.lines.append(line)
        if written is not None:
            written.outlet.line(line)

    tape = Tape(seen.definition, kernel.monotonic, tell)

    def observe(record: Mapping[str, Any]) -> None:
        seen.records.append(record)
        seen.woke.append(kernel.woke_at)
        tape(record)

    def announce(name: str, facts: Mapping[str, Any]) -> None:
        seen.announcements.append(Announcement(name, machine.clock.now, machine.sched_ext.last_told, kernel.woke_at))
        seen.frames.append((frames.LIFECYCLE, FRAMES[name]))

    def on_probe(name: str, chunk: bytes) -> None:
        seen.frames.append((frames.PROBE, name))

    return Supervision(
        kernel,
        seen.definition,
        plan,
        observer=observe,
        announce=announce,
        probe=probe,
        on_probe=on_probe,
        waiter=None if written is None else written.outlets,
    )


def _written(scenario: Scenario, kernel: SimKernel) -> Written | None:
    """The pipe that the scenario wants, with its outlet."""
    output = scenario.output
    if output is None:
        return None
    pipe = Pipe(
        kernel.clock,
        capacity=output.capacity,
        every=output.every,
        at_once=output.at_once,
        terminal=output.terminal,
    )
    kernel.machine.add_pipe(pipe)
    fd = kernel.install(pipe.open(0))
    outlets = Outlets(kernel)
    outlet = outlets.add(Outlet(kernel, fd, limit=output.limit))
    return Written(pipe, fd, outlet, outlets)


class _Host:
    """Stands where PID 1's port to its host is, and keeps the frames."""

    def __init__(self, kept: list[tuple[int, str]]) -> None:
        self._kept = kept
        self.payload: Any = None

    def send(self, kind: int, payload: bytes) -> int:
        told = json.loads(payload) if kind in (frames.LIFECYCLE, frames.OUTCOME, frames.EXIT) else {}
        self._kept.append((kind, str(told.get("event", told.get("outcome", "")))))
        self.payload = told.get("payload")
        return len(self._kept)


def _tell_the_host(seen: Run, ours: Supervision, probe: TraceDump | None) -> None:
    """The end of a guest's boot, as PID 1 goes through it behind the scheduler's own run."""
    assert seen.outcome is not None
    host: Any = _Host(seen.frames)
    BootEnding(
        seen.kernel,
        host,
        boot_ending(),
        ours.plan,
        seen.outcome,
        failure=ours.facts.failure,
        name=seen.definition.name,
        probe=probe,
        on_probe=lambda name, chunk: seen.frames.append((frames.PROBE, name)),
    ).run()
    seen.payload = host.payload


def _opened_probe(kernel: SimKernel, definition: Definition) -> TraceDump | None:
    """As PID 1 does it: without a probe where there can't be one."""
    if definition.sources["probe"] is None:
        return None
    probe = TraceDump(kernel)
    try:
        probe.open()
    except OSError:
        return None
    return probe

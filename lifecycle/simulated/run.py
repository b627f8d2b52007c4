"""One scenario from its beginning to its end: the production code on a simulated machine, and all that was seen."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import Any

import attrs

from scxlife.fsm.definition import Definition
from scxlife.fsm.tape import Tape
from scxlife.lifecycle.outcomes import Outcome
from scxlife.lifecycle.plan import Plan, scheduler_environment
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.sim import Machine, SimKernel
from scxlife.platform.sim.faults import Injector, PowerCut
from scxlife.platform.sim.outside import Interrupt
from scxlife.platform.sim.processes import Process
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.struct_ops import Instance
from scxlife.platform.trace_dump import TraceDump

from .scenario import Scenario, definition_of

COMMAND, PAYLOAD, LOG, READY_FILE = "/bin/scheduler", "/bin/payload", "/tmp/sched.log", "/run/ready"


@attrs.frozen
class Announcement:
    """Something that the supervision told, with what was true: when `state` was read last, what it said, and of which
    scheduler; and when the supervisor had woken up. Nanoseconds."""

    name: str
    at: int
    told: tuple[int, str, Instance | None]
    woke_at: int


@attrs.define(eq=False)
class Run:
    """`lines` are the tape's, `records` what stands in them behind the header, `woke` when the supervisor had woken up
    for each. Without an outcome, `error` is what came instead: the supervisor was interrupted before it had begun to
    listen, lost its power, or failed."""

    scenario: Scenario
    definition: Definition
    machine: Machine
    kernel: SimKernel
    lines: list[str] = attrs.Factory(list)
    records: list[Mapping[str, Any]] = attrs.Factory(list)
    announcements: list[Announcement] = attrs.Factory(list)
    woke: list[int] = attrs.Factory(list)
    outcome: Outcome | None = None
    error: BaseException | None = None
    began_at: int = 0
    ended_at: int = 0

    @property
    def process(self) -> Process | None:
        """The first process that was started: the scheduler."""
        return self.machine.started[0] if self.machine.started else None

    @property
    def seconds(self) -> float:
        """Virtual seconds that it took."""
        return (self.ended_at - self.began_at) / 1e9


def run(scenario: Scenario) -> Run:
    """Run it. Whatever the supervision raises is in the result."""
    definition = definition_of(scenario)
    injector = Injector(scenario.faults, Random(scenario.seed))
    machine = Machine(
        PROFILES[scenario.kernel],
        seed=scenario.seed,
        faults=injector,
        pids=scenario.pids,
        eager_reuse=scenario.eager_reuse,
        ignores_children=scenario.ignores_children,
    )
    if scenario.program is not None:
        machine.install(COMMAND, scenario.program)
    if scenario.payload is not None:
        machine.install(PAYLOAD, scenario.payload)
    kernel = SimKernel(machine, descriptors=scenario.descriptors)
    seen = Run(scenario, definition, machine, kernel, began_at=machine.clock.now)
    machine.expect((*scenario.outside, Interrupt(scenario.patience)))
    plan = Plan(
        command=COMMAND,
        environment=scheduler_environment({}),
        log_path=LOG,
        ready_file=READY_FILE if scenario.ready == "file" else None,
        payload=(PAYLOAD,) if scenario.payload is not None else (),
    )

    def observe(record: Mapping[str, Any]) -> None:
        seen.records.append(record)
        seen.woke.append(kernel.woke_at)
        tape(record)

    def announce(name: str, facts: Mapping[str, Any]) -> None:
        seen.announcements.append(Announcement(name, machine.clock.now, machine.sched_ext.last_told, kernel.woke_at))

    probe: TraceDump | None = None
    try:
        probe = _opened_probe(kernel, definition)
        tape = Tape(definition, kernel.monotonic, seen.lines.append)
        supervision = Supervision(kernel, definition, plan, observer=observe, announce=announce, probe=probe)
        seen.outcome = supervision.run()
    except (Exception, KeyboardInterrupt, PowerCut) as error:  # whatever it is, it is judged by the properties
        seen.error = error
    if probe is not None and machine.supervisor.alive:
        with suppress(OSError):
            probe.close()
    seen.ended_at = machine.clock.now
    return seen


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

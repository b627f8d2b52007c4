"""Life after life on one machine: what one leaves behind, and what happens in between, is the next one's world."""

from __future__ import annotations

import os
from typing import Any

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import COMMAND, PAYLOAD, live, machine_for
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.lifecycle.simulated.strategies import scenarios, schedulers
from scxlife.platform.sim import SimKernel
from scxlife.platform.sim.clock import nanoseconds
from scxlife.platform.sim.faults import SupervisorKilled
from scxlife.platform.sim.nodes import Folder, walk
from scxlife.platform.sim.outside import Eject, FullDisk, Hotplug, Noise, ReadOnlyDisk, Stranger
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.struct_ops import ENABLED

EXAMPLES = int(os.environ.get("SCXLIFE_LIVES", "40"))
OUTSIDE = (Eject(0.0), Hotplug(0.0), Noise(0.0, 100), FullDisk(0.0), ReadOnlyDisk(0.0))


class Lives(RuleBasedStateMachine):
    @initialize(
        kernel=st.sampled_from(sorted(PROFILES)),
        seed=st.integers(0, 99),
        pids=st.sampled_from((4096, 16)),
        ignoring=st.booleans(),
    )
    def boot(self, kernel: str, seed: int, pids: int, ignoring: bool) -> None:
        world = Scenario(program=None, kernel=kernel, seed=seed, pids=pids, eager_reuse=True, ignores_children=ignoring)
        self.world = world
        self.machine = machine_for(world)
        self.kernel = SimKernel(self.machine)

    @rule(drawn=scenarios())
    def life(self, drawn: Scenario) -> None:
        """A whole one, of which the machine keeps what it keeps."""
        scenario = attrs.evolve(drawn, kernel=self.world.kernel, ignores_children=self.world.ignores_children)
        folder = walk(self.machine.root, "/bin")
        assert isinstance(folder, Folder)
        for path, program in ((COMMAND, scenario.program), (PAYLOAD, scenario.payload)):
            folder.entries.pop(path.rpartition("/")[2], None)
            if program is not None:
                self.install(path, program)
        self.machine.injector.replace(scenario.faults)
        self.machine.expect(scenario.outside)
        done = live(scenario, self.kernel)
        self.machine.injector.replace(())
        assert violations(done) == []
        if isinstance(done.error, SupervisorKilled):
            self.machine.new_supervisor(ignores_children=self.world.ignores_children)
            self.kernel = SimKernel(self.machine)

    def install(self, path: str, program: Any) -> None:
        full, read_only = self.machine.disk.full, self.machine.disk.read_only
        self.machine.disk.full = self.machine.disk.read_only = False
        self.machine.install(path, program)
        self.machine.disk.full, self.machine.disk.read_only = full, read_only

    @rule(seconds=st.sampled_from((0.001, 0.2, 3.0, 100.0)))
    def time_passes(self, seconds: float) -> None:
        self.machine.clock.advance(self.machine.clock.now + nanoseconds(seconds))

    @rule(what=st.sampled_from(OUTSIDE))
    def happens(self, what: Any) -> None:
        self.machine.expect((what,))
        self.time_passes(0.001)

    @rule(program=schedulers())
    def stranger(self, program: Any) -> None:
        self.machine.expect((Stranger(0.0, program),))
        self.time_passes(0.001)

    @invariant()
    def the_kernel_runs_one_scheduler_at_most(self) -> None:
        running = [one for one in self.machine.sched_ext.history if one.enabled_at is not None and one.ended_at is None]
        assert len(running) == (1 if self.machine.sched_ext.state == ENABLED else 0)

    @invariant()
    def a_number_names_one_process(self) -> None:
        for pid, process in self.machine.processes.by_pid.items():
            assert (process.pid, process.reaped) == (pid, False)


Lives.TestCase.settings = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=EXAMPLES,
    stateful_step_count=12,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
test_properties_hold_in_life_after_life_on_one_machine = Lives.TestCase

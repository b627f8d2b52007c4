"""What was put back and no drawn run noticed: stories in which it shows."""

from __future__ import annotations

from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import Run, run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.sim.faults import Fails
from scxlife.platform.sim.program import Attach, Exit, Program, Sleep


def story(scenario: Scenario) -> Run:
    done = run(scenario)
    assert violations(done) == []
    return done


def test_C7_a_death_is_noticed_whichever_wait_is_refused() -> None:
    program = Program((Attach(), Sleep(1.0)), end=Exit(3))
    for at in range(1, 80):
        assert story(Scenario(program=program, faults=(Fails("poll", "ENOMEM", at=at),), patience=60.0)).seconds < 5.0

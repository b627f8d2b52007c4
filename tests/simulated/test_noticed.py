"""What was put back and no drawn run noticed: stories in which it shows."""

from __future__ import annotations

from typing import Any

import pytest

from scxlife.lifecycle.outcomes import Ejected, Stopped
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import Run, run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.sim.faults import Fails, Stalls
from scxlife.platform.sim.outside import Eject, Kill
from scxlife.platform.sim.program import Attach, Exit, Fork, Program, Serve, Sleep


def story(*steps: Any, end: Exit | None = None, **more: Any) -> Run:
    """A run in which every property holds."""
    done = run(Scenario(program=Program(steps, end=end or Exit()), **more))
    assert violations(done) == []
    return done


def test_a_death_is_noticed_whichever_wait_is_refused() -> None:
    for at in range(1, 80):
        refused = (Fails("poll", "ENOMEM", at=at),)
        assert story(Attach(), Sleep(1.0), end=Exit(3), faults=refused, patience=60.0).seconds < 5.0


def test_defect_12_a_wait_that_is_refused_for_ever_ends_the_run() -> None:
    done = story(Attach(), Serve(), faults=(Fails("poll", "ENOMEM", times=1_000_000),))
    assert done.outcome is not None
    assert done.outcome.name in ("fault", "left-running")
    assert done.waits < 100


def test_defect_20_a_grandchild_goes_with_its_group_where_no_cgroup_can_be_made() -> None:
    deaf = Program((Sleep(None),), catches=(), ignores=("SIGINT", "SIGTERM"))
    done = story(Fork(deaf), Attach(), Serve(), kernel="container", patience=2.0)
    assert isinstance(done.outcome, Stopped)
    assert not [process for process in done.machine.processes.everyone if done.owns(process) and process.alive]


def test_A17_a_link_that_somebody_else_detached_is_told_as_that() -> None:
    done = story(Attach(), Sleep(None), outside=(Eject(2.0, "unregistered from user space"),))
    assert isinstance(done.outcome, Ejected)
    assert done.outcome.reason.startswith("somebody else detached its link")


def test_A17_nobody_has_detached_the_link_of_one_that_is_killed_during_a_look() -> None:
    """Between the look for its link and the look at the kernel it dies, whichever call of ours that is."""
    for call in range(150, 400, 10):
        done = story(Attach(), Sleep(None), outside=(Kill(0.12),), faults=(Stalls(call, 0.2),))
        assert not isinstance(done.outcome, Ejected), f"stalled after call {call}: {done.outcome}"


@pytest.mark.parametrize("reason", ["disabled by sysrq-S", "something that no kernel of today says"])
@pytest.mark.parametrize("status", [0, 1])
def test_A16_A24_F7_what_the_kernel_threw_out_is_ejected_whatever_its_reason_and_its_status(
    reason: str, status: int
) -> None:
    done = story(Attach(), Serve(), end=Exit(status), outside=(Eject(2.0, reason),))
    assert isinstance(done.outcome, Ejected)
    assert done.outcome.kernel_reason == reason


def test_A20_H4_a_verifier_that_takes_its_time_is_given_it() -> None:
    done = story(Attach(verify=25.0), Serve(), patience=40.0)
    assert isinstance(done.outcome, Stopped)
    assert [said.name for said in done.announcements][:1] == ["attached"]


def test_A30_a_payload_that_ends_behind_an_ejection_which_nobody_saw_is_no_stop() -> None:
    for late in range(8):
        done = story(
            Attach(),
            Sleep(None),
            kernel="container",
            payload=Program((Sleep(1.0),)),
            outside=(Eject(1.02 + 0.01 * late),),
        )
        assert isinstance(done.outcome, Ejected)


def test_defect_13_H5_what_is_attached_early_does_not_wait_its_window_out() -> None:
    done = story(Attach(), Serve(), settings={"liveness": 2.0}, patience=4.0)
    assert done.outcome is not None
    assert done.outcome.timings["run"] < 1.0

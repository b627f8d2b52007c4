"""What was put back and no drawn run noticed: stories in which it shows."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scxlife.lifecycle.link_keepers import who_keeps
from scxlife.lifecycle.outcomes import Ejected, LeftRunning, NotAttached, StartupDied, Stopped
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import Run, machine_for, run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.sim import SimKernel
from scxlife.platform.sim.faults import Fails, Stalls
from scxlife.platform.sim.outside import Eject, Interrupt, Kill, Stranger
from scxlife.platform.sim.program import Attach, Detach, Exit, Fork, Hang, Program, Serve, Sleep, Write
from scxlife.platform.vm import frames


def story(*steps: Any, end: Exit | None = None, **more: Any) -> Run:
    """A run in which every property holds."""
    done = run(Scenario(program=Program(steps, end=end or Exit()), **more))
    assert violations(done) == []
    return done


def test_a_death_is_noticed_whichever_wait_is_refused() -> None:
    for at in range(15, 26):
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


def test_A8_a_restart_behind_a_slow_disable_is_waited_for() -> None:
    steps = (Attach(end=4.0), Serve(), Attach(), Serve())
    done = story(*steps, kernel="no-network", outside=(Eject(2.0),), patience=15.0)
    assert isinstance(done.outcome, Stopped)
    assert [said.name for said in done.announcements] == ["attached", "lost", "reattached"]


def test_A8_what_the_kernel_is_still_disabling_it_has_not_let_go_of() -> None:
    done = story(Attach(pin="/sys/fs/bpf/kept", end=10.0), Serve(), outside=(Eject(2.0),), patience=15.0)
    assert isinstance(done.outcome, LeftRunning)
    assert "pinned at /sys/fs/bpf/kept" in done.outcome.reason
    assert done.outcome.kernel_reason == "runnable task stall"


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
    """The uevent comes when the kernel is done with it, long after the payload has ended; its log can not be read."""
    payload = Program((Sleep(1.0),))
    unread = []
    for at in range(15, 26):
        faults = (Fails("open", "EACCES", at=at),)
        done = story(Attach(end=3.0), Sleep(None), payload=payload, outside=(Eject(0.8),), faults=faults)
        assert done.outcome is not None
        if any("the kernel's log can't be read" in what for what in done.outcome.degraded):
            unread.append(done)
    assert unread
    for done in unread:
        assert isinstance(done.outcome, Ejected)
        assert [said.name for said in done.announcements][:2] == ["attached", "lost"]


def test_what_the_kernel_dumps_at_an_ejection_goes_to_the_host_of_a_guest() -> None:
    done = story(Attach(), Sleep(None), ready="boot", outside=(Eject(0.8),))
    assert isinstance(done.outcome, Ejected)
    assert [name for kind, name in done.frames if kind == frames.PROBE]
    # As it comes, and not only when all is over.
    assert any(record["kind"] == "event" and record["event"] == "dumped" for record in done.records)


def test_a_payload_that_can_not_be_ended_is_told_to_the_host_of_a_guest_without_a_scheduler() -> None:
    done = run(Scenario(program=None, payload=Program((Hang(),)), ready="boot", patience=2.0))
    assert violations(done) == []
    assert done.payload == {"exit": None, "error": "it is still there after SIGKILL"}


def test_a_cgroup_that_can_not_be_removed_is_told_and_the_run_ends_as_it_does() -> None:
    done = story(Attach(), Serve(), faults=(Fails("rmdir", "EBUSY", times=100),), patience=1.0)
    assert isinstance(done.outcome, Stopped)
    assert [what for what in done.outcome.degraded if "is left: Device or resource busy" in what]


def test_defect_13_H5_what_is_attached_early_does_not_wait_its_window_out() -> None:
    done = story(Attach(), Serve(), settings={"liveness": 2.0}, patience=4.0)
    assert done.outcome is not None
    assert done.outcome.timings["run"] < 1.0


def test_a_verifier_that_never_ends_is_told_with_the_time_that_it_took() -> None:
    done = story(Attach(verify=100.0), Serve(), patience=200.0)
    assert isinstance(done.outcome, NotAttached)
    assert re.search(r"\(\d\d\.\d s of it in the kernel\)", done.outcome.reason)
    assert done.outcome.phase == "attach"


def test_who_sleeps_takes_no_time_in_the_kernel_and_none_is_told() -> None:
    done = story(Sleep(None), patience=200.0)
    assert isinstance(done.outcome, NotAttached)
    assert "in the kernel" not in done.outcome.reason


def test_the_kernels_reason_is_told_with_what_came_of_it_and_only_then() -> None:
    thrown_out = story(Attach(), Serve(), outside=(Eject(2.0, "runnable task stall"),)).outcome
    assert thrown_out is not None
    assert "runnable task stall)" in thrown_out.reason
    assert thrown_out.phase == "run"
    stopped = story(Attach(), Serve(), patience=2.0).outcome
    assert stopped is not None
    assert "(" not in stopped.reason


def test_a_log_that_can_not_be_looked_at_is_lost_and_nothing_else() -> None:
    done = story(Attach(), Serve(), faults=(Fails("fstat", "EIO"),), patience=2.0)
    assert isinstance(done.outcome, Stopped)
    assert (done.outcome.log_lost or "").startswith("/tmp/sched.log: EIO: ")
    assert done.outcome.log_path is None


@pytest.mark.parametrize("kernel", ["7.2", "container"], ids=["in its cgroup", "in its group"])
def test_who_does_not_end_is_named_and_so_is_what_is_left_behind(kernel: str) -> None:
    done = story(Fork(Program((Hang(None),))), Attach(), Serve(), kernel=kernel, patience=2.0)
    assert isinstance(done.outcome, LeftRunning)
    (left,) = [process for process in done.machine.processes.everyone if done.owns(process) and process.alive]
    assert f"(pid {left.pid})" in done.outcome.reason


@pytest.mark.parametrize(
    ("kernel", "ready", "told"),
    [("no-sched-ext", "sched_ext", True), ("7.2", "sched_ext", False), ("no-sched-ext", "file", False)],
)
def test_who_dies_early_where_there_is_no_sched_ext_is_told_so(kernel: str, ready: str, told: bool) -> None:
    done = story(end=Exit(3), kernel=kernel, ready=ready)
    assert isinstance(done.outcome, StartupDied)
    assert ("sched_ext sysfs absent" in done.outcome.reason) == told


def test_an_outcome_has_its_times_and_the_whole_log() -> None:
    done = story(Attach(), Serve(), patience=2.0)
    assert done.outcome is not None
    assert done.outcome.timings["stop"] == pytest.approx(2.0, abs=0.05)
    assert done.outcome.timings["end"] == pytest.approx(done.seconds, abs=0.05)
    assert done.outcome.log_dropped == 0


def test_a_stranger_that_was_first_is_named() -> None:
    theirs = Stranger(0.1, Program((Attach(), Serve())))
    done = story(Sleep(0.5), Attach(verify=20.0), Serve(), outside=(theirs,), patience=30.0)
    assert isinstance(done.outcome, NotAttached)
    assert done.outcome.owner is not None
    assert f"({done.outcome.owner['command']}, pid {done.outcome.owner['pid']})" in done.outcome.reason


ISOLATED = Write("not compatible with isolcpus\n")


def test_a_known_cause_is_looked_for_where_it_never_attached() -> None:
    died = story(ISOLATED, end=Exit(1)).outcome
    stopped = story(Attach(), ISOLATED, Serve(), patience=2.0).outcome
    assert died is not None and stopped is not None
    assert (died.cause, stopped.cause) == ("isolcpus", None)


def test_a_cgroup_that_can_not_be_killed_is_told() -> None:
    told = set[str]()
    for at in range(1, 12):
        done = story(Attach(), Serve(), faults=(Fails("write", "EIO", at=at),), patience=2.0)
        assert done.outcome is not None
        told.update(done.outcome.degraded)
    assert [said for said in told if said.startswith("the cgroup could not be killed: ")]


def test_a_log_that_is_too_long_loses_its_beginning() -> None:
    done = story(Attach(), Write("x" * 39_999 + "\n"), Sleep(1.0), Serve(), settings={"log_limit": 8192}, patience=4.0)
    assert done.outcome is not None
    assert 40_000 - 8192 - 4096 <= done.outcome.log_dropped < 40_000


def test_where_nobody_keeps_a_scheduler_that_is_said() -> None:
    kernel = SimKernel(machine_for(Scenario()))
    assert who_keeps(kernel) == "by nobody who could be found"


def test_Q7_one_that_lets_go_and_is_asked_to_end_meanwhile_has_stopped() -> None:
    """A service manager asks both at once, and the scheduler is the first to obey."""
    done = story(Attach(end=3.0), Serve(), outside=(Kill(2.0, "SIGTERM"), Interrupt(2.5)), patience=15.0)
    assert "lost" in [said.name for said in done.announcements]
    assert isinstance(done.outcome, Stopped)


def test_A17_one_that_lets_go_and_stays_is_ejected_by_nobody() -> None:
    done = story(Attach(), Sleep(1.5), Detach(), Sleep(None), patience=15.0)
    assert isinstance(done.outcome, Ejected)
    assert done.outcome.reason.startswith("it let go of its own link")


def test_A8_a_loss_is_told_when_the_log_tells_it_however_long_the_disable_takes() -> None:
    done = story(Attach(end=5.0), Serve(), outside=(Eject(2.0),), patience=15.0)
    (lost,) = [said for said in done.announcements if said.name == "lost"]
    assert lost.at - done.began_at < 2.1 * 1e9


def test_what_took_the_place_of_one_that_let_go_is_said_to_have_replaced_it() -> None:
    other = Program((Attach(name="other"), Sleep(None)))
    done = story(Attach(), Sleep(1.5), Detach(), Sleep(None), outside=(Stranger(2.0, other),), patience=15.0)
    assert isinstance(done.outcome, Ejected)
    assert done.outcome.reason.startswith("another scheduler has taken its place")


def test_where_nobody_tells_why_it_was_lost_nobody_is_blamed() -> None:
    done = story(Attach(), Sleep(1.5), Detach(), Sleep(None), kernel="container", patience=15.0)
    assert isinstance(done.outcome, Ejected)
    assert done.outcome.reason.startswith("the kernel no longer ran it, and why is not known (attached for ")

"""Stories on the simulated machine: what real kernels do too seldom, too slowly, or not on demand."""

from __future__ import annotations

import errno
import signal
from typing import Any

import attrs
import pytest

from scxlife.lifecycle.outcomes import (
    Ejected,
    Exited,
    LeftRunning,
    NotAttached,
    Outcome,
    SpawnFailed,
    StartupDied,
    Stopped,
)
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import Run, live, machine_for, run
from scxlife.lifecycle.simulated.scenario import Output, Scenario
from scxlife.platform.kernel import ExitStatus
from scxlife.platform.sim import SimKernel
from scxlife.platform.sim.caller import Stuck
from scxlife.platform.sim.cgroups import CgroupNode
from scxlife.platform.sim.clock import nanoseconds
from scxlife.platform.sim.faults import ERRNOS, Fails, IsKilled, LosesUevents, Stalls, WakesUp
from scxlife.platform.sim.outside import (
    CloseReader,
    Eject,
    FullDisk,
    Happening,
    Hotplug,
    Interrupt,
    Kill,
    Noise,
    ReadOnlyDisk,
    ResumeReader,
    StallReader,
    Steal,
    Stranger,
)
from scxlife.platform.sim.pipes import Pipe
from scxlife.platform.sim.processes import ticks
from scxlife.platform.sim.program import Attach, Exit, Fork, Hang, Program, Serve, Sleep, Step, Write

KERNELS = ("6.12", "6.17", "7.2", "7.3")
UNIT = "5ca1ab1e5ca1ab1e"
DEAF: dict[str, Any] = {"catches": (), "ignores": ("SIGINT", "SIGTERM")}


def program(*steps: Step, **more: Any) -> Program:
    return Program(steps=steps, **more)


SCHEDULER = program(Attach(), Serve())


def story(told: Program | None = SCHEDULER, **more: Any) -> Run:
    """A run in which every property holds."""
    done = run(Scenario(program=told, **more))
    assert violations(done) == []
    return done


def outcome(told: Program | None = SCHEDULER, **more: Any) -> Outcome:
    done = story(told, **more)
    assert done.outcome is not None
    return done.outcome


def moves(done: Run) -> list[str]:
    """The states it went through."""
    steps = [record for record in done.records if record["kind"] == "step" and record["cell"] == "go"]
    return [steps[0]["state"], *(step["to"] for step in steps if step["to"] != step["state"])]


def when(done: Run, event: str) -> float:
    """Seconds from the beginning to the delivery of an event."""
    first = next(record for record in done.records if record["kind"] == "step" and record["event"] == event)
    return float(first["t"]) - done.began_at / 1e9


# -- the way there


@pytest.mark.parametrize("kernel", KERNELS)
def test_A1_A6_F1_attached_is_said_of_every_version_whatever_it_shows_first(kernel: str) -> None:
    done = story(program(Attach(init=0.5), Serve()), kernel=kernel)
    assert isinstance(done.outcome, Stopped)
    assert 0.5 < when(done, "ready") < 0.65


@pytest.mark.parametrize("kernel", KERNELS)
def test_A3_F2_an_enable_that_fails_is_refused_though_bpf_said_success(kernel: str) -> None:
    told = outcome(program(Attach(verify=1.1, init=0.2, fails="ENOMEM"), Sleep(None)), kernel=kernel)
    assert isinstance(told, NotAttached)
    assert "refused" in told.reason
    assert told.kernel_reason == "ops.init() failed (-12)"


def test_A5_what_is_thrown_out_while_it_is_enabled_was_never_attached() -> None:
    told = outcome(program(Attach(verify=1.1, init=0.5), Sleep(None)), outside=(Eject(1.3),))
    assert isinstance(told, NotAttached)


def test_row_9_defect_2_a_death_during_the_attach_wait_is_said_at_once() -> None:
    done = story(program(Sleep(3.0), end=Exit(7)))
    assert isinstance(done.outcome, NotAttached)
    assert "died while attaching" in done.outcome.reason
    assert done.outcome.exit == {"code": 7}
    assert done.seconds < 3.1


def test_row_12_a_death_in_the_same_wake_up_beats_ready_and_the_deadline() -> None:
    # Attached at 0.9 s, dead at 1.0 s, both seen at a minute and more, when all deadlines are over too.
    for at in range(120, 300, 20):
        done = story(program(Attach(verify=0.9), Sleep(0.1), end=Exit(3)), faults=(Stalls(at, 70.0),), patience=90.0)
        assert isinstance(done.outcome, StartupDied)
        assert done.outcome.exit == {"code": 3}
        assert "attached" not in {said.name for said in done.announcements}


@pytest.mark.parametrize("kernel", KERNELS)
def test_B5_an_overflow_of_the_uevents_costs_nothing_but_a_look(kernel: str) -> None:
    done = story(kernel=kernel, outside=(Noise(0.02, 500),), faults=(LosesUevents(1, 9, told=True),))
    assert isinstance(done.outcome, Stopped)
    assert when(done, "ready") < 0.2


def test_B10_uevents_of_others_change_nothing_but_the_number_of_looks() -> None:
    noise = tuple(Noise(0.001 * number, 3) for number in range(2000))
    quiet, noisy = story(patience=3.0), story(patience=3.0, outside=noise)
    assert moves(quiet) == moves(noisy)


def test_a_scheduler_whose_uevents_are_lost_is_found_by_the_cadence() -> None:
    done = story(faults=(LosesUevents(1, 9),), patience=3.0)
    assert isinstance(done.outcome, Stopped)
    assert when(done, "ready") < 0.2


# -- while it runs


def test_row_13_a_stranger_who_takes_the_slot_ends_it_as_ejected_and_is_left_alone() -> None:
    stranger = program(Attach(name="stranger", verify=0.0), Sleep(None))
    done = story(outside=(Eject(2.0), Stranger(2.01, stranger)))
    assert isinstance(done.outcome, Ejected)
    assert done.machine.sched_ext.present is not None
    assert done.machine.sched_ext.present.name == "stranger"


def test_A4_a_hotplug_between_load_and_attach_is_retried_by_the_process() -> None:
    retrying = program(Attach(verify=0.5), Attach(verify=0.1), Serve())
    done = story(retrying, outside=(Hotplug(0.3),), patience=4.0)
    assert isinstance(done.outcome, Stopped)
    assert done.outcome.generation == 1


def test_A8_a_slow_disable_is_waited_for_before_anything_is_called_gone() -> None:
    done = story(program(Attach(end=2.5), Serve()), patience=3.0)
    assert isinstance(done.outcome, Stopped)
    assert done.seconds > 5.4


def test_A15_what_lingers_after_its_ejection_is_ended_after_the_grace() -> None:
    done = story(program(Attach(), Sleep(None), catches=()), outside=(Eject(2.0),))
    assert isinstance(done.outcome, Ejected)
    assert done.outcome.kernel_reason == "runnable task stall"
    assert 5.0 < done.seconds < 5.2


def test_A19_F9_what_was_killed_while_it_is_enabled_may_flash_and_is_gone() -> None:
    done = story(
        program(Attach(init=4.0), Sleep(None)), outside=(Interrupt(1.5), Interrupt(1.6)), settings={"kill_timeout": 5.0}
    )
    assert isinstance(done.outcome, Stopped)
    assert done.outcome.exit == {"signal": signal.SIGKILL}
    assert [instance.enabled_at is not None for instance in done.machine.sched_ext.history] == [True]


def test_A18_a_pinned_link_keeps_it_in_the_kernel_and_that_is_told() -> None:
    told = outcome(program(Attach(pin="/sys/fs/bpf/kept"), Serve()), patience=2.0)
    assert isinstance(told, LeftRunning)
    assert "/sys/fs/bpf/kept" in told.reason


def test_E5_a_grandchild_in_a_session_of_its_own_goes_with_its_cgroup() -> None:
    done = story(program(Fork(program(Sleep(None), **DEAF), session=True), Attach(), Serve()), patience=2.0)
    assert isinstance(done.outcome, Stopped)
    assert not [process for process in done.machine.processes.everyone if done.owns(process) and process.alive]


# -- its end


def test_row_6_defect_4_every_zombie_is_reaped_whatever_the_start_came_to() -> None:
    for told in (program(end=Exit(1)), program(Sleep(2.0)), program(Attach(fails="EIO")), program(Exit(signal=11))):
        done = story(told)
        assert done.process is not None
        assert done.process.reaped


def test_row_14_Q3_Q4_defect_7_what_does_not_die_of_sigkill_is_told_and_waited_for_with_a_bound() -> None:
    done = story(program(Hang(None)), patience=3.0)
    assert isinstance(done.outcome, LeftRunning)
    assert "still there after SIGKILL" in done.outcome.reason
    assert done.seconds < 3.0 + 10.0 + 2.0 + 1.0


def test_row_14_what_dies_a_little_late_is_no_failure() -> None:
    done = story(
        program(Attach(), Hang(4.0), Sleep(None)), patience=2.0, settings={"stop_grace": 1.0, "kill_timeout": 3.0}
    )
    assert isinstance(done.outcome, Stopped)


def test_row_16_C1_F11_defect_5_a_number_that_was_given_to_a_stranger_is_never_signalled() -> None:
    # One dies at 5 ms, and the lowest number goes to whoever comes next; a grandchild keeps the run going.
    strangers = tuple(Stranger(0.002 * number, program(Sleep(None))) for number in range(1, 20))
    told = program(Fork(program(Sleep(None), **DEAF), session=True), Sleep(0.005), end=Exit(1))
    for ignoring in (False, True):
        done = story(told, pids=6, eager_reuse=True, ignores_children=ignoring, outside=strangers, kernel="6.12")
        assert isinstance(done.outcome, StartupDied)
        assert done.process is not None
        namesakes = [one for one in done.machine.processes.everyone if one.pid == done.process.pid]
        assert [(one.comm, one.alive) for one in namesakes] == [("scheduler", False), ("stranger", True)]


@pytest.mark.parametrize("number", ERRNOS["pidfd_open"])
def test_C6_a_process_that_can_not_be_watched_is_ended_and_the_errno_told(number: str) -> None:
    done = story(faults=(Fails("pidfd_open", number),))
    assert isinstance(done.outcome, SpawnFailed)
    assert number in done.outcome.reason
    assert done.process is not None
    assert done.process.reaped


def test_C6_without_pidfds_nothing_is_supervised() -> None:
    told = outcome(kernel="no-pidfd")
    assert isinstance(told, SpawnFailed)
    assert "ENOSYS" in told.reason


def test_C6_Q3_what_can_not_be_watched_and_does_not_die_is_told_and_waited_for_with_a_bound() -> None:
    done = story(program(Hang(60.0)), kernel="no-pidfd")
    assert isinstance(done.outcome, LeftRunning)
    assert "still there after SIGKILL" in done.outcome.reason and "ENOSYS" in done.outcome.reason
    assert 2.0 <= done.seconds < 3.0
    assert done.process is not None and done.process.alive


def test_C6_a_payload_that_can_not_be_watched_is_ended_and_the_errno_told() -> None:
    faults = (Fails("pidfd_open", "EMFILE", at=2),)
    done = story(payload=program(Sleep(60.0)), faults=faults, patience=30.0)
    assert isinstance(done.outcome, Stopped)
    assert done.outcome.payload == {"exit": {"signal": 9}, "error": "/bin/payload: EMFILE: Too many open files"}
    assert done.seconds < 1.0
    assert all(started.reaped for started in done.started)


def test_C6_a_payload_that_can_not_be_watched_and_does_not_die_keeps_nobody_for_ever() -> None:
    faults = (Fails("pidfd_open", "EMFILE", at=2),)
    done = story(payload=program(Hang(60.0)), faults=faults, patience=1.0)
    assert isinstance(done.outcome, LeftRunning)
    assert "the payload is still there after SIGKILL" in done.outcome.reason
    assert done.seconds < 10.0


def test_C3_C6_a_process_that_was_gone_before_its_pidfd_has_died() -> None:
    told = [outcome(program(end=Exit(4)), ignores_children=True, seed=seed) for seed in range(20)]
    assert {type(one) for one in told} == {StartupDied}
    assert {None if one.exit is None else one.exit["code"] for one in told} <= {None, 4}


def test_row_17_C2_C5_the_status_is_the_process_own_or_unknown() -> None:
    for kernel, exit_info in (("7.2", True), ("6.12", False), ("no-pidfd-info", False)):
        told = outcome(program(Sleep(0.3), end=Exit(9)), kernel=kernel, ignores_children=True)
        assert told.exit == ({"code": 9} if exit_info else None)


def test_C9_a_child_whose_status_was_stolen_is_dead_and_unknown() -> None:
    told = outcome(program(Sleep(0.3), end=Exit(9)), kernel="6.12", outside=(Steal(0.3001), Steal(0.301), Steal(0.302)))
    assert isinstance(told, StartupDied)


def test_C18_Q5_a_stopped_process_hears_the_end() -> None:
    done = story(outside=(Kill(1.0, "SIGSTOP"),), patience=2.0)
    assert isinstance(done.outcome, Stopped)
    assert done.outcome.exit == {"code": 0}


def test_D4_a_slow_exec_delays_and_loses_nothing() -> None:
    done = story(program(Attach(), Serve(), exec_takes=30.0), patience=40.0)
    assert isinstance(done.outcome, Stopped)
    assert done.outcome.timings["run"] < 1.0


def test_D8_a_hang_up_during_the_end_does_not_call_it_off() -> None:
    deaf = program(Attach(), Sleep(None), **DEAF)
    done = story(deaf, outside=(Interrupt(2.0, "SIGTERM"), Interrupt(3.0, "SIGHUP")))
    assert isinstance(done.outcome, Stopped)
    assert moves(done)[-6:] == ["stopping", "killing", "reaping", "sweeping", "dismissing", "done"]


def test_Q6_H2_deadlines_that_were_slept_through_together_come_after_the_facts() -> None:
    done = story(program(Attach(verify=2.0), Serve()), faults=(Stalls(100, 70.0),), patience=90.0)
    assert isinstance(done.outcome, Stopped)
    assert "attached" in {said.name for said in done.announcements}


def test_Q7_defect_8_a_signal_to_what_has_just_died_is_no_failure() -> None:
    for moment in (2.0, 1.9999, 1.9995, 2.0001):
        done = story(program(Attach(), Sleep(None)), outside=(Kill(moment), Interrupt(2.0)))
        assert isinstance(done.outcome, (Stopped, Exited))


@pytest.mark.parametrize("at", [0.01, 0.053, 0.06, 0.07, 0.5, 1.0, 1.001, 2.0, 5.0])
@pytest.mark.parametrize("told", [SCHEDULER, program(Sleep(None)), program(Attach(verify=0.9, init=1.0), Serve())])
def test_Q8_K12_a_stop_is_answered_at_every_moment_and_so_is_a_second_one(told: Program, at: float) -> None:
    for second in (at + 0.001, at + 0.5, at + 20):
        done = story(told, outside=(Interrupt(at), Interrupt(second)), patience=60.0)
        assert isinstance(done.outcome, Stopped)


def test_H1_the_wall_clock_is_never_asked() -> None:
    """The port has none: all times of a run are those of the monotonic clock, to the nanosecond the same each time."""
    assert story().lines == story().lines


# -- what the system refuses


@pytest.mark.parametrize("call", ["uevent_socket", "inotify_init"])
@pytest.mark.parametrize("number", ["EMFILE", "ENOMEM"])
def test_C7_what_can_not_be_watched_is_looked_at_and_the_outcome_says_so(call: str, number: str) -> None:
    told = outcome(faults=(Fails(call, number, times=1000),), patience=3.0)
    assert isinstance(told, Stopped)
    assert call == "inotify_init" or any("no uevents" in what for what in told.degraded)


def test_C12_what_fails_on_the_way_leaves_no_descriptor_behind() -> None:
    for call, number in (
        ("stat", "EIO"),
        ("read", "EIO"),
        ("listdir", "ENOMEM"),
        ("readlink", "ENOMEM"),
        ("pread", "EIO"),
    ):
        for at in range(1, 40, 3):
            story(faults=(Fails(call, number, at=at),), patience=1.0)


def test_a_wake_up_that_comes_too_early_or_too_late_changes_only_the_time() -> None:
    for at in range(1, 12):
        assert isinstance(outcome(faults=(WakesUp(at),), patience=3.0), Stopped)
        assert isinstance(outcome(faults=(WakesUp(at, late=2.0),), patience=30.0), Stopped)


@pytest.mark.parametrize("at", [1, 30, 60, 90, 150, 300])
def test_L2_K10_the_scheduler_ends_with_a_killed_supervisor(at: int) -> None:
    done = story(faults=(IsKilled(at),), next_after=3.0)
    assert done.outcome is None
    assert done.process is None or done.process.status == ExitStatus(code=None, signal=signal.SIGKILL)
    assert done.successor is not None
    assert isinstance(done.successor.outcome, Stopped)


def test_L2_a_deaf_scheduler_ends_with_a_killed_supervisor() -> None:
    done = story(program(Attach(), Serve(), **DEAF), outside=(Interrupt(2.0, "SIGKILL"),), next_after=0.1)
    assert done.process is not None
    assert done.process.status == ExitStatus(code=None, signal=signal.SIGKILL)


@pytest.mark.parametrize("of", ["a living supervisor", "another user", "another unit"])
def test_L2_what_somebody_else_started_is_left_alone(of: str) -> None:
    scenario = Scenario(program=SCHEDULER, unit=UNIT, patience=3.0)
    machine = machine_for(scenario)
    other = machine.start(
        machine.processes.init, program(Sleep(None if of == "a living supervisor" else 0.0)), comm="x"
    )
    child = machine.start(other, program(Sleep(None)), comm="child")
    unit = "0123456789abcdef" if of == "another unit" else UNIT
    name = f"scxlife-{unit}-{other.pid}-{ticks(other.born)}"
    machine.cgroups.root.make_folder(name)
    cgroup = machine.cgroups.root.below[name]
    assert isinstance(cgroup, CgroupNode)
    cgroup.uid = 1000 if of == "another user" else 0
    cgroup.enter(child)
    child.start()
    other.start()
    machine.clock.advance(machine.clock.now + nanoseconds(1.0))
    done = live(scenario, SimKernel(machine))
    assert violations(done) == []
    assert isinstance(done.outcome, Stopped)
    assert child.alive
    assert other.alive is (of == "a living supervisor")


def test_L2_an_empty_cgroup_of_a_killed_supervisor_is_removed() -> None:
    done = story(outside=(Interrupt(2.0, "SIGKILL"),), next_after=0.1)
    assert done.successor is not None
    assert len(done.successor.cgroups_before) == 1
    assert not done.machine.cgroups.root.below


def test_L2_the_payload_ends_with_a_killed_supervisor() -> None:
    done = story(payload=program(Sleep(None)), outside=(Interrupt(2.0, "SIGKILL"),))
    assert [process.status for process in done.started] == [ExitStatus(code=None, signal=signal.SIGKILL)] * 2


TREE = program(Fork(program(Sleep(None)), session=True), Attach(), Serve())


@pytest.mark.parametrize("former_pid", ["free", "zombie", "next", "foreign"])
def test_L2_the_next_supervisor_ends_what_a_killed_one_left(former_pid: str) -> None:
    done = story(TREE, former_pid=former_pid, next_after=0.1, unit=UNIT, outside=(Interrupt(2.0, "SIGKILL"),))
    assert done.successor is not None
    assert "evicting" in moves(done.successor)
    assert isinstance(done.successor.outcome, Stopped)
    assert done.successor.outcome.leftovers == "pid 301 (scheduler), left by supervisor 200, which is gone"


@pytest.mark.parametrize(
    ("told", "more"),
    [
        (TREE, {"settings": {"keep_leftovers": True}}),
        (program(Fork(program(Hang(None)), session=True), Attach(), Serve()), {}),
        (attrs.evolve(SCHEDULER, set_user_id=True), {"settings": {"keep_leftovers": True}}),
        (attrs.evolve(SCHEDULER, **DEAF), {"settings": {"parent_death_signal": "SIGTERM", "keep_leftovers": True}}),
        (attrs.evolve(SCHEDULER, **DEAF), {"settings": {"parent_death_signal": None, "keep_leftovers": True}}),
        (program(Fork(program(Sleep(None))), Hang(60.0)), {}),
    ],
)
def test_L2_what_a_killed_supervisor_left_is_reported(told: Program, more: dict[str, Any]) -> None:
    done = story(told, next_after=0.1, unit=UNIT, outside=(Interrupt(0.5, "SIGKILL"),), **more)
    assert done.successor is not None
    assert done.successor.outcome is not None
    assert "left by supervisor 200, which is gone" in str(done.successor.outcome.leftovers)


def test_L2_without_a_key_leftovers_are_reported_and_kept() -> None:
    done = story(TREE, next_after=0.1, outside=(Interrupt(2.0, "SIGKILL"),))
    assert done.successor is not None
    assert done.successor.outcome is not None
    assert [what for what in done.successor.outcome.degraded if "left by supervisor 200, which is gone" in what]


def test_L2_supervisor_after_supervisor_may_be_killed() -> None:
    kills = tuple(Interrupt(at, "SIGKILL") for at in (1.0, 2.0, 3.0, 3.001, 4.0))
    done: Run | None = story(TREE, outside=kills, next_after=0.1, unit=UNIT, former_pid="next")
    count = 0
    while done is not None and done.killed:
        count, done = count + 1, done.successor
    assert count >= 3
    assert done is not None and isinstance(done.outcome, Stopped)


OUTPUTS = (
    Output(),
    Output(capacity=4096),
    Output(capacity=4096, limit=1000),
    Output(capacity=4096, limit=1000, terminal=True),
    Output(capacity=4096, limit=2000, every=1.9, at_once=100),
)
READERS: dict[str, tuple[Happening, ...]] = {
    "reads": (),
    "never reads": (StallReader(0.0),),
    "reads again": (StallReader(0.0), ResumeReader(2.0)),
    "goes away": (StallReader(0.1), CloseReader(3.0)),
    "was never there": (CloseReader(0.0),),
    "reads on and off": tuple(one for at in (0.1, 1.1, 2.1) for one in (StallReader(at), ResumeReader(at + 0.5))),
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("reader", READERS)
def test_L3_a_run_ends_the_same_whatever_its_reader_does(reader: str, output: Output) -> None:
    done = story(output=output, outside=READERS[reader], patience=4.0)
    assert isinstance(done.outcome, Stopped)
    assert done.written is not None
    assert done.seconds - done.finishing / 1e9 < 5.2
    if reader == "never reads":
        assert done.finishing < 2_500_000_000
        assert not done.written.pipe.received


def test_L3_a_write_that_waits_for_its_reader_is_found() -> None:
    machine = machine_for(Scenario())
    kernel = SimKernel(machine)
    pipe = Pipe(machine.clock, capacity=4096, every=0.5, at_once=100)
    fd = kernel.install(pipe.open(0))
    assert kernel.write(fd, bytes(4196)) == 4196
    assert kernel.held_up >= 500_000_000
    with pytest.raises(BlockingIOError):
        kernel.write_now(fd, b"more")
    pipe.stall()
    with pytest.raises(Stuck):
        kernel.write(fd, b"more")
    pipe.close()
    with pytest.raises(BrokenPipeError):
        kernel.write_now(fd, b"more")


@pytest.mark.parametrize(("disk", "lost"), [(FullDisk(0.0), "ENOSPC"), (ReadOnlyDisk(0.0), "EROFS")])
def test_I2_G5_a_log_on_a_full_or_read_only_disk_is_lost_and_nothing_else(disk: Happening, lost: str) -> None:
    told = outcome(program(Write(size=9000), Attach(), Serve()), outside=(disk,), patience=2.0)
    assert isinstance(told, Stopped)
    assert told.log_lost is not None
    assert lost in told.log_lost


def test_the_same_story_with_another_seed_is_the_same_story() -> None:
    assert {tuple(moves(story(seed=seed))) for seed in range(20)} == {tuple(moves(story()))}


def test_errnos_in_scenarios_are_called_by_their_names() -> None:
    with pytest.raises(ValueError, match="EWHAT"):
        attrs.evolve(Attach(), fails="EWHAT")
    assert errno.errorcode[errno.ENOMEM] == "ENOMEM"


# -- what its log says of the end


STALL = "EXIT: runnable task stall (kworker/0:1[9] failed to run for 5.0s)\n"
REJECTED = """libbpf: prog 'mine_enqueue': BPF program load failed: -EACCES
libbpf: prog 'mine_enqueue': -- BEGIN PROG LOAD LOG --
; p->scx.slice = 0; @ mine.bpf.c:12
2: (7b) *(u64 *)(r1 +0) = r2
R1 invalid mem access 'scalar'
processed 3 insns (limit 1000000)
-- END PROG LOAD LOG --
"""


@pytest.mark.parametrize("said", [STALL, f"Error: {STALL}", f"a dump\n\n{STALL}", STALL.replace("\n", "\r\n")])
@pytest.mark.parametrize("after", [0, 20_000, 600_000], ids=["last", "before the tail", "pieces away"])
def test_L15_an_exit_line_is_found_wherever_it_stands(said: str, after: int) -> None:
    steps = (Attach(), Serve(), Write("a line before it\n" * 20_000), Write(said), Write(size=after))
    told = outcome(program(*steps, end=Exit(1)), kernel="container", outside=(Eject(2.0),))
    assert isinstance(told, Ejected)
    assert told.kernel_reason == STALL.strip().removeprefix("EXIT: ")
    assert told.kernel_reason in told.reason


def test_L15_an_exit_line_inside_a_line_is_none() -> None:
    steps = (Attach(), Sleep(1.0), Write(f"it prints {STALL}"), Serve())
    told = outcome(program(*steps), kernel="container", patience=3.0)
    assert (type(told), told.kernel_reason) == (Stopped, None)


def test_L15_the_exit_line_of_an_earlier_generation_is_not_the_reason() -> None:
    again = program(Attach(), Serve(), Write(STALL), Attach(), Serve())
    told = outcome(again, kernel="container", outside=(Eject(2.0),), patience=5.0)
    assert (type(told), told.generation, told.kernel_reason) == (Stopped, 2, None)
    later = program(Attach(), Serve(), Write("EXIT: first\n"), Attach(), Serve(), Write(STALL), end=Exit(1))
    told = outcome(later, kernel="container", outside=(Eject(2.0), Eject(5.0)), patience=9.0)
    assert (type(told), told.generation) == (Ejected, 2)
    assert told.kernel_reason == STALL.strip().removeprefix("EXIT: ")


@pytest.mark.parametrize("before", [0, 20_000, 600_000])
@pytest.mark.parametrize("after", [0, 20_000, 600_000])
def test_L15_a_rejection_is_named_however_long_the_log_is(before: int, after: int) -> None:
    steps = (Write(size=before), Write(REJECTED), Write(size=after))
    told = outcome(program(*steps, end=Exit(1)))
    assert isinstance(told, StartupDied)
    assert told.cause == "verifier" and told.hint
    assert told.verifier == {
        "program": "mine_enqueue",
        "source": "mine.bpf.c:12: p->scx.slice = 0;",
        "message": "R1 invalid mem access 'scalar'",
    }


@pytest.mark.parametrize(("at", "times"), [(6, 1), (8, 1), (2, 9)])
def test_L15_an_error_while_the_log_is_searched_is_told(at: int, times: int) -> None:
    failing = program(Write(size=600_000), Write(REJECTED), end=Exit(1))
    told = outcome(failing, faults=(Fails("pread", "EIO", at, times),))
    assert isinstance(told, StartupDied)
    assert "the log was not searched for the cause: Input/output error" in told.degraded


# -- for how long


def in_running(done: Run) -> float:
    """Seconds in the state `running`, from the tape."""
    steps = [record for record in done.records if record["kind"] == "step" and record["to"] != record["state"]]
    came = sum(step["t"] for step in steps if step["to"] == "running")
    return float(sum(step["t"] for step in steps if step["state"] == "running") - came)


@pytest.mark.parametrize(
    ("told", "outside", "seconds"),
    [
        (SCHEDULER, (), 6.0),
        (program(Attach(), Sleep(3.0), end=Exit(3)), (), 3.0),
        (program(Attach(), Sleep(None), catches=()), (Eject(2.0),), 2.0),
        (program(Attach(), Serve(0.1), Sleep(1.0), Attach(), Serve()), (Eject(2.0),), 5.0),
        (program(Attach(), Serve(0.1), Attach(), Serve(0.1), Attach(), Serve()), (Eject(2.0), Eject(4.0)), 6.0),
        (program(Attach(), Sleep(1.0), end=Exit(0)), (), 1.0),
    ],
    ids=["stopped", "exited", "ejected", "attached twice", "attached three times", "exited well"],
)
def test_the_time_attached_is_the_sum_of_what_the_tape_shows(
    told: Program, outside: tuple[Happening, ...], seconds: float
) -> None:
    done = story(told, outside=outside, patience=6.0)
    assert done.outcome is not None and done.outcome.ready_seconds is not None
    assert done.outcome.ready_seconds == pytest.approx(in_running(done), abs=1e-5)
    assert done.outcome.ready_seconds == pytest.approx(seconds, abs=0.5)
    assert f"for {done.outcome.ready_seconds:.1f} s" in done.outcome.reason


@pytest.mark.parametrize(
    ("told", "at", "reason"),
    [
        (program(Sleep(0.5), Attach(), Serve()), 0.2, "it was not attached yet (phase startup) and ended as asked"),
        (program(Sleep(5.0), Attach(), Serve()), 3.0, "it was not attached yet (phase attach) and ended as asked"),
    ],
)
def test_what_is_stopped_early_is_not_called_attached(told: Program, at: float, reason: str) -> None:
    done = outcome(told, outside=(Interrupt(at),))
    assert (type(done), done.reason, done.ready_seconds) == (Stopped, reason, None)

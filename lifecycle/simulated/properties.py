"""What has to hold in every run, held against what the simulated machine knows to be true.

Each property is a generator of violations, in words. The numbers are those of the design.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from signal import Signals

from scxlife.fsm.replay import replay
from scxlife.fsm.tape_reader import TapeReader
from scxlife.lifecycle.outcomes import LeftRunning
from scxlife.lifecycle.outlet import PATIENCE, gap_line
from scxlife.platform.sim.clock import SECOND
from scxlife.platform.sim.faults import Fails, LosesUevents, Stalls, WakesUp
from scxlife.platform.sim.outside import Eject, Noise, Steal, Stranger
from scxlife.platform.sim.processes import Process
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import Attach, Fork, Program
from scxlife.platform.sim.struct_ops import BY_USER_SPACE, Instance
from scxlife.platform.vm import frames

from .run import Announcement, Run

# What system calls and small steps of the machine may take beside the deadlines.
_SLACK = 5.0
# What the end of a boot may take beside.
_DRAIN = 35.0
# How long beside the cadence something that happened may stay unnoticed: a link settles, a status is stored.
_UNNOTICED = 0.5
# Seconds that a death by SIGKILL takes at most where nothing holds it up.
_DYING = 0.1
# Seconds within which a stranger's scheduler is known for one: a link settles, and it is looked at the cadence.
_KNOWN_BY = 0.2
# With fewer descriptors, looks fail.
_ENOUGH_DESCRIPTORS = 64
# What stands in place of lines that were dropped.
_GAP = re.compile(re.escape(gap_line(0).encode()).replace(rb"0\ lines", rb"(\d+) lines?"))
# States before it is known what becomes of a start.
_UNPROVEN = ("idle", "locating", "spawning", "startup", "unsupported", "attaching")
# How much longer the machine is watched after the end, for what might still come.
_AFTERWARDS = 90 * SECOND


def violations(run: Run) -> list[str]:
    """All that did not hold. The machine goes on for a while in this: look at it before."""
    found = []
    for name, holds in PROPERTIES.items():
        found += [f"{name}: {what}" for what in holds(run)]
    if run.successor is not None:
        found += [f"{what}, in the life after the kill" for what in violations(run.successor)]
    return found


def one_outcome_in_time(run: Run) -> Iterator[str]:
    """1. Exactly one outcome, within a bound that is computed from the definition's deadlines."""
    if run.killed:
        return
    if isinstance(run.error, KeyboardInterrupt):
        # Behind the end nobody listens any more, and nothing is left that could be left behind.
        if run.process is not None and not _over(run):
            yield "interrupted after it had started a process, and there is no outcome"
        return
    if run.error is not None:
        yield f"no outcome: {type(run.error).__name__}: {run.error}"
        return
    ends = [record for record in run.records if record["kind"] == "end"]
    if len(ends) != 1:
        yield f"{len(ends)} ends on the tape"
    bound = run.scenario.patience + _deadlines(run) + _lost_time(run) + _SLACK
    if run.scenario.ready == "boot":
        bound += _DRAIN
    seconds = run.seconds - run.finishing / SECOND
    if seconds > bound:
        yield f"it took {seconds:.1f} s, more than {bound:.1f} s"


def _deadlines(run: Run) -> float:
    """All deadlines one after the other: once it was interrupted, none comes twice."""
    settings = run.definition.settings
    timers = {event.timer for event in run.definition.events.values() if event.timer not in (None, "run_for")}
    durations = [settings[timer] for timer in timers if timer is not None]
    return sum(float(duration) for duration in durations if isinstance(duration, (int, float)))


def _lost_time(run: Run) -> float:
    """Seconds that the faults took away."""
    lost = 0.0
    for fault in run.scenario.faults:
        if isinstance(fault, Stalls):
            lost += fault.seconds
        elif isinstance(fault, WakesUp):
            lost += fault.late or 0.0
    takes = [program.exec_takes for program in (run.scenario.program, run.scenario.payload) if program is not None]
    return lost + sum(takes)


def attached_is_true(run: Run) -> Iterator[str]:
    """2. Never *attached* unless, at that moment, the kernel was enabled and owned by our process."""
    if not _watches_the_kernel(run):
        return
    for said in run.announcements:
        if said.name not in ("attached", "reattached"):
            continue
        at, state, instance, enable_seq = said.told
        if state != "enabled" or instance is None:
            yield f"{said.name} when the kernel was {state}"
        elif not run.owns(instance.loader):
            yield f"{said.name} by a stranger's scheduler"
        elif instance.enabled_at is None or at < instance.enabled_at:
            yield f"{said.name} before it was enabled"
        elif enable_seq <= run.enable_seq:
            yield f"{said.name} before it was counted"


def failure_leaves_nothing(run: Run) -> Iterator[str]:
    """3. After it has returned our processes are gone, nothing of them is attached, and nothing can become so."""
    if run.killed or _left_running(run):
        return
    run.machine.clock.advance(run.machine.clock.now + SECOND)
    for process in run.machine.processes.everyone:
        if run.owns(process) and process.alive and not (_escaped(run, process) or _is_told(run, process)):
            yield f"process {process.pid} ({process.comm}) lives on after {_ending(run)}"
    if not _watches_the_kernel(run):
        return
    run.machine.clock.advance(run.machine.clock.now + _AFTERWARDS)
    if any(_escaped(run, process) for process in run.machine.processes.everyone if run.owns(process)):
        return
    present = run.machine.sched_ext.present
    if present is not None and run.owns(present.loader) and not _pinned_by_the_payload(run, present):
        yield f"scheduler {present.name!r} is in the kernel after {_ending(run)}"


def _is_told(run: Run, process: Process) -> bool:
    """Whether it is the payload of a guest without a scheduler: only the reboot ends it, and the host was told."""
    return process.letter == "D" and run.payload == {"exit": None, "error": "it is still there after SIGKILL"}


def _pinned_by_the_payload(run: Run, present: Instance) -> bool:
    """A payload may start what it likes, and what it pins is a file that it leaves behind."""
    payload, root = run.scenario.payload, present.loader.root
    pins = payload is not None and any(attach.pin is not None for attach in _attaches(payload))
    return pins and root is not None and root is not run.process


def _watches_the_kernel(run: Run) -> bool:
    return run.definition.sources["readiness"] == "sched_ext"


def _escaped(run: Run, process: Process) -> bool:
    """Out of every group that could be killed: only a cgroup would have held it."""
    return process.cgroup is run.machine.cgroups.root and process.group not in [started.pid for started in run.started]


def _over(run: Run) -> bool:
    """Whether the table was gone through to its end: what interrupts it now finds nobody who listens."""
    return any(record["kind"] == "end" for record in run.records)


def _left_running(run: Run) -> bool:
    """Whether the end on the tape says so, as the outcome does, unless it was interrupted on its way out."""
    return any(record["kind"] == "end" and record["outcome"].startswith("left-running") for record in run.records)


def _ending(run: Run) -> str:
    return f"outcome {run.outcome.name}" if run.outcome is not None else f"{type(run.error).__name__}"


def nothing_is_left_behind(run: Run) -> Iterator[str]:
    """4. No zombie, no open descriptor, no watch, no cgroup."""
    if run.killed or (isinstance(run.error, KeyboardInterrupt) and (_over(run) or not run.records)):
        return
    left = sorted(set(run.kernel.descriptors.open) - {0, 1, 2})
    if left:
        names = ", ".join(f"{fd} {run.kernel.descriptors.open[fd].name}" for fd in left)
        yield f"descriptors are left open: {names}"
    if _left_running(run):
        return
    for child in run.kernel.process.children:
        if not child.alive and not run.kernel.process.ignores_children:
            yield f"process {child.pid} ({child.comm}) is left a zombie after {_ending(run)}"
    told = run.outcome.degraded if run.outcome is not None else ()
    for name in run.cgroups:
        if not any(f"/{name} is left" in what for what in told):
            yield f"cgroup {name} is left after {_ending(run)}"


def left_running_is_true(run: Run) -> Iterator[str]:
    """3, the other way round: left-running is said only of what can't be ended in the time that was given to it."""
    if not isinstance(run.outcome, LeftRunning) or _disturbed(run):
        return
    hasty = any(isinstance(fault, Stalls) for fault in run.scenario.faults) or any(
        float(given) <= _DYING
        for name in ("kill_timeout", "sweep_timeout")
        if isinstance(given := run.definition.settings[name], (int, float))
    )
    stuck = [
        process
        for process in run.machine.processes.everyone
        if run.owns(process)
        and (process.letter == "D" or (hasty and _ended_behind(run, process)) or _ended_at_the_deadline(run, process))
    ]
    present = run.machine.sched_ext.present
    release = run.definition.settings["release_timeout"]
    if present is not None and isinstance(release, (int, float)) and release <= _KNOWN_BY:
        # Whose it is could not be told in the time that was given.
        return
    if not stuck and (present is None or not (run.owns(present.loader) or _might_be_ours(run, present))):
        yield f"nobody hangs and nothing of ours is attached: {run.outcome.reason}"


def _might_be_ours(run: Run, present: Instance) -> bool:
    """Whether its link is from after the baseline, and no process holds it: there is nobody then who could be known for
    a stranger. The kernel does not keep who has made a link."""
    sched_ext = run.machine.sched_ext
    held = {link for process in run.machine.processes.everyone if process.alive for link in process.links.values()}
    return run.newest_link is not None and any(
        link.instance is present and link.number > run.newest_link and link not in held
        for link in sched_ext.pins.values()
    )


def _ended_at_the_deadline(run: Run, process: Process) -> bool:
    """Whether it had had its time, and ends at the moment at which that is over."""
    moves = [record["t"] for record in run.records if record["kind"] == "step" and record["to"] != record["state"]]
    ends = process.dying or process.died_at is not None
    return ends and moves[-1] - moves[-2] > _DYING and _ended_behind(run, process)


def _ended_behind(run: Run, process: Process) -> bool:
    """Whether it lived when all was looked at for the last time."""
    looked = max(woke for record, woke in zip(run.records, run.woke, strict=True) if record["kind"] == "step")
    return process.died_at is None or process.died_at >= looked


def who_is_stopped_is_asked(run: Run) -> Iterator[str]:
    """Stopping begins with the stop signal, to a process that lives."""
    process = run.process
    if process is None or _disturbed(run) or run.killed:
        return
    number = Signals[str(run.definition.settings["stop_signal"])]
    for record in run.records:
        if record["kind"] == "step" and record["to"] == "stopping" and record["state"] != "stopping":
            alive = (
                process.died_at is None
                or process.died_at > run.ended_at
                or process.died_at / SECOND > record["t"] + 0.01
            )
            if alive and (number, process) not in run.signals_sent:
                yield "it was to be stopped, and was never asked"


def what_happens_is_told(run: Run) -> Iterator[str]:
    """An attach and an ejection are noticed, by the cadence where nothing else tells."""
    program = run.scenario.program
    if not _watches_the_kernel(run) or run.scenario.faults or _disturbed(run) or program is None:
        return
    if any(attach.pin is not None or attach.closed for attach in _attaches(program)):
        # What is held by nobody of ours is not called ours.
        return
    cadence = run.definition.settings["cadence"]
    assert isinstance(cadence, (int, float))
    soon = int((2 * float(cadence) + _lost_time(run) + 0.5) * SECOND)
    over = next(
        (
            int(record["t"] * SECOND)
            for record in run.records
            if record["kind"] == "step" and record["to"] in ("stopping", "killing", "reaping", "spawn_failed")
        ),
        run.ended_at,
    )
    told = [said.at for said in run.announcements if said.name in ("attached", "reattached", "lost")]
    for instance in run.machine.sched_ext.history:
        if not run.owns(instance.loader) or instance.enabled_at is None:
            continue
        until = min(over, instance.ended_at or over)
        began = instance.enabled_at
        if (
            until - began > soon
            and run.definition.settings["early_ready"]
            and not any(began < at < until for at in told)
        ):
            yield f"scheduler {instance.name!r} was attached, and nobody said so"
        lost = instance.ended_at
        announced = any(
            said.told[2] is instance for said in run.announcements if said.name in ("attached", "reattached")
        )
        if lost is not None and announced and over - lost > soon and not any(lost <= at <= lost + soon for at in told):
            yield f"scheduler {instance.name!r} was thrown out, and nobody said so"


def _attaches(program: Program) -> Iterator[Attach]:
    """Those of its children too."""
    for step in program.steps:
        if isinstance(step, Attach):
            yield step
        elif isinstance(step, Fork):
            yield from _attaches(step.program)


def _disturbed(run: Run) -> bool:
    """Whether system calls failed, so that what could have been done may not have been."""
    return any(isinstance(fault, Fails) for fault in run.scenario.faults) or run.scenario.descriptors < 64


def no_signal_to_strangers(run: Run) -> Iterator[str]:
    """5. No signal ever goes to a process that neither we nor a dead supervisor before us did start."""
    for number, process in run.signals_sent:
        if not (run.owns(process) or run.inherits(process)):
            yield f"signal {number} was sent to {process.pid} ({process.comm})"


def exit_status_is_true(run: Run) -> Iterator[str]:
    """6. The exit status in the outcome is the process's own, or unknown; never invented, never lost without need."""
    process, outcome = run.process, run.outcome
    if outcome is None or process is None:
        return
    true = None if process.status is None or process.alive else process.status.as_data()
    if outcome.exit is not None and outcome.exit != true:
        yield f"{outcome.exit} was told, {true} is true"
    excused = run.kernel.process.ignores_children or any(
        isinstance(fault, (Fails, Steal)) for fault in (*run.scenario.faults, *run.scenario.outside)
    )
    if outcome.exit is None and true is not None and not excused and not isinstance(outcome, LeftRunning):
        yield f"the status {true} was there to be had, and is unknown after {_ending(run)}"


def death_before_ready_before_deadline(run: Run) -> Iterator[str]:
    """7. Death beats ready beats deadline."""
    process = run.process
    if process is None:
        return
    for said in run.announcements:
        if said.name == "attached" and _dead_before(process, said):
            yield "attached, of a process that was seen dead"
    deadlines = {event.name for event in run.definition.events.values() if event.timer is not None}
    for record, woke in zip(run.records, run.woke, strict=True):
        if record["kind"] != "step" or record["event"] not in deadlines or record["cell"] != "go":
            continue
        sources = run.definition.states[record["state"]].sources
        if "process" in sources and process.died_at is not None and process.died_at < woke:
            yield f"deadline {record['event']} in {record['state']}, of a process that was dead by then"


def noticed_soon(run: Run) -> Iterator[str]:
    """8, the other way round: where nothing disturbs it, a death and an enable are noticed at the cadence."""
    process = run.process
    if process is None or run.error is not None or _is_hindered(run):
        return
    cadence = run.definition.settings["cadence"]
    assert isinstance(cadence, (int, float))
    bound = float(cadence) + _UNNOTICED
    if run.scenario.payload is not None:
        # posix_spawn(3) comes back when the program is executed: who starts a payload notices nothing meanwhile.
        bound += run.scenario.payload.exec_takes
    entered = _entered(run)
    told = next((record["t"] for record in run.records if record.get("event") == "exited"), None)
    if told is not None and process.died_at is not None:
        # One that nobody could watch was never in startup.
        watched_from = entered["startup" if "startup" in entered else "killing"]
        late = told - max(process.died_at / SECOND, watched_from)
        if late > bound:
            yield f"dead for {late:.1f} s before it was noticed"
    early = run.definition.settings["early_ready"]
    waited_from = entered.get("startup" if early else "attaching")
    waited_until = min((at for name, at in entered.items() if name not in _UNPROVEN), default=None)
    if not _watches_the_kernel(run) or waited_from is None or waited_until is None:
        return
    for instance in run.machine.sched_ext.history:
        if instance.loader is not process or instance.enabled_at is None:
            continue
        ends = [at / SECOND for at in (instance.ended_at, process.died_at) if at is not None]
        unnoticed = min([waited_until, *ends]) - max(waited_from, instance.enabled_at / SECOND)
        if unnoticed > bound:
            yield f"enabled for {unnoticed:.1f} s before it was noticed"


def _is_hindered(run: Run) -> bool:
    """By a call that fails or comes late, or because a link that counts is not in our process's hands."""
    steps = () if run.scenario.program is None else run.scenario.program.steps
    return (
        any(not isinstance(fault, LosesUevents) for fault in run.scenario.faults)
        or any(isinstance(happening, (Steal, Stranger)) for happening in run.scenario.outside)
        or any(isinstance(step, Attach) and step.pin is not None for step in steps)
        or run.scenario.descriptors < _ENOUGH_DESCRIPTORS
    )


def _entered(run: Run) -> dict[str, float]:
    """When each state was entered first."""
    entered: dict[str, float] = {}
    for record in run.records:
        if record["kind"] == "step" and record["cell"] == "go":
            entered.setdefault(record["to"], record["t"])
    return entered


def _dead_before(process: Process, said: Announcement) -> bool:
    return process.died_at is not None and process.died_at < said.woke_at


def no_wake_up_without_cause(run: Run) -> Iterator[str]:
    """8. It never spins: it wakes up for an event, or at its cadence."""
    cadence = run.definition.settings["cadence"]
    assert isinstance(cadence, (int, float))
    # Behind each event it looks again after 1, 2, 4, … ms.
    noise = sum(happening.count for happening in run.scenario.outside if isinstance(happening, Noise))
    if any(isinstance(fault, Fails) and fault.errno == "ENOBUFS" for fault in run.scenario.faults):
        # Each overflow is an event too, and the next read may say that there was another.
        noise += run.machine.injector.injected
    if run.written is not None:
        noise += run.written.pipe.reads
    bound = 200 + 2 * run.seconds / max(float(cadence), 0.001) + 20 * len(run.records) + noise
    if run.waits > bound:
        yield f"{run.waits} waits in {run.seconds:.1f} s"


def frames_in_order(run: Run) -> Iterator[str]:
    """9. The boot profile's frames come in the contract's order: the outcome, the exit frame, and behind that nothing
    but what the probe still gives after a start that failed."""
    if run.scenario.ready != "boot" or run.outcome is None or run.error is not None:
        return
    kinds = [kind for kind, _ in run.frames]
    if kinds.count(frames.OUTCOME) != 1 or kinds.count(frames.EXIT) != 1:
        yield f"{kinds.count(frames.OUTCOME)} outcomes and {kinds.count(frames.EXIT)} exit frames"
        return
    if kinds.index(frames.OUTCOME) > kinds.index(frames.EXIT):
        yield "the exit frame came before the outcome"
    behind = kinds[kinds.index(frames.EXIT) + 1 :]
    failed = run.outcome.name in ("spawn-failed", "startup-died", "not-attached")
    if behind and (not failed or set(behind) != {frames.PROBE}):
        yield f"frames behind the exit frame: {behind}"
    last = [name for kind, name in run.frames if kind == frames.LIFECYCLE][-1:]
    if failed and last not in (["SchedulerDied"], ["SchedulerNotAttached"]):
        yield f"a start that failed, and the host was told {last}"


def tape_replays(run: Run) -> Iterator[str]:
    """10. A replayed tape gives the same states."""
    if run.outcome is None:
        return
    result = replay(run.definition, TapeReader(run.lines))
    if result.difference is not None:
        yield f"line {result.difference.line}: {result.difference}"
    elif not result.complete:
        yield f"the tape is not complete: {result.missing}"


def outcome_is_consistent(run: Run) -> Iterator[str]:
    """The outcome says what was announced, and what was announced is in the outcome."""
    outcome = run.outcome
    if outcome is None:
        return
    told = {said.name for said in run.announcements}
    if outcome.name in ("not-configured", "spawn-failed", "startup-died", "not-attached") and "attached" in told:
        yield f"{outcome.name} after it was attached"
    if outcome.name in ("exited", "ejected") and "attached" not in told:
        yield f"{outcome.name}, and it was never attached"


def children_end_with_their_supervisor(run: Run) -> Iterator[str]:
    """11. What a killed supervisor has started itself ends with it, before another one comes."""
    if not run.killed:
        return
    scenario = run.scenario
    if run.definition.settings["parent_death_signal"] != "SIGKILL":
        # Asked for none, or for one that the process may take as it likes. In a guest the machine ends with PID 1.
        return
    run.machine.clock.advance(run.machine.clock.now + SECOND)
    for process in run.started:
        program = scenario.program if process is run.process else scenario.payload
        if program is not None and program.set_user_id:
            continue
        if process.alive and not process.dying:
            yield f"process {process.pid} ({process.comm}) lives on after its supervisor was killed"


def nothing_outlives_its_supervisor(run: Run) -> Iterator[str]:
    """11. What a dead supervisor has left is ended or reported by the next one, and its empty cgroups are removed.

    Without a key it only looks when it starts something. What never was in a cgroup can't be found.
    """
    outcome, cgroups = run.outcome, run.machine.cgroups.root
    if outcome is None or _disturbed(run):
        return
    entered = _entered(run)
    if "spawning" not in entered and run.scenario.unit is None:
        return
    told = "\n".join((outcome.reason, outcome.leftovers or "", *outcome.degraded))
    for process in run.machine.processes.everyone:
        if not process.alive or not run.inherits(process) or process.cgroup is cgroups:
            continue
        assert process.root is not None and process.root.spawned_by is not None
        dead = process.root.spawned_by.pid
        if f"left by supervisor {dead}," not in told:
            yield f"process {process.pid} ({process.comm}) outlives supervisor {dead}, unreported after {_ending(run)}"
    if "spawning" not in entered:
        return
    for name in run.cgroups_before:
        cgroup = cgroups.below.get(name)
        if cgroup is not None and not cgroup.populated and cgroup.path not in told:
            yield f"the empty cgroup {name} of a dead supervisor is left after {_ending(run)}"


def no_reader_stops_it(run: Run) -> Iterator[str]:
    """12. No write waits for its reader, the end waits for one that reads on, and what is dropped is counted."""
    written = run.written
    if written is None:
        return
    if run.kernel.held_up:
        yield f"writes have waited {run.kernel.held_up / SECOND:.1f} s for their reader"
    patience = PATIENCE * (written.pipe.reads + 1) + _SLACK + _lost_time(run)
    if run.finishing > patience * SECOND:
        yield f"the end has waited {run.finishing / SECOND:.1f} s for its reader"
    *lines, begun = bytes(written.pipe.received + written.pipe.unread).split(b"\n")
    wanted = [line.encode("utf-8", "backslashreplace") for line in run.lines]
    at = missing = 0
    for line in lines:
        if gap := _GAP.fullmatch(line):
            missing += int(gap[1])
            at += int(gap[1])
        elif wanted[at : at + 1] == [line]:
            at += 1
        else:
            yield f"what was read is not line {at} of the tape"
            return
    of_gap = gap_line(0).encode()[:9]
    if not any(line.startswith(begun) for line in wanted[at : at + 1]) and begun[:9] != of_gap[: len(begun)]:
        yield f"what was read ends with a part of no line: {begun!r}"
    if run.outcome is None or run.error is not None or written.outlet.error is not None:
        return
    missing += len(wanted) - at
    if written.outlet.dropped != missing:
        yield f"{missing} lines of the tape are missing, {written.outlet.dropped} are reported"


def reason_is_true(run: Run) -> Iterator[str]:
    """What the end says of the surroundings is so: nothing to start, no sched_ext, somebody else's scheduler, somebody
    who has detached ours."""
    said = next((record["outcome"] for record in run.records if record["kind"] == "end"), None)
    if said == "not-configured" and run.scenario.program is not None:
        yield "not-configured, and there is a program"
    if _disturbed(run):
        return
    if said == "not-attached/absent" and PROFILES[run.scenario.kernel].sched_ext:
        yield "no sched_ext, and the kernel has it"
    if said == "not-attached/foreign" and all(run.owns(one.loader) for one in run.machine.sched_ext.history):
        yield "owned by another scheduler, and there was none but ours"
    if said == "ejected/detached" and not any(
        isinstance(one, Eject) and one.reason == BY_USER_SPACE for one in run.scenario.outside
    ):
        yield "somebody else detached its link, and nobody did"
    ended = {one.claimed for one in run.machine.sched_ext.history if run.owns(one.loader)}
    if said == "ejected/unregistered" and BY_USER_SPACE not in ended:
        yield "it let go of its own link, and it did not"
    # Where the kernel's log can't be read, the scheduler is believed in what it prints of its own end.
    told = any(record["kind"] == "event" and record["event"] == "kernel_says" for record in run.records)
    if said == "ejected/kernel" and told and ended == {BY_USER_SPACE}:
        yield "the kernel threw it out, and it did not"


Property = Callable[[Run], Iterable[str]]
PROPERTIES: dict[str, Property] = {
    "one outcome in time": one_outcome_in_time,
    "attached is true": attached_is_true,
    "left running is true": left_running_is_true,
    "who is stopped is asked": who_is_stopped_is_asked,
    "what happens is told": what_happens_is_told,
    "exit status is true": exit_status_is_true,
    "death before ready before deadline": death_before_ready_before_deadline,
    "noticed soon": noticed_soon,
    "no signal to strangers": no_signal_to_strangers,
    "nothing is left behind": nothing_is_left_behind,
    "no wake-up without cause": no_wake_up_without_cause,
    "the frames come in order": frames_in_order,
    "the tape replays": tape_replays,
    "the outcome is consistent": outcome_is_consistent,
    "the reason is true": reason_is_true,
    "no reader stops it": no_reader_stops_it,
    # The last: they let the machine go on.
    "children end with their supervisor": children_end_with_their_supervisor,
    "nothing outlives its supervisor": nothing_outlives_its_supervisor,
    "failure leaves nothing": failure_leaves_nothing,
}

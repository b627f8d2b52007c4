"""Scenarios for Hypothesis to draw: programs of every temper, everything that may befall them, and faults in swarms.

A swarm: each example first picks a few kinds of faults and happenings, and draws of these only. Drawn of all kinds at
once, every run would be so disturbed that none gets far.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from scxlife.fsm.definition import Value
from scxlife.platform.sim.faults import ERRNOS, Fails, Fault, IsKilled, LosesUevents, Stalls, WakesUp
from scxlife.platform.sim.machine import FOREIGN, FREE, NEXT, ZOMBIE
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
    RemoveFile,
    ResumeReader,
    StallReader,
    Steal,
    Stranger,
    TouchFile,
)
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import (
    Attach,
    Detach,
    Exit,
    Fork,
    Hang,
    Program,
    Remove,
    Serve,
    Sleep,
    Step,
    Stop,
    Touch,
    Work,
    Write,
)

from .run import READY_FILE
from .scenario import Output, Scenario

# Mostly short, now and then longer than a deadline.
_DELAYS = st.sampled_from((0.0, 0.001, 0.02, 0.06, 0.15, 0.4, 0.95, 1.0, 1.05, 2.5, 3.5, 8.0, 11.5))
_SHORT = st.sampled_from((0.0, 0.001, 0.01, 0.05, 0.3, 1.2))
_MOMENTS = st.one_of(
    st.sampled_from((0.0, 0.002, 0.05, 0.07, 0.1, 0.5, 1.0, 1.001, 2.0, 3.0, 5.0, 9.0, 12.0)),
    st.floats(0, 15, allow_nan=False).map(lambda seconds: round(seconds, 4)),
)
_FATAL = ("SIGTERM", "SIGKILL", "SIGSEGV", "SIGINT", "SIGHUP")

_ENDS = st.one_of(
    st.just(Exit()),
    st.builds(Exit, code=st.sampled_from((0, 1, 2, 143, 255))),
    st.builds(Exit, signal=st.sampled_from((6, 9, 11, 15))),
)

_QUICK = Attach(verify=0.02)
_ATTACHES = st.one_of(
    st.builds(Attach, verify=_SHORT, init=_SHORT),
    st.builds(
        Attach,
        name=st.sampled_from(("fault", "other")),
        verify=_DELAYS,
        init=_DELAYS,
        end=_SHORT,
        fails=st.sampled_from((None, None, "ENOMEM", "EINVAL")),
        refused=st.sampled_from((None, None, None, "EPERM", "EINVAL")),
        partial=st.booleans(),
        pin=st.sampled_from((None, None, None, "/sys/fs/bpf/kept")),
        closed=st.sampled_from((False, False, False, True)),
    ),
)

_SIMPLE: st.SearchStrategy[Step] = st.one_of(
    st.builds(Sleep, _DELAYS),
    st.builds(Work, _DELAYS),
    st.builds(Write, size=st.sampled_from((None, 1, 5000, 40_000))),
    st.builds(Write, text=st.sampled_from(("EXIT: unregistered from user space\n", "EXIT: stall\n", "\udcff\udcfe"))),
    _ATTACHES,
    st.builds(Serve, poll=st.sampled_from((1.0, 0.1))),
    st.just(Detach()),
    st.just(Touch(READY_FILE)),
    st.just(Remove(READY_FILE)),
    st.builds(Hang, st.sampled_from((0.5, 1.9, 2.5, 4.0, None))),
    st.just(Stop()),
    st.just(Sleep(None)),
    _ENDS,
)
_SIGNALS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    (
        {},
        {},
        {"catches": ()},
        {"catches": (), "ignores": ("SIGINT", "SIGTERM")},
    )
)


@st.composite
def programs(draw: st.DrawFn, steps: st.SearchStrategy[Step] = _SIMPLE) -> Program:
    return Program(
        steps=tuple(draw(st.lists(steps, max_size=6))),
        end=draw(_ENDS),
        **draw(_SIGNALS),
        exec_takes=draw(st.sampled_from((0.002, 0.002, 0.002, 1.5))),
        exec_errno=draw(st.sampled_from((None,) * 30 + ("ENOEXEC", "EACCES"))),
        set_user_id=draw(st.sampled_from((False,) * 7 + (True,))),
    )


_FORKS = st.builds(Fork, programs(), st.booleans())
_STEPS = st.one_of(_SIMPLE, _SIMPLE, _SIMPLE, _FORKS)


_MAIN_LOOPS: st.SearchStrategy[Step] = st.sampled_from((Serve(), Serve(0.1), Sleep(0.5), Sleep(None)))
_AFTERWARDS: st.SearchStrategy[tuple[Step, ...]] = st.sampled_from(
    ((), (_QUICK, Serve()), (Sleep(0.4), _QUICK, Sleep(None)), (Sleep(None),), (Sleep(None),))
)


@st.composite
def schedulers(draw: st.DrawFn) -> Program:
    """One that gets somewhere: it attaches, serves, and perhaps does something or other besides."""
    if draw(st.booleans()):
        after = draw(_AFTERWARDS)
        steps = (_QUICK, draw(_MAIN_LOOPS), *after)
    else:
        before = draw(st.lists(_STEPS, max_size=2))
        between = draw(st.lists(_STEPS, max_size=2))
        more = draw(st.lists(st.one_of(_STEPS, _ATTACHES, st.just(Serve())), max_size=3))
        steps = (*before, draw(_ATTACHES), *between, Serve(), *more)
    return Program(steps=steps, end=draw(_ENDS), **draw(_SIGNALS))


@st.composite
def daemons(draw: st.DrawFn) -> Program:
    """One whose readiness is a file."""
    before = draw(st.lists(_STEPS, max_size=2))
    after = draw(st.lists(_STEPS, max_size=3))
    return Program(steps=(*before, Touch(READY_FILE), Serve(), *after), end=draw(_ENDS), **draw(_SIGNALS))


_PAYLOADS = st.one_of(
    st.builds(lambda seconds: Program((Sleep(seconds),)), st.sampled_from((0.1, 0.5, 2.0, 2.5, 6.0))), programs()
)

_REASONS = ("runnable task stall", "disabled by sysrq-S", "unregistered from user space")
_HAPPENINGS: dict[str, st.SearchStrategy[Happening]] = {
    "interrupt": st.builds(Interrupt, _MOMENTS, st.sampled_from(("SIGINT", "SIGTERM"))),
    "supervisor killed": st.builds(Interrupt, _MOMENTS, st.just("SIGKILL")),
    "eject": st.builds(Eject, _MOMENTS, st.sampled_from(_REASONS)),
    "hotplug": st.builds(Hotplug, _MOMENTS),
    "kill": st.builds(Kill, _MOMENTS, st.sampled_from((*_FATAL, "SIGSTOP", "SIGCONT"))),
    "stranger": st.builds(Stranger, _MOMENTS, st.one_of(schedulers(), programs())),
    "steal": st.builds(Steal, _MOMENTS),
    "full disk": st.builds(FullDisk, _MOMENTS),
    "read-only disk": st.builds(ReadOnlyDisk, _MOMENTS),
    "touch": st.builds(TouchFile, _MOMENTS, st.just(READY_FILE)),
    "remove": st.builds(RemoveFile, _MOMENTS, st.just(READY_FILE)),
    "noise": st.builds(Noise, _MOMENTS, st.sampled_from((1, 20, 300))),
}
_COUNTS = st.integers(1, 60)
_FAILS: st.SearchStrategy[Fault] = st.sampled_from(
    [(call, name) for call, names in ERRNOS.items() for name in names]
).flatmap(
    lambda chosen: st.builds(
        Fails,
        st.just(chosen[0]),
        st.just(chosen[1]),
        at=st.one_of(st.integers(1, 6), st.integers(1, 200)),
        times=st.sampled_from((1, 1, 2, 1000)),
        chance=st.sampled_from((None, None, None, 0.02, 0.3)),
    )
)
_FAULTS: dict[str, st.SearchStrategy[Fault]] = {
    "fails": _FAILS,
    "stalls": st.builds(Stalls, st.integers(1, 400), st.sampled_from((0.01, 0.5, 1.5, 5.0, 12.0, 70.0))),
    "wakes": st.builds(WakesUp, _COUNTS, st.sampled_from((None, 0.01, 1.5, 12.0))),
    "uevents": st.builds(LosesUevents, st.integers(1, 4), st.integers(1, 3), st.booleans(), st.booleans()),
    "killed": st.builds(IsKilled, st.integers(1, 600)),
}
_AFTER_A_KILL: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "next_after": st.sampled_from((0.0, 0.0, 0.001, 0.1, 3.0, 40.0)),
        "former_pid": st.sampled_from((FREE, FREE, ZOMBIE, NEXT, FOREIGN)),
        "unit": st.sampled_from((None, "5ca1ab1e5ca1ab1e")),
    }
)
_OUTPUTS = st.builds(
    Output,
    capacity=st.sampled_from((4096, 65536)),
    every=st.sampled_from((0.001, 0.001, 0.3, 1.9)),
    at_once=st.sampled_from((100, 5000, 65536)),
    terminal=st.booleans(),
    limit=st.sampled_from((1000, 10_000, 1 << 20)),
)
_READERS: st.SearchStrategy[Happening] = st.one_of(
    st.builds(StallReader, _MOMENTS), st.builds(ResumeReader, _MOMENTS), st.builds(CloseReader, _MOMENTS)
)
_SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "liveness": st.sampled_from((0.0, 0.1, 1.0)),
    "attach_timeout": st.sampled_from((0.0, 0.2, 2.0)),
    "attach_at_most": st.sampled_from((1.0, 12.0)),
    "verifier_share": st.sampled_from((None, 0.2)),
    "cadence": st.sampled_from((0.01, 0.2, 1.0)),
    "early_ready": st.booleans(),
    "run_for": st.sampled_from((None, 0.0, 0.5, 3.0)),
    "reattach_grace": st.sampled_from((0.0, 0.5, 3.0)),
    "stop_grace": st.sampled_from((0.0, 1.0, 10.0)),
    "kill_timeout": st.sampled_from((0.5, 2.0)),
    "release_timeout": st.sampled_from((0.2, 3.0)),
    "log_limit": st.sampled_from((None, 1, 8192)),
    "sweep_timeout": st.sampled_from((0.0, 2.0)),
    "stop_signal": st.sampled_from(("SIGINT", "SIGTERM")),
    "parent_death_signal": st.sampled_from((None, "SIGTERM", "SIGKILL")),
    "keep_leftovers": st.booleans(),
}


@st.composite
def _swarm(draw: st.DrawFn, kinds: dict[str, st.SearchStrategy[Any]], most: int) -> tuple[Any, ...]:
    if draw(st.booleans()):
        return ()
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=3, unique=True))
    return tuple(draw(st.lists(st.one_of(*(kinds[kind] for kind in chosen)), min_size=1, max_size=most)))


@st.composite
def scenarios(draw: st.DrawFn, kernels: tuple[str, ...] = tuple(PROFILES)) -> Scenario:
    """A whole run. `kernels` are the profiles to choose from."""
    ready = draw(st.sampled_from(("sched_ext", "sched_ext", "boot", "file", "none")))
    likely = {"sched_ext": schedulers(), "boot": schedulers(), "file": daemons(), "none": programs()}[ready]
    program = draw(programs(_STEPS) if draw(st.sampled_from(range(6))) == 5 else likely)
    faults = draw(_swarm(_FAULTS, 3))
    names = draw(st.lists(st.sampled_from(sorted(_SETTINGS)), max_size=3, unique=True))
    settings: dict[str, Value] = {name: draw(_SETTINGS[name]) for name in names}
    output = draw(_OUTPUTS) if draw(st.sampled_from(range(6))) == 5 else None
    readers = () if output is None else tuple(draw(st.lists(_READERS, max_size=3)))
    outside = tuple(sorted((*draw(_swarm(_HAPPENINGS, 4)), *readers), key=lambda happening: happening.at))
    after_a_kill = draw(_AFTER_A_KILL) if _kills((*faults, *outside)) else {}
    return Scenario(
        kernel=draw(st.sampled_from(kernels) if draw(st.booleans()) else st.just(kernels[0])),
        ready=ready,
        program=None if draw(st.sampled_from(range(40))) == 39 else program,
        payload=draw(st.one_of(st.none(), st.none(), _PAYLOADS)),
        outside=outside,
        output=output,
        faults=faults,
        settings=settings,
        patience=draw(st.sampled_from((4.0, 15.0, 15.0, 75.0))),
        seed=draw(st.integers(0, 2**16)),
        ignores_children=draw(st.sampled_from((False, False, True))),
        pids=draw(st.sampled_from((4096,) * 6 + (12, 4))),
        eager_reuse=draw(st.booleans()),
        descriptors=draw(st.sampled_from((1024,) * 30 + (9, 12))),
        **after_a_kill,
    )


def _kills(all_of_it: Iterable[Fault | Happening]) -> bool:
    """Whether something of it may kill the supervisor."""
    return any(isinstance(one, IsKilled) or one == Interrupt(one.at, "SIGKILL") for one in all_of_it)

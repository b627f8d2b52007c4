"""Random scenarios for plain processes, drawn so that what happens in them is apart.

Two causes that come within a tick of each other have no order that two machines could agree on. So a scenario is drawn
of moments on a grid, and taken only when its way stays the same however late its parts are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from hypothesis import strategies as st

from scxlife.fsm.definition import Value
from scxlife.lifecycle.simulated.beside import Moves
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import READY_FILE, Run, run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.sim.faults import Stalls
from scxlife.platform.sim.outside import Happening, Interrupt, Kill, RemoveFile, TouchFile
from scxlife.platform.sim.program import Exit, Fork, Program, Remove, Serve, Sleep, Step, Stop, Touch, Write

from .draws import drawn

COUNT, SEED, MOST_ALIKE = 100, 5, 10
UNIT = 0.4
# Seconds that the exec, each sleep, or what comes from outside may be late without another way.
LATE = 0.15
LONGEST = 4.0
# A supervisor to whom every call takes longer than a step of the program does.
SLOW = tuple(Stalls(at, 0.002) for at in range(1, 3000))

_SHORT = st.sampled_from([Sleep(number * UNIT) for number in (1, 2)])
_SLEEPS = st.one_of(_SHORT, _SHORT, st.sampled_from([Sleep(3 * UNIT), Sleep(None)]))
_MOMENTS = st.sampled_from([number * UNIT + UNIT / 2 for number in range(1, 6)])
_LINES = st.sampled_from([Write(f"line {number}\n") for number in range(4)] + [Write("\udcff%s'\\\n", size=4000)])
_ENDS = st.sampled_from([Exit(code) for code in (0, 1, 3, 143, 255)] + [Exit(signal=number) for number in (6, 11, 15)])
_TEMPERS: st.SearchStrategy[Mapping[str, Any]] = st.sampled_from(
    [{}, {}, {"catches": ()}, {"catches": (), "ignores": ("SIGINT", "SIGTERM")}, {"catches": ("SIGTERM", "SIGHUP")}]
)
_QUIET: tuple[Step, ...] = (Touch(READY_FILE), Remove(READY_FILE))
_COMING_BACK: tuple[Step, ...] = (Sleep(UNIT), Remove(READY_FILE), Sleep(UNIT), Touch(READY_FILE))
_CHILD_STEPS = st.lists(st.one_of(_SLEEPS, st.sampled_from(_QUIET), _LINES), min_size=1, max_size=3)


@st.composite
def _children(draw: st.DrawFn) -> Step:
    temper = draw(st.sampled_from([{"catches": ()}, {"catches": (), "ignores": ("SIGINT", "SIGTERM")}]))
    return Fork(Program(tuple(draw(_CHILD_STEPS)), draw(_ENDS), **temper), session=draw(st.booleans()))


_BEGINNINGS: st.SearchStrategy[Step] = st.one_of(
    _SHORT, _SHORT, _LINES, _children(), st.sampled_from((*_QUIET, Stop(), Exit(9)))
)
_STEPS: st.SearchStrategy[Step] = st.one_of(
    _SLEEPS,
    _SLEEPS,
    _LINES,
    _children(),
    st.just(Serve(0.1)),
    st.sampled_from((*_QUIET, Stop(), Serve(), Serve(0.1), Exit(9))),
)


@st.composite
def _programs(draw: st.DrawFn, ready: str) -> Program:
    before = draw(st.lists(_BEGINNINGS, max_size=2))
    after = draw(st.lists(_STEPS, max_size=3))
    if ready == "file" and draw(st.booleans()):
        after = [*_COMING_BACK, *after]
    proof: list[Step] = [Touch(READY_FILE)] if ready == "file" and draw(st.sampled_from(range(8))) else []
    return Program((*before, *proof, *after, draw(st.sampled_from([Serve(), Sleep(UNIT), Sleep(None)]))),
                   draw(_ENDS), **draw(_TEMPERS))  # fmt: skip


_FATAL = ("SIGKILL", "SIGTERM", "SIGSEGV", "SIGSTOP", "SIGCONT", "SIGHUP")
_HAPPENINGS: st.SearchStrategy[Happening] = st.one_of(
    st.builds(Interrupt, _MOMENTS, st.sampled_from(("SIGINT", "SIGTERM", "SIGHUP"))),
    st.builds(Interrupt, _MOMENTS),
    st.builds(Kill, _MOMENTS, st.sampled_from(_FATAL)),
    st.builds(TouchFile, _MOMENTS, st.just(READY_FILE)),
    st.builds(RemoveFile, _MOMENTS, st.just(READY_FILE)),
)
_SETTINGS: Mapping[str, st.SearchStrategy[Value]] = {
    "liveness": st.sampled_from((0.3, 0.7, 1.1)),
    "attach_timeout": st.sampled_from((0.3, 0.9)),
    "run_for": st.sampled_from((0.3, 0.9)),
    "reattach_grace": st.sampled_from((0.3, 0.9)),
    "stop_grace": st.sampled_from((0.3, 0.9)),
    "stop_signal": st.sampled_from(("SIGINT", "SIGTERM")),
    "early_ready": st.booleans(),
}
_PAYLOADS = st.builds(Program, st.tuples(_SLEEPS), _ENDS, catches=st.just(()))


@st.composite
def lives(draw: st.DrawFn) -> Scenario | None:
    """One that goes the same way whatever is late; None where it would not."""
    ready = draw(st.sampled_from(("file", "file", "file", "none")))
    names = draw(st.lists(st.sampled_from(sorted(_SETTINGS)), max_size=3, unique=True))
    chosen: dict[str, Value] = {"liveness": 0.7, "attach_timeout": 0.9, "stop_grace": 0.9, "reattach_grace": 0.9}
    chosen |= {name: draw(_SETTINGS[name]) for name in names}
    happenings = draw(st.lists(_HAPPENINGS, max_size=3, unique_by=lambda happening: happening.at))
    life = Scenario(
        kernel=host_kernel(),
        ready=ready,
        program=None if draw(st.sampled_from(range(60))) == 59 else draw(_programs(ready)),
        payload=draw(st.one_of(st.none(), st.none(), st.none(), _PAYLOADS)),
        outside=tuple(sorted(happenings, key=lambda happening: happening.at)),
        settings=chosen,
        patience=LONGEST * 2,
        ignores_children=draw(st.sampled_from((False, False, False, True))),
    )
    return life if _is_firm(life) else None


def host_kernel() -> str:
    """The simulated one that is like this host's, as far as a plain process can tell."""
    major, minor = map(int, re.findall(r"\d+", os.uname().release)[:2])
    return "7.2" if (major, minor) >= (6, 15) else "no-pidfd-info"


def _is_firm(life: Scenario) -> bool:
    done = run(life)
    if done.outcome is None or done.seconds > LONGEST:
        return False
    way = _whole_way(done)
    if any(_whole_way(run(late)) != way for late in _late(life)):
        return False
    assert violations(done) == []
    return True


def _whole_way(done: Run) -> object:
    ended = done.outcome
    told = None if ended is None else (ended.name, ended.exit, ended.log_tail)
    return Moves.of(done.records), told


def _late(life: Scenario) -> Iterator[Scenario]:
    outside = tuple(attrs.evolve(one, at=one.at + LATE) for one in life.outside)
    yield attrs.evolve(life, outside=outside)
    yield attrs.evolve(life, faults=SLOW)
    for program in () if life.program is None else _late_programs(life.program):
        for happenings in (life.outside, outside):
            yield attrs.evolve(life, program=program, outside=happenings, seed=1)


def _late_programs(program: Program) -> Iterator[Program]:
    """With a late exec, with late sleeps, with late children, with all of it."""
    yield attrs.evolve(program, exec_takes=LATE)
    yield _later(program, LATE, 0.0)
    yield _later(program, 0.0, LATE)
    yield attrs.evolve(_later(program, LATE, LATE), exec_takes=LATE)


def _later(program: Program, sleeps: float, children: float) -> Program:
    steps: list[Step] = []
    for step in program.steps:
        match step:
            case Sleep() if step.seconds is not None:
                steps.append(Sleep(step.seconds + sleeps))
            case Fork():
                child = _later(step.program, sleeps, children)
                steps.append(attrs.evolve(step, program=attrs.evolve(child, steps=(Sleep(children), *child.steps))))
            case _:
                steps.append(step)
    return attrs.evolve(program, steps=tuple(steps))


def _events(life: Scenario) -> tuple[str, ...]:
    return tuple(move.event for move in Moves.of(run(life).records))


def hundred() -> list[Scenario]:
    """The same for ever, and of no way through the table more than some."""
    return drawn(lives(), COUNT, SEED, kind=_events, most=MOST_ALIKE)

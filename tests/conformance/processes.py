"""Scenarios that plain processes can play, for the kernel that runs the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scxlife.lifecycle.simulated.run import READY_FILE
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.sim.outside import Happening, Interrupt, Kill, RemoveFile, TouchFile
from scxlife.platform.sim.program import Exit, Fork, Program, Remove, Serve, Sleep, Step, Stop, Touch, Write

DEAF: dict[str, Any] = {"catches": (), "ignores": ("SIGINT", "SIGTERM")}
PLAIN: dict[str, Any] = {"catches": ()}
# Two things that follow one another by this much do so on a busy machine too.
APART = 0.7
READY = Touch(READY_FILE)
IMPATIENT = {"liveness": 0.1, "attach_timeout": APART}


def program(*steps: Step, **more: Any) -> Program:
    return Program(steps=steps, **more)


def daemon(
    *steps: Step, outside: Sequence[Happening] = (), settings: Mapping[str, Any] | None = None, **more: Any
) -> Scenario:
    """One whose readiness is a file. The liveness window is long: an exec under load must not be outrun by it."""
    chosen = {"liveness": 3 * APART, **(settings or {})}
    told = program(*steps, **more)
    return Scenario(
        ready="file", program=told, outside=tuple(outside), settings=chosen, kernel="no-sched-ext", patience=60.0
    )


def bare(*steps: Step, outside: Sequence[Happening] = (), **more: Any) -> Scenario:
    """One that is ready when it has lived for a while."""
    chosen = {"liveness": APART, "run_for": APART}
    told = program(*steps, **more)
    return Scenario(
        ready="none", program=told, outside=tuple(outside), settings=chosen, kernel="no-sched-ext", patience=60.0
    )


SCENARIOS = {
    "exits at once": daemon(end=Exit(0)),
    "exits with a code": daemon(end=Exit(3)),
    "exits with 143, which is no signal": daemon(end=Exit(143)),
    "dies of a signal of its own": daemon(Exit(signal=11)),
    "dies of SIGKILL from outside": daemon(Sleep(None), outside=(Kill(APART),), **PLAIN),
    "dies of SIGTERM from outside": daemon(Sleep(None), outside=(Kill(APART, "SIGTERM"),), **PLAIN),
    "is ready and asked to end": daemon(READY, Serve(), outside=(Interrupt(APART),)),
    "is ready late": daemon(Sleep(APART), READY, Serve(), outside=(Interrupt(2 * APART),)),
    "is ready behind the window": daemon(
        Sleep(2 * APART), READY, Serve(), outside=(Interrupt(4 * APART),), settings={"liveness": APART}
    ),
    "is ready and exits": daemon(READY, Sleep(APART), end=Exit(5)),
    "is ready and dies of a signal": daemon(READY, Sleep(APART), Exit(signal=6)),
    "is ready and killed": daemon(READY, Serve(), outside=(Kill(APART),)),
    "is never ready": daemon(Sleep(None), settings=IMPATIENT, **PLAIN),
    "is never ready and deaf": daemon(Sleep(None), settings=IMPATIENT, **DEAF),
    "ends with the code that it likes": daemon(READY, Serve(), outside=(Interrupt(APART),), end=Exit(7)),
    "does not listen and is killed after the grace": daemon(
        READY, Sleep(None), outside=(Interrupt(APART),), settings={"stop_grace": APART}, **DEAF
    ),
    "is asked twice and killed": daemon(READY, Sleep(None), outside=(Interrupt(APART), Interrupt(2 * APART)), **DEAF),
    "ends of the signal by default": daemon(READY, Sleep(None), outside=(Interrupt(APART),), **PLAIN),
    "was stopped and hears the end": daemon(READY, Stop(), Serve(), outside=(Interrupt(APART),)),
    "is stopped from outside and hears the end": daemon(
        READY, Serve(), outside=(Kill(APART, "SIGSTOP"), Interrupt(2 * APART))
    ),
    "is stopped before it is ready": daemon(Stop(), READY, settings=IMPATIENT, **PLAIN),
    "its file goes and does not come back": daemon(
        READY, Sleep(APART), Remove(READY_FILE), Sleep(None), settings={"reattach_grace": APART}, **PLAIN
    ),
    "its file goes and comes back": daemon(
        READY, Sleep(APART), Remove(READY_FILE), Sleep(APART), READY, Serve(), outside=(Interrupt(4 * APART),)
    ),
    "its file is taken away and it exits": daemon(READY, Sleep(2 * APART), outside=(RemoveFile(APART, READY_FILE),)),
    "its file is made by somebody else": daemon(
        Serve(), outside=(TouchFile(APART, READY_FILE), Interrupt(2 * APART))
    ),
    "a child outlives it and goes with it": daemon(
        Fork(program(Sleep(None), **DEAF)), READY, Serve(), outside=(Interrupt(APART),)
    ),
    "a child in a session of its own goes with it": daemon(
        Fork(program(Sleep(None), **DEAF), session=True), READY, Serve(), outside=(Interrupt(APART),)
    ),
    "it dies and a child holds on": daemon(Fork(program(Sleep(None), **DEAF)), READY, Sleep(APART), end=Exit(1)),
    "a child makes the file": daemon(
        Fork(program(Sleep(APART), READY)), Serve(), outside=(Interrupt(2 * APART),)
    ),
    "it writes and is ready": daemon(Write("a line\n"), READY, Serve(), outside=(Interrupt(APART),)),
    "lives long enough": bare(Serve()),
    "does not live long enough": bare(end=Exit(1)),
    "lives and exits by itself": bare(Sleep(APART * 1.5), end=Exit(9)),
    "is stopped before it was ready": bare(Serve(), outside=(Interrupt(APART / 2),)),
}  # fmt: skip

"""Scenarios that the fixture scheduler (tests/schedulers) can play, for a guest with a real sched_ext kernel."""

from __future__ import annotations

from typing import Any

import attrs

from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.sim.outside import Eject
from scxlife.platform.sim.program import Attach, Exit, Program, Serve, Sleep, Step

# The fixture looks every 10 ms whether it was thrown out, and loads for some time under emulation.
ATTACH = Attach(verify=0.5)
FAILING = attrs.evolve(ATTACH, fails="EINVAL")
SERVE = Serve(0.01)
DEAF: dict[str, Any] = {"catches": (), "ignores": ("SIGINT", "SIGTERM")}
# An emulated load may take longer than the liveness window.
PATIENT = {"liveness": 20.0}


def scenario(
    *steps: Step, outside: tuple[Eject, ...] = (), settings: dict[str, Any] | None = None, **more: Any
) -> Scenario:
    return Scenario(
        ready="boot", program=Program(steps=steps, **more), outside=outside, settings={**PATIENT, **(settings or {})}
    )


#: What the fixture is told, what scxlife is told, and the same as a scenario.
PAIRS: dict[str, tuple[str, str, Scenario]] = {
    "behaves": ("", "--for 300ms", scenario(ATTACH, SERVE, settings={"run_for": 0.3})),
    "dies before it attaches": ("--die-before-attach 100:7", "", scenario(Sleep(0.1), end=Exit(7))),
    "fails in ops.init and lingers": ("--fail-init 22 --linger", "", scenario(FAILING, Sleep(None))),
    "takes its time in ops.init": (
        "--slow-init 2000",
        "--for 300ms",
        scenario(attrs.evolve(ATTACH, init=2.0), SERVE, settings={"run_for": 0.3}),
    ),
    "attaches behind the window": (
        "--attach-after 2000",
        "--liveness 500ms --for 300ms",
        scenario(Sleep(2.0), ATTACH, SERVE, settings={"liveness": 0.5, "run_for": 0.3}),
    ),
    "never attaches": (
        "--attach-after 3600000",
        "--liveness 200ms --attach-timeout 1s",
        scenario(Sleep(3600.0), settings={"liveness": 0.2, "attach_timeout": 1.0}, **DEAF),
    ),
    "ends while it runs": ("--exit-after 700 --exit-code 3", "", scenario(ATTACH, Sleep(0.7), end=Exit(3))),
    "dies of a signal": ("--exit-after 700 --exit-signal 11", "", scenario(ATTACH, Sleep(0.7), Exit(signal=11))),
    "does not listen": (
        "--ignore-signals",
        "--for 300ms --stop-grace 700ms",
        scenario(ATTACH, SERVE, settings={"run_for": 0.3, "stop_grace": 0.7}, **DEAF),
    ),
    "is thrown out and lingers": (
        "--error-after 700 --linger --ignore-signals",
        "--stop-grace 500ms",
        scenario(ATTACH, Sleep(None), outside=(Eject(1.5, "scx_bpf_error"),), settings={"stop_grace": 0.5}, **DEAF),
    ),
}  # fmt: skip

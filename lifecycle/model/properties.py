"""What must hold in every run, as far as it can be said of a machine over a world; looked at in every state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .world import ALIVE, DEAD, DYING, ENABLED, MADE, NONE, OURS, OVER, UNBORN, ZOMBIE, World

if TYPE_CHECKING:
    from .machine import Machine
    from .steps import Model

PROPERTIES: Mapping[str, str] = {
    "ends": "every run ends: each state has a way out that a deadline bounds, or is one to rest in without a verdict",
    "attached": "attached is said only while the kernel has ours enabled, and is not believed for long after that",
    "gone": "behind an outcome our process is dead and the kernel neither runs ours nor can; or it says left-running",
    "left": "behind an outcome there is no zombie, published pid, payload, cgroup or survivor in it",
    "alone": "nothing is started while a process that a dead supervisor left still lives",
    "status": "what is said of the process's end is its own doing, or unknown",
    "order": "death beats ready beats deadline",
    "possible": "no event comes where the table holds it impossible or rejects it",
}

# Verdicts which say that the process ended by itself.
ENDED_BY_ITSELF = ("startup-died", "not-attached/died", "exited")


def broken_at_end(model: Model, machine: Machine, world: World) -> str:
    """The property that is broken in a final state, or "". What the last step of all failed to do is excused: the
    reason in the outcome tells of it."""
    if machine.inbox:
        return ""
    attached = model.kinds["readiness"] == "sched_ext" and world.kernel in OURS
    left_running = machine.verdict.startswith("left-running")
    if not left_running and (attached or world.process not in (UNBORN, *DEAD)):
        return "gone"
    payload = world.payload in ((ALIVE,) if left_running else (ALIVE, DYING, OVER))
    if world.published or (payload and machine.verdict != "left-running/payload"):
        return "left"
    survivor = bool(world.cgroup) and world.offspring != NONE
    if not left_running and (world.process == ZOMBIE or world.cgroup == MADE or survivor):
        return "left"
    return ""


def broken_at_rest(model: Model, machine: Machine, world: World) -> str:
    """The property that is broken where nothing waits, nothing is armed and no source has anything to tell."""
    if machine.verdict or not (model.definition.states[machine.state].no_deadline or _unset(model, machine)):
        return "ends"
    if machine.state == "running" and model.kinds["readiness"] != "assume" and world.kernel != ENABLED:
        return "attached"
    return ""


def _unset(model: Model, machine: Machine) -> bool:
    """Whether the state's deadlines are ones that the settings turn off."""
    definition = model.definition
    timers = [definition.events[name].timer for name in definition.states[machine.state].deadlines]
    return bool(timers) and all(definition.settings[timer or ""] is None for timer in timers)

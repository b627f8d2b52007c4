"""What is wanted and what is there: two things, and whether they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from scxlife.platform.sched_ext import ENABLED, snapshot

from .restart_policy import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scxlife.lifecycle.outcomes import Outcome
    from scxlife.lifecycle.supervision import Supervision
    from scxlife.platform.kernel import Kernel
    from scxlife.platform.process_group import Member

VERSION = 1


@attrs.define
class Standing:
    """`desired` is the scheduler that is wanted, `running` the one that ran last or runs, `runs` how many lives there
    were. `request` is what is worked on, None for what nobody asked for. `pause_until` in monotonic seconds."""

    desired: str | None = None
    running: str | None = None
    runs: int = 0
    life: Supervision | None = None
    outcome: Outcome | None = None
    request: int | None = None
    history: History = attrs.Factory(History)
    restarts: int = 0
    pause_until: float = 0.0
    # Of the last life: its process, unless it was reaped, and who else of its tree was seen.
    remains: tuple[int | None, Sequence[Member]] = (None, ())

    def begins(self, name: str) -> None:
        self.running = name
        self.runs += 1

    def over(self, outcome: Outcome) -> None:
        self.life = None
        self.outcome = outcome


def status(kernel: Kernel, state: str, standing: Standing) -> dict[str, Any]:
    """One object for people and programs. `drift` tells that what is wanted is not what the kernel runs."""
    life = standing.life
    attached = life is not None and attached_now(life)
    told: dict[str, Any] = {
        "version": VERSION,
        "state": state,
        "desired": standing.desired,
        "attached": standing.running if attached else None,
        "drift": standing.desired != (standing.running if attached else None),
        "kernel": kernel_now(kernel),
        "run": None,
        "runs": standing.runs,
        "restarts": standing.restarts,
        "last": None,
    }
    if life is not None:
        child = life.process.child
        told["run"] = {
            "name": standing.running,
            "number": standing.runs,
            "state": life.runtime.state,
            "pid": None if child is None else child.pid,
            "generation": life.facts.attachments,
            "instance": life.facts.instance,
            "log": None if life.facts.log is None else life.facts.log.path,
        }
    if standing.outcome is not None:
        told["last"] = {"outcome": standing.outcome.name, "reason": standing.outcome.reason}
    if state == "backing_off":
        told["restart_in"] = round(max(0.0, standing.pause_until - kernel.monotonic()), 3)
    return told


def attached_now(life: Supervision) -> bool:
    """Asked of the readiness source at this moment: what was true may be so no more."""
    source: Any = life.driver.source("readiness")
    return life.facts.attachments > 0 and source is not None and bool(source.confirm())


def kernel_now(kernel: Kernel) -> dict[str, Any] | None:
    """None where it can't be read."""
    try:
        now = snapshot(kernel)
    except OSError:
        return None
    return {
        "state": now.state,
        "ops": now.ops if now.state == ENABLED else None,
        "enable_seq": now.enable_seq,
        "instance": now.instance,
    }

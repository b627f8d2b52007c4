"""What the attack has found and nobody has mended yet. Each is excused here, and only here, until it is.

An excuse that excuses nothing any more fails the test of the attack: then its defect is mended, and it has to go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scxlife.lifecycle.simulated.run import Run
from scxlife.platform.sim.program import Attach

Excuse = Callable[[Run, str], bool]


def unwatched_and_unkillable(run: Run, violation: str) -> bool:
    """A child without a pidfd is killed and waited for, a second at most; in uninterruptible sleep it lives on."""
    return run.outcome is not None and run.outcome.name == "spawn-failed" and run.process is not None


def loss_told_when_it_is_over(run: Run, violation: str) -> bool:
    """Where uevents arrive nobody looks at a running scheduler before one comes, and of a disable it comes at the end:
    an ops.exit() that takes seconds keeps the loss back, though the kernel's log has told it."""
    program = run.scenario.program
    slow = [step for step in (program.steps if program else ()) if isinstance(step, Attach) and step.end >= 0.5]
    return bool(slow) and violation.endswith("was thrown out, and nobody said so")


def held_by_a_former_life(run: Run, violation: str) -> bool:
    """A supervisor that takes its baseline while what a former one has started is being attached, and pinned, does not
    know it for a stranger's: it waits for it to go, and says that it is held."""
    return run.successor is not None and "nobody hangs" in violation and "pinned at" in violation


KNOWN: Mapping[str, Excuse] = {
    excuse.__name__: excuse for excuse in (unwatched_and_unkillable, loss_told_when_it_is_over, held_by_a_former_life)
}

"""What the attack has found and nobody has mended yet. Each is excused here, and only here, until it is.

An excuse that excuses nothing any more fails the test of the attack: then its defect is mended, and it has to go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scxlife.lifecycle.simulated.run import Run
from scxlife.platform.sim.faults import Fails, Stalls, WakesUp
from scxlife.platform.sim.outside import Stranger

Excuse = Callable[[Run, str], bool]


def unwatched_and_unkillable(run: Run, violation: str) -> bool:
    """A child without a pidfd is killed and waited for, a second at most; in uninterruptible sleep it lives on."""
    refused = run.scenario.kernel == "no-pidfd" or any(
        isinstance(fault, Fails) and fault.call == "pidfd_open" for fault in run.scenario.faults
    )
    return refused and "lives on" in violation


def held_by_a_former_life(run: Run, violation: str) -> bool:
    """A supervisor that takes its baseline while what a former one, or a stranger, has started is being attached, and
    pinned, does not know it for a stranger's: it waits for it to go, and says that it is held."""
    others = run.successor is not None or any(isinstance(one, Stranger) for one in run.scenario.outside)
    return others and "nobody hangs" in violation and "pinned at" in violation


def strangers_first_look_is_too_late(run: Run, violation: str) -> bool:
    """A supervisor that was asleep beyond `release_timeout` sees a stranger's scheduler for the first time then, and
    has no time left in which its owner could be told from ours."""
    asleep = any(isinstance(fault, (Stalls, WakesUp)) for fault in run.scenario.faults)
    return asleep and "nobody hangs" in violation and "held by stranger" in violation


KNOWN: Mapping[str, Excuse] = {
    excuse.__name__: excuse
    for excuse in (unwatched_and_unkillable, held_by_a_former_life, strangers_first_look_is_too_late)
}

"""What the attack has found and nobody has mended yet. Each is excused here, and only here, until it is.

An excuse that excuses nothing any more fails the test of the attack: then its defect is mended, and it has to go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scxlife.lifecycle.simulated.run import Run

Excuse = Callable[[Run, str], bool]


def unwatched_and_unkillable(run: Run, violation: str) -> bool:
    """A child without a pidfd is killed and waited for, a second at most; in uninterruptible sleep it lives on."""
    return run.outcome is not None and run.outcome.name == "spawn-failed" and run.process is not None


KNOWN: Mapping[str, Excuse] = {excuse.__name__: excuse for excuse in (unwatched_and_unkillable,)}

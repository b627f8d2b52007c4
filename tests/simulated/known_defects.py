"""What the attack has found and nobody has mended yet. Each is excused here, and only here, until it is.

An excuse that excuses nothing any more fails the test of the attack: then its defect is mended, and it has to go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scxlife.lifecycle.simulated.run import Run

Excuse = Callable[[Run, str], bool]


def no_pidfd(run: Run, violation: str) -> bool:
    """pidfd_open fails behind a spawn that succeeded: the process is forgotten, and lives on."""
    return run.outcome is not None and run.outcome.name == "spawn-failed" and run.process is not None


def interrupted_before_it_listens(run: Run, violation: str) -> bool:
    """A signal in `idle`, `locating` or `spawning`, which do not list the source `signals`: a process that was just
    spawned is left behind."""
    return isinstance(run.error, KeyboardInterrupt) and run.process is not None


def payload_that_can_not_be_killed(run: Run, violation: str) -> bool:
    """The end of a payload in uninterruptible sleep is not waited for, and nothing says so."""
    return len(run.machine.started) > 1 and "(payload)" in violation


def group_that_can_not_be_killed(run: Run, violation: str) -> bool:
    """Without a cgroup nobody looks whether the process group has died."""
    return "lives on" in violation and run.scenario.kernel == "container"


def ejected_before_it_was_ready(run: Run, violation: str) -> bool:
    """`stopping × exited if ejected_by_kernel` says ejected of what was never ready."""
    return violation.endswith("ejected, and it was never attached")


KNOWN: Mapping[str, Excuse] = {
    excuse.__name__: excuse
    for excuse in (
        no_pidfd,
        interrupted_before_it_listens,
        payload_that_can_not_be_killed,
        group_that_can_not_be_killed,
        ejected_before_it_was_ready,
    )
}

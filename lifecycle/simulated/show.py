"""A scenario run once more, for a person: its timeline, its outcome, and what did not hold."""

from __future__ import annotations

from collections.abc import Callable

from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.report import say_outcome
from scxlife.lifecycle.timeline import Timeline

from .properties import violations
from .run import Run, run
from .scenario import Scenario
from .twice import Twin


def show(scenario: Scenario, write: Callable[[str], object]) -> list[str]:
    """Write all of it, and return what was violated."""
    done = run(scenario)
    with Twin() as twin:
        differs = twin.difference(done)
    for life in done.lives():
        if life is not done:
            write("\nafter the kill, another supervisor on the same machine:\n")
        _tell(life, write)
    found = violations(done)
    if differs is not None:
        found.append(str(differs))
    for what in found:
        write(plain(f"violated   {what}"))
    if differs is not None:
        write(plain(f"  here     {differs.here}"))
        write(plain(f"  there    {differs.there}"))
    return found


def _tell(done: Run, write: Callable[[str], object]) -> None:
    timeline = Timeline(write)
    for line in done.lines:
        timeline(line)
    if done.outcome is not None:
        say_outcome(done.outcome, write, log_path=done.outcome.log_path)
    else:
        write("")
        write(plain(f"no outcome: {_why(done.error)}"))
    injected = done.machine.injector.injected
    write(f"\n{done.kernel.calls} system calls, {injected} faults, {done.seconds:.3f} s simulated")


def _why(error: BaseException | None) -> str:
    """What came instead of one: its name and, where there is one, its text."""
    return f"{type(error).__name__}{f': {error}' if str(error) else ''}"

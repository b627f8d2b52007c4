"""What has to hold whatever is asked of a supervisor, held against what the simulated machine knows to be true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from scxlife.lifecycle.operations.answers import Attached, Busy, Detached
from scxlife.lifecycle.operations.restart_policy import Policy
from scxlife.platform.sim.clock import SECOND
from scxlife.platform.sim.faults import Stalls, SupervisorKilled, WakesUp
from scxlife.platform.sim.outside import Stranger

from .operations import Told

# What deadlines of a life may take one after the other, and of a machine between two lives.
_BOUND = 400.0


def broken(told: Told) -> list[str]:
    """All that did not hold. The machine goes on for a while in this: look at it before."""
    return [f"{name}: {what}" for name, holds in PROPERTIES.items() for what in holds(told)]


def it_ends(told: Told) -> Iterator[str]:
    if isinstance(told.error, SupervisorKilled):
        # A signal came before it listened.
        return
    if told.error is not None:
        yield f"{type(told.error).__name__}: {told.error}"
        return
    lost = sum(fault.seconds for fault in told.story.faults if isinstance(fault, Stalls))
    lost += sum(fault.late or 0.0 for fault in told.story.faults if isinstance(fault, WakesUp))
    took = told.machine.clock.now / SECOND - 100
    if took > told.story.patience + _BOUND + lost:
        yield f"it took {took:.0f} s"


def every_request_has_one_answer(told: Told) -> Iterator[str]:
    for request in told.asked:
        count = sum(1 for answered in told.answers if answered.request is request)
        if count != 1 and told.error is None:
            yield f"{request.what} at {request.at} has {count} answers"


def never_two_of_ours(told: Told) -> Iterator[str]:
    """Nothing is started while something of the last one lives, and no two of ours are in the kernel."""
    for name, at, alive in told.begun:
        if alive:
            yield f"{name} was started at {at} beside {', '.join(str(process.pid) for process in alive)}"
    if any(isinstance(outside, Stranger) for outside in told.story.outside):
        return
    # Nobody else attaches: our own next one must never find the kernel occupied.
    for what in told.news:
        if what["event"] == "ended" and str(what["outcome"]["reason"]).startswith("owned by another"):
            yield f"{what['name']} was refused for another one of ours"


def attached_is_true(told: Told) -> Iterator[str]:
    for answered in told.answers:
        if not isinstance(answered.answer, Attached):
            continue
        _, state, instance, _ = answered.told
        if state != "enabled" or instance is None:
            yield f"attached when the kernel was {state}"
        elif instance.loader.root not in told.kernel.started:
            yield "attached by a stranger's scheduler"
        elif instance.loader.root.comm != answered.answer.name:
            yield f"attached {answered.answer.name}, and it was {instance.loader.root.comm}"


def detached_is_true(told: Told) -> Iterator[str]:
    for answered in told.answers:
        if not isinstance(answered.answer, (Detached, Busy)):
            continue
        if answered.alive and "left-running" not in told.outcomes:
            yield f"{answered.answer.result}, and {answered.alive[0].pid} lives"


def who_is_told_sees_it(told: Told) -> Iterator[str]:
    """An answer does not come before the state that it tells of."""
    for answered in told.answers:
        if isinstance(answered.answer, Attached) and answered.state in ("opening", "vacating", "starting"):
            yield f"attached was told in the state {answered.state}"
        if isinstance(answered.answer, Detached) and answered.state == "detaching":
            yield "detached was told while it was detaching"


def what_was_asked_for_came(told: Told) -> Iterator[str]:
    """Who asks for one by its name is told of that one."""
    for answered in told.answers:
        request, answer = answered.request, answered.answer
        if isinstance(answer, Attached) and request.name is not None and request.name != answer.name:
            yield f"{request.what} {request.name} brought {answer.name}"


def restarts_are_limited(told: Told) -> Iterator[str]:
    """A person who asks begins a new count."""
    assert told.operations is not None
    policy = Policy.of(told.operations.definition.settings)
    since: list[float] = []
    for step in told.steps:
        if step["event"] in ("attach", "replace", "restart", "healthy"):
            since = []
        elif step["event"] == "backoff_over":
            since = [at for at in since if step["t"] - at < policy.window] + [step["t"]]
            if len(since) > policy.limit:
                yield f"{len(since)} restarts within {policy.window} s"


def nothing_is_left(told: Told) -> Iterator[str]:
    if told.error is not None:
        return
    left = sorted(set(told.kernel.descriptors.open) - {0, 1, 2})
    if left:
        yield f"descriptors are left open: {', '.join(told.kernel.descriptors.open[fd].name for fd in left)}"
    if "left-running" in told.outcomes:
        return
    told.machine.clock.advance(told.machine.clock.now + 90 * SECOND)
    for process in told.alive(payload=True):
        yield f"process {process.pid} ({process.comm}) lives on"
    for child in told.kernel.process.children:
        if not child.alive:
            yield f"process {child.pid} ({child.comm}) is left a zombie"
    present = told.machine.sched_ext.present
    if present is not None and present.loader.root in told.kernel.started:
        yield f"scheduler {present.name!r} is in the kernel at the end"


PROPERTIES: dict[str, Callable[[Told], Iterable[str]]] = {
    "it ends in time": it_ends,
    "every request has one answer": every_request_has_one_answer,
    "never two of ours": never_two_of_ours,
    "attached is true": attached_is_true,
    "detached is true": detached_is_true,
    "who is told sees it": who_is_told_sees_it,
    "what was asked for came": what_was_asked_for_came,
    "restarts are limited": restarts_are_limited,
    "nothing is left": nothing_is_left,
}

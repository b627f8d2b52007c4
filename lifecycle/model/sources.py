"""The event sources as functions of the world: what one tells when it looks, and what it remembers then.

Each mirrors a class of `platform.sources`; `tests/explore/test_sources_agree.py` holds the readiness source against
the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .world import (
    ABSENT,
    ALIVE,
    DEAD,
    DISABLED,
    DYING,
    EJECTED,
    ENABLED,
    ENABLING,
    EXITING,
    FOREIGN,
    FOREIGN_DISABLING,
    FOREIGN_ENABLING,
    FOREIGN_UNPROVEN,
    IN_GROUP,
    MADE,
    MISSED,
    NONE,
    OFFSPRING,
    OVER,
    PRESENT,
    PROCESS,
    REAPED,
    STOPPED,
    UNPROVEN,
    UNREGISTERED,
    Sight,
    World,
)

#: The events that a look tells, in order, and the world behind it. More than one where a look can go either way.
Look = Callable[[World], Iterator[tuple[tuple[str, ...], World]]]

FACTS = {
    ABSENT: "absent",
    DISABLED: "idle",
    ENABLING: "enabling",
    UNPROVEN: "unproven",
    UNREGISTERED: "disabling",
    EJECTED: "disabling",
    FOREIGN_ENABLING: "enabling",
    FOREIGN_UNPROVEN: "unproven",
    FOREIGN: "foreign",
    FOREIGN_DISABLING: "disabling",
}
_TOLD = ("absent", "enabling", "ready", "foreign")
_NOT_OURS = ("idle", "absent", "foreign")
_SETTLED = ("idle", "absent", "ready", "foreign")


def process(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`ProcessSource` of the process."""
    dead = world.process in DEAD and "process" not in world.told
    yield (("exited",), _told(world, "process")) if dead else ((), world)


def payload(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`ProcessSource` of the payload, which may have ended right before a look."""
    yield (), world
    if "payload" not in world.told:
        yield ("payload_ended",), _told(world._replace(payload=OVER), "payload")


def tree(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`CgroupSource`; without a cgroup `GroupSource`. A zombie is in neither."""
    lives = tree_lives(world) or (world.cgroup == MADE and world.process in (ALIVE, STOPPED, EXITING))
    tells = not lives and "tree" not in world.told
    yield (("deserted",), _told(world, "tree")) if tells else ((), world)


def tree_lives(world: World) -> bool:
    """Whether a process of its tree, other than itself, is seen to live: in its cgroup, or in its group as long as its
    number is its own, and of that group those that were killed with it."""
    if world.cgroup == MADE:
        return world.offspring != NONE
    numbered = world.published and world.process not in (MISSED, REAPED)
    return world.offspring == DYING or (world.offspring == IN_GROUP and numbered)


def leftovers(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`CgroupSource` of what was left."""
    tells = world.left == NONE and "leftovers" not in world.told
    yield (("vacated",), _told(world, "leftovers")) if tells else ((), world)


def signals(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`SignalSource`: somebody may have asked for the end right before a look."""
    yield (), world
    yield ("interrupt",), world


def kernel_log(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`KernelLogSource`, of which only the last reason matters."""
    yield ((f"kernel_says:{world.log}",), world._replace(log="")) if world.log else ((), world)


def logs(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`LogSizeSource`: a log may have grown whenever somebody looks."""
    yield (), world
    if world.process == ALIVE:
        yield ("log_full",), world


def probe(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`ProbeSource`: what the kernel dumps at an ejection, as long as that is under way."""
    yield (), world
    if world.kernel == EJECTED:
        yield ("dumped",), world


def assume(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`AssumeReadySource`"""
    if world.sight is not None and world.sight.asked:
        yield ("clear",), world._replace(sight=world.sight._replace(asked=False))
    elif "readiness" in world.told:
        yield (), world
    else:
        yield ("ready",), _told(world, "readiness")


def file(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`FileSource`"""
    sight = world.sight
    assert sight is not None
    there = world.kernel == ENABLED
    changes = () if there is bool(sight.ready) else ("ready" if there else "lost",)
    seen = sight._replace(ready=PRESENT if there else "", asked=False)
    yield (*changes, *(("clear",) if sight.asked else ())), world._replace(sight=seen)


def sched_ext(world: World) -> Iterator[tuple[tuple[str, ...], World]]:
    """`SchedExtSource`"""
    for fact in facts(world):
        yield _changes(world, fact)


def facts(world: World) -> tuple[str, ...]:
    """What a look may conclude: `Tracker.look`."""
    if world.kernel != ENABLED:
        return (FACTS[world.kernel],)
    if visibly_ours(world):
        return ("ready",)
    # Proven once, it is never taken for a stranger's. Otherwise it is, when a stranger is found to hold the link.
    if world.sight is not None and world.sight.ready == PRESENT:
        return ("unproven",)
    return ("unproven", "foreign") if OFFSPRING in world.holders else ("unproven",)


def visibly_ours(world: World) -> bool:
    """A descendant is known as such while its parent lives."""
    lives = world.process in (ALIVE, STOPPED, EXITING)
    return lives and (PROCESS in world.holders or OFFSPRING in world.holders)


def _changes(world: World, fact: str) -> tuple[tuple[str, ...], World]:
    """`SchedExtSource.drain`, line by line."""
    sight = world.sight
    assert sight is not None
    changes: list[str] = []
    enabled = world.kernel in (UNPROVEN, ENABLED, FOREIGN_UNPROVEN, FOREIGN)
    lost = bool(sight.ready) and not (sight.ready == PRESENT and enabled)
    ready = "" if lost else sight.ready
    if lost:
        changes.append("lost")
    begun = fact == "enabling" or (fact == "unproven" and not ready)
    lives = world.process in (ALIVE, STOPPED, EXITING)
    found = sight.stillborn and lives and fact in ("idle", "enabling", "disabling")
    attempt = sight.attempt or begun or found or (fact == "disabling" and not lost and sight.calm)
    if fact in ("idle", "absent") and attempt and not sight.moved and not sight.blunt:
        changes.append("refused")
    told = sight.told
    if fact != "unproven":
        if fact in _TOLD and fact != told:
            changes.append(fact)
        told = fact if fact in _TOLD else ""
    if fact in _NOT_OURS and sight.might_be_ours:
        changes.append("clear")
    if sight.asked:
        present = [fact] if fact in _TOLD else []
        present += ["clear"] if fact in _NOT_OURS else []
        changes += [change for change in present if change not in changes]
    settled = fact in _SETTLED
    seen = Sight(
        told=told,
        ready=PRESENT if fact == "ready" else ready,
        calm=fact in ("idle", "enabling"),
        moved=sight.moved and not settled,
        attempt=attempt and not settled,
        stillborn=sight.stillborn and not found,
        might_be_ours=fact not in _NOT_OURS,
        asked=False,
        blunt=sight.blunt,
    )
    return tuple(changes), world._replace(sight=_blunt(seen) if sight.blunt else seen)


#: By the kind that the definition's `sources` give.
LOOKS: dict[str, Look] = {
    "process": process,
    "sched_ext": sched_ext,
    "file": file,
    "assume": assume,
    "kernel_log": kernel_log,
    "tree": tree,
    "leftovers": leftovers,
    "payload": payload,
    "logs": logs,
    "probe": probe,
    "signals": signals,
}


def opened(world: World, name: str) -> World:
    """The world in which source `name` begins anew: what was said before it is not heard."""
    world = closed(world, name)
    return world._replace(sight=Sight()) if name == "readiness" else world


def closed(world: World, name: str) -> World:
    """The world in which nobody listens to source `name` any more."""
    if name in world.told:
        world = world._replace(told=tuple(other for other in world.told if other != name))
    if name == "readiness":
        return world._replace(sight=None)
    return world._replace(log="") if name == "kernel_log" else world


def blunted(world: World) -> World:
    """The world in which it makes no difference any more whether the kernel refuses."""
    return world if world.sight is None else world._replace(sight=_blunt(world.sight))


def _blunt(sight: Sight) -> Sight:
    return sight._replace(calm=False, moved=False, attempt=False, stillborn=False, blunt=True)


def _told(world: World, name: str) -> World:
    return world._replace(told=tuple(sorted({*world.told, name})))

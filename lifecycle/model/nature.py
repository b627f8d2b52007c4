"""What happens by itself: each thing that a process, the kernel, the payload or a person may do next.

The orders are those of the real kernel (kernel/sched/ext.c; each was seen there): a link is closed, and its scheduler
disabled, before the death of its process can be seen; an enable that a SIGKILL meets goes on to its end; bpf(2)
installs the link after the enable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .world import (
    ALIVE,
    BY_ITSELF,
    BY_KERNEL,
    BY_USER_SPACE,
    DISABLED,
    EJECTED,
    ENABLED,
    ENABLING,
    ESCAPED,
    EXITING,
    FOREIGN,
    FOREIGN_DISABLING,
    FOREIGN_ENABLING,
    FOREIGN_UNPROVEN,
    FORGOTTEN,
    GONE,
    IN_GROUP,
    NONE,
    OFFSPRING,
    OURS,
    PAST,
    PIN,
    PROCESS,
    STOPPED,
    UNPROVEN,
    UNREGISTERED,
    ZOMBIE,
    World,
    without_link,
)


class Happening(NamedTuple):
    """One step of the world. What is out of the ordinary is a fault and counts as `faults`."""

    who: str
    what: str
    world: World
    faults: int = 0


Nature = Callable[[World], Iterator[Happening]]


def everywhere(world: World) -> Iterator[Happening]:
    """What happens whatever proves readiness."""
    yield from _process(world)
    yield from _offspring(world)
    if world.left != NONE:
        yield Happening("leftover", "is dead", world._replace(left=NONE))


def _process(world: World) -> Iterator[Happening]:
    process = world.process
    if process == ALIVE:
        yield Happening("process", "exits", world._replace(process=EXITING, status=BY_ITSELF))
        yield Happening("process", "is stopped by a signal", world._replace(process=STOPPED), 1)
        if world.offspring == NONE:
            holders = world.holders + OFFSPRING if PROCESS in world.holders else world.holders
            forked = world._replace(offspring=IN_GROUP, holders=holders)
            yield Happening("process", "forks a child into a session of its own", forked._replace(offspring=ESCAPED), 1)
            yield Happening("process", "forks a child", forked, 1)
    elif process == STOPPED:
        yield Happening("process", "is continued by somebody", world._replace(process=ALIVE))
        yield Happening("process", "is killed by somebody", world._replace(process=EXITING, status=BY_ITSELF))
    elif process == EXITING:
        if PROCESS in world.holders:
            yield Happening("process", "closes its link", without_link(world, PROCESS))
        elif world.kernel not in (ENABLING, UNPROVEN, UNREGISTERED, EJECTED):
            yield Happening("process", "is dead", world._replace(process=ZOMBIE))
            yield Happening("process", "is dead and was reaped by somebody else", world._replace(process=GONE), 1)
            lost = world._replace(process=FORGOTTEN)
            yield Happening("process", "is dead and was reaped by somebody else, its status is lost", lost, 1)


def _offspring(world: World) -> Iterator[Happening]:
    if world.offspring != NONE:
        if OFFSPRING in world.holders:
            yield Happening("offspring", "ends and closes its link", without_link(world, OFFSPRING))
        elif world.kernel not in (UNREGISTERED, EJECTED):
            yield Happening("offspring", "is dead", world._replace(offspring=NONE))


def sched_ext(world: World) -> Iterator[Happening]:
    """A kernel with sched_ext, or without; now and then somebody else's scheduler."""
    yield from everywhere(world)
    kernel, alive = world.kernel, world.process == ALIVE
    if kernel == DISABLED:
        if alive:
            yield Happening("process", "attaches: the kernel begins to enable it", _instance(world, ENABLING))
        yield Happening("kernel", "begins to enable somebody else's", _instance(world, FOREIGN_ENABLING), 1)
    elif kernel == ENABLING:
        yield Happening("kernel", "has enabled it", _risen(world, UNPROVEN))
        yield Happening("kernel", "refuses it", _refused(world))
    elif kernel == UNPROVEN:
        if world.process == EXITING:
            yield Happening("process", "dies in bpf(2) and never has its link", world._replace(kernel=UNREGISTERED))
        else:
            yield Happening("process", "has its link", world._replace(kernel=ENABLED, holders=PROCESS))
        yield Happening("kernel", "ejects it", world._replace(kernel=EJECTED))
    elif kernel == ENABLED:
        yield Happening("kernel", "ejects it", world._replace(kernel=EJECTED, holders=""))
        if alive and PROCESS in world.holders:
            yield Happening("process", "closes its link", without_link(world, PROCESS))
            if PIN not in world.holders:
                yield Happening("process", "pins its link", world._replace(holders=world.holders + PIN), 1)
    elif kernel in (UNREGISTERED, EJECTED):
        reason = BY_USER_SPACE if kernel == UNREGISTERED else BY_KERNEL
        yield Happening("kernel", f"has disabled it (by {reason})", world._replace(kernel=DISABLED, log=reason))
    yield from _foreign(world)


def _foreign(world: World) -> Iterator[Happening]:
    kernel = world.kernel
    if kernel == FOREIGN_ENABLING:
        yield Happening("kernel", "has enabled somebody else's", _risen(world, FOREIGN_UNPROVEN))
        yield Happening("kernel", "refuses somebody else's", world._replace(kernel=FOREIGN_DISABLING))
    elif kernel == FOREIGN_UNPROVEN:
        yield Happening("somebody", "has its link", world._replace(kernel=FOREIGN))
    elif kernel == FOREIGN:
        yield Happening("somebody", "closes its link", world._replace(kernel=FOREIGN_DISABLING))
    elif kernel == FOREIGN_DISABLING:
        yield Happening("kernel", "has disabled somebody else's", world._replace(kernel=DISABLED))


def file(world: World) -> Iterator[Happening]:
    """A file that says ready: the kernel's place is taken by the file."""
    yield from everywhere(world)
    if world.kernel == DISABLED and world.process == ALIVE:
        yield Happening("process", "makes its file", world._replace(kernel=ENABLED))
    elif world.kernel == ENABLED:
        yield Happening("somebody", "removes the file", world._replace(kernel=DISABLED))


NATURES: dict[str | None, Nature] = {"sched_ext": sched_ext, "file": file, "assume": everywhere}


def _instance(world: World, kernel: str) -> World:
    """A new instance: what was known of the last one is past."""
    sight = world.sight
    if sight is not None:
        ready = PAST if sight.ready else ""
        sight = sight._replace(told="" if sight.told in ("ready", "foreign") else sight.told, ready=ready)
    return world._replace(kernel=kernel, sight=sight)


def _refused(world: World) -> World:
    """bpf(2) says success all the same, so the process has a link that is of no use."""
    sight = world.sight
    seen = sight._replace(stillborn=True) if sight is not None and not sight.blunt else sight
    return world._replace(kernel=EJECTED, sight=seen)


def _risen(world: World, kernel: str) -> World:
    """An enable succeeded: `enable_seq` rises."""
    sight = world.sight
    seen = sight._replace(moved=True) if sight is not None and not sight.blunt else sight
    return world._replace(kernel=kernel, sight=seen)


def can_change(world: World) -> bool:
    """Whether anything of ours is still there that may act."""
    return (
        world.process in (ALIVE, STOPPED, EXITING)
        or world.offspring != NONE
        or world.left != NONE
        or world.kernel in OURS
    )

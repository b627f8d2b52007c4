"""What each action of the definition does to the world: one small function of the action's own name for each.

An effect gives every way in which the action can go, the ordinary one first. One that can't be told from its
doing nothing here (it keeps a fact for the outcome) is `nothing`. Any action may also fail without having done
anything: that is the machine's to try, not written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .world import (
    ALIVE,
    BURIED,
    BY_ITSELF,
    DEAD,
    DYING,
    ENABLED,
    EXITING,
    FORGOTTEN,
    GONE,
    IN_GROUP,
    KILLED,
    MADE,
    MISSED,
    NONE,
    OVER,
    REAPED,
    REMOVED,
    SIGNALLABLE,
    STOPPED,
    WANTED,
    ZOMBIE,
    World,
)


class Done(NamedTuple):
    """One way in which an action goes: the world behind it, the event that it posts, how many faults that takes, and
    what is out of the ordinary. With `failed` it raises, because it was asked for what can't be."""

    world: World
    posts: str = ""
    faults: int = 0
    note: str = ""
    failed: bool = False


class Asked(NamedTuple):
    """What an action can know besides the world: the event that it runs on, whether the readiness source is open and is
    sched_ext, and whether what the kernel says can still make a difference."""

    event: str
    readiness: bool
    sched_ext: bool
    heard: bool


Effect = Callable[[World, Asked], Iterator[Done]]


# What these do is done before the part of them that can fail.
DONE_ALL_THE_SAME = ("clear_pid", "remove_cgroup")


def nothing(world: World, asked: Asked) -> Iterator[Done]:
    """It notes or tells something, and changes nothing."""
    yield Done(world)


# -- start


def locate(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world, "located")
    yield Done(world, "missing")
    yield Done(world, "spawn_failed", note="it may not be executed")


def kill_leftovers(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world._replace(left=DYING) if world.left == ALIVE else world)


def make_cgroup(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world._replace(cgroup=MADE))
    yield Done(world, faults=1, note="no cgroup can be made")


def spawn(world: World, asked: Asked) -> Iterator[Done]:
    born = world._replace(process=ALIVE, published=True, wrong="alone" if world.left != NONE else world.wrong)
    yield Done(born, "spawned")
    yield Done(world, "spawn_failed", note="it could not be executed")
    dead = born._replace(process=MISSED, status=BY_ITSELF)
    yield Done(dead, "spawned", 1, "dead, and reaped by somebody else, before it had a pidfd")
    yield Done(_killed(born), "unwatched", 1, "no pidfd can be had: EMFILE; it was killed")


# -- ready and run


def announce_attached(world: World, asked: Asked) -> Iterator[Done]:
    true = not asked.sched_ext or (world.kernel == ENABLED and bool(world.holders))
    yield Done(world._replace(attached=asked.heard, wrong=world.wrong if true else "attached"))


def announce_reattached(world: World, asked: Asked) -> Iterator[Done]:
    for done in announce_attached(world, asked):
        yield done._replace(world=done.world._replace(heard=""))


def note_kernel_reason(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world._replace(heard=asked.event.partition(":")[2]) if asked.heard else world)


def start_payload(world: World, asked: Asked) -> Iterator[Done]:
    if world.payload != WANTED:
        yield Done(world)
    else:
        yield Done(world._replace(payload=ALIVE))
        yield Done(world._replace(payload=BURIED), "payload_ended", 1, "it could not be executed")


# -- stop and reap


def signal_stop(world: World, asked: Asked) -> Iterator[Done]:
    # Whether it obeys is nature's to say. SIGCONT goes with it.
    reaches = world.published and world.process == STOPPED
    yield Done(world._replace(process=ALIVE) if reaches else world)


def kill_tree(world: World, asked: Asked) -> Iterator[Done]:
    for done in kill_rest(world, asked):
        yield done._replace(world=_killed(done.world) if world.published else done.world)


def kill_rest(world: World, asked: Asked) -> Iterator[Done]:
    in_cgroup = _killed(world._replace(offspring=DYING if world.offspring else NONE)) if world.cgroup == MADE else world
    if not world.published or world.process in (MISSED, REAPED):
        yield Done(in_cgroup)
    elif world.process in SIGNALLABLE:
        in_group = _killed(in_cgroup)
        yield Done(in_group._replace(offspring=DYING) if in_group.offspring == IN_GROUP else in_group)
    elif world.offspring == IN_GROUP:
        # Its pidfd reaches the group of a process that somebody else has reaped.
        yield Done(in_cgroup._replace(offspring=DYING))
    else:
        yield Done(in_cgroup)


def note_exit(world: World, asked: Asked) -> Iterator[Done]:
    if asked.event != "exited":
        yield Done(world, failed=True, note="the event has no exit status")
    else:
        yield Done(world if world.process in DEAD else world._replace(wrong="status"))


def reap(world: World, asked: Asked) -> Iterator[Done]:
    waited = world.published and world.process in (ZOMBIE, GONE, FORGOTTEN)
    yield Done(world._replace(process=REAPED, status="") if waited else world)


def clear_pid(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world._replace(published=False))


def look_again(world: World, asked: Asked) -> Iterator[Done]:
    if not asked.readiness or world.sight is None:
        yield Done(world, "clear", note="there is no readiness source")
    else:
        yield Done(world._replace(sight=world.sight._replace(asked=True)))


def remove_cgroup(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world._replace(cgroup=REMOVED) if world.cgroup == MADE else world)


def stop_payload(world: World, asked: Asked) -> Iterator[Done]:
    running = world.payload in (ALIVE, DYING, OVER)
    yield Done(world, "" if running else "payload_ended", note="" if running else "no payload")


def kill_payload(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world._replace(payload=DYING) if world.payload == ALIVE else world)


def reap_payload(world: World, asked: Asked) -> Iterator[Done]:
    yield Done(world._replace(payload=BURIED) if world.payload == OVER else world)


def _killed(world: World) -> World:
    if world.process in (ALIVE, STOPPED):
        return world._replace(process=EXITING, status=KILLED)
    return world


EFFECTS: dict[str, Effect] = {
    "note_leftovers": nothing,
    "kill_leftovers": kill_leftovers,
    "note_unevicted": nothing,
    "remove_leftovers": nothing,
    "take_baseline": nothing,
    "locate": locate,
    "open_log": nothing,
    "remove_abandoned": nothing,
    "make_cgroup": make_cgroup,
    "spawn": spawn,
    "announce_attached": announce_attached,
    "announce_reattached": announce_reattached,
    "announce_lost": nothing,
    "announce_exit": nothing,
    "note_loss": nothing,
    "note_kernel_reason": note_kernel_reason,
    "note_owner": nothing,
    "note_stranger": nothing,
    "note_holder": nothing,
    "note_survivors": nothing,
    "trim_log": nothing,
    "start_payload": start_payload,
    "signal_stop": signal_stop,
    "kill_tree": kill_tree,
    "note_exit": note_exit,
    "kill_rest": kill_rest,
    "reap": reap,
    "clear_pid": clear_pid,
    "look_again": look_again,
    "remove_cgroup": remove_cgroup,
    "stop_payload": stop_payload,
    "kill_payload": kill_payload,
    "reap_payload": reap_payload,
}

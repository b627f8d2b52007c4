"""What each guard of the definition can answer in a world: one small function of the guard's own name for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from scxlife.fsm.definition import Value

from .sources import facts, tree_lives, visibly_ours
from .world import (
    BY_KERNEL,
    BY_USER_SPACE,
    EJECTED,
    ENABLED,
    ENABLING,
    FOREIGN_DISABLING,
    FOREIGN_ENABLING,
    NONE,
    UNREGISTERED,
    World,
)


class Answer(NamedTuple):
    """One answer, and how many faults it takes for it to be that."""

    holds: bool
    faults: int = 0


class Question(NamedTuple):
    """What a guard can know besides the world: the machine's settings, the kind of the open readiness source ("" when
    none is open), whether the kernel's log is read."""

    settings: Mapping[str, Value]
    readiness: str
    kernel_log: bool


Guard = Callable[[World, Question], Iterator[Answer]]


def leftovers(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(world.left != NONE)


def leftovers_kept(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(question.settings["keep_leftovers"] is True)


def tree_alive(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(tree_lives(world))


def confirmed(world: World, question: Question) -> Iterator[Answer]:
    if question.readiness == "sched_ext":
        yield Answer(world.kernel == ENABLED and visibly_ours(world))
    else:
        yield Answer(question.readiness == "assume" or (question.readiness == "file" and world.kernel == ENABLED))


def undecided(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(False)
    # A supervisor that was kept from looking until the deadline.
    if question.readiness == "sched_ext" and "unproven" in facts(world):
        yield Answer(True, 1)


def early_ready(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(question.settings["early_ready"] is True)


def progressing(world: World, question: Question) -> Iterator[Answer]:
    share = question.settings.get("verifier_share")
    if share is None:
        yield Answer(False)
    else:
        yield Answer(True)
        if world.kernel not in (ENABLING, FOREIGN_ENABLING):
            yield Answer(False)


def hotplugged(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(False)
    yield Answer(True, 1)


def detached_from_outside(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(False)
    if world.heard == BY_USER_SPACE:
        yield Answer(True, 1)


def unregistered_by_itself(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(world.heard == BY_USER_SPACE)
    # As for `ejected_by_kernel`.
    if not question.kernel_log and not world.heard:
        yield Answer(True)


def grace_given(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(question.settings["reattach_grace"] != 0)


def being_enabled(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(world.kernel in (ENABLING, FOREIGN_ENABLING))


def being_disabled(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(world.kernel in (UNREGISTERED, EJECTED, FOREIGN_DISABLING))


def ejected_by_kernel(world: World, question: Question) -> Iterator[Answer]:
    yield Answer(world.attached and world.heard == BY_KERNEL)
    # Without the kernel's log, what the scheduler printed of its own end has to do.
    if world.attached and not question.kernel_log and not world.heard:
        yield Answer(True)


ANSWERS: dict[str, Guard] = {
    "leftovers": leftovers,
    "leftovers_kept": leftovers_kept,
    "tree_alive": tree_alive,
    "confirmed": confirmed,
    "undecided": undecided,
    "early_ready": early_ready,
    "progressing": progressing,
    "hotplugged": hotplugged,
    "detached_from_outside": detached_from_outside,
    "unregistered_by_itself": unregistered_by_itself,
    "grace_given": grace_given,
    "being_enabled": being_enabled,
    "being_disabled": being_disabled,
    "ejected_by_kernel": ejected_by_kernel,
}

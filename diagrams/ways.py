"""When a cell of the table takes which way: the condition of each branch, told without the branches before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from scxlife.fsm.definition import FAULT, Branch, Cell, Event, Exclusion

Guards = tuple[tuple[str, bool], ...]


@attrs.frozen
class Way:
    """An event under a condition, and the branches of its cell that it stands for.

    All branches of a way are of one kind and lead to one state; they may differ in actions and verdict. `otherwise`
    says that branches before it must have failed in a manner that no list of guards can tell.
    """

    event: Event
    guards: Guards
    otherwise: bool
    branches: tuple[Branch, ...]

    @property
    def kind(self) -> str:
        return self.branches[0].decision.kind

    @property
    def target(self) -> str:
        return self.branches[0].decision.target

    @property
    def internal(self) -> bool:
        """Whether the state is not left: no exit, no entry, deadlines run on."""
        return self.branches[0].decision.internal

    @property
    def actions(self) -> tuple[str, ...]:
        """What is run, each action once, in the order of the branches."""
        return tuple(dict.fromkeys(action for branch in self.branches for action in branch.decision.actions))

    def row_actions(self, exits: int, entries: int) -> tuple[str, ...]:
        """`actions` without the first `exits` and the last `entries` of each branch, which its states bring."""
        own = (branch.decision.actions for branch in self.branches)
        return tuple(dict.fromkeys(name for names in own for name in names[exits : len(names) - entries]))

    @property
    def is_deadline(self) -> bool:
        return self.event.timer is not None

    @property
    def is_fault(self) -> bool:
        return self.event.name == FAULT

    @property
    def conditions(self) -> tuple[str, ...]:
        """`guard`, `not guard`, and `else` for what guards can't tell."""
        words = (name if wanted else f"not {name}" for name, wanted in self.guards)
        return (*words, "else") if self.otherwise else tuple(words)

    @property
    def label(self) -> str:
        """`event`, `event [guard, not guard]`, or `event [else]`."""
        return f"{self.event.name} [{', '.join(self.conditions)}]" if self.conditions else self.event.name


def ways_through(event: Event, cell: Cell, exclusions: Sequence[Exclusion] = ()) -> tuple[Way, ...]:
    """The ways through the cell of `event`, in the order of its branches. What follows from the `exclusions` among
    its guards is not repeated.

    Branches of the same kind and target never exclude each other here: `[a]` and `[b]` toward one state read as
    just that, and when one of them has no condition left it stands for all.
    """
    ways: dict[tuple[object, ...], Way] = {}
    for index, branch in enumerate(cell):
        rivals = [earlier for earlier in cell[:index] if _effect(earlier) != _effect(branch)]
        condition = _condition(branch, rivals, exclusions)
        if condition is not None:
            key = (_effect(branch), frozenset(condition[0]), condition[1])
            known = ways.get(key, Way(event, *condition, ()))
            ways[key] = attrs.evolve(known, branches=(*known.branches, branch))
    return tuple(_merged(list(ways.values())))


def _effect(branch: Branch) -> tuple[str, str, bool]:
    decision = branch.decision
    return decision.kind, decision.target, decision.internal


def _condition(branch: Branch, rivals: list[Branch], exclusions: Sequence[Exclusion]) -> tuple[Guards, bool] | None:
    """What must hold for `branch` to be taken before any of `rivals`; None when that can't be.

    A rival fails when one of its guards does. Where only one is left that may, it has to.
    """
    held, told = dict(branch.guards), dict(branch.guards)
    unsettled = [rival.guards for rival in rivals]
    settled = True
    while settled:
        settled = False
        held |= _following(held, exclusions)
        for guards in list(unsettled):
            open_ = [(name, wanted) for name, wanted in guards if name not in held]
            if any(held.get(name, wanted) is not wanted for name, wanted in guards):
                unsettled.remove(guards)
            elif not open_:
                return None
            elif len(open_) == 1:
                name, wanted = open_[0]
                held[name] = told[name] = not wanted
                unsettled.remove(guards)
                settled = True
    return tuple(told.items()), bool(unsettled)


def _following(held: Mapping[str, bool], exclusions: Sequence[Exclusion]) -> dict[str, bool]:
    """The answers that follow from those in `held`."""
    ways = ((one, other) for pair in exclusions for one, other in (pair, pair[::-1]))
    return {name: not answer for (given, held_as), (name, answer) in ways if held.get(given) is held_as}


def _merged(ways: list[Way]) -> list[Way]:
    """`ways` without those that a wider one toward the same state covers; the wider one takes over their branches."""
    merged: list[Way] = []
    for way in ways:
        alike = [other for other in ways if _effect(other.branches[0]) == _effect(way.branches[0])]
        if not any(_covers(other, way) for other in alike):
            stands_for = [other for other in alike if other is way or _covers(way, other)]
            branches = tuple(branch for other in stands_for for branch in other.branches)
            merged.append(attrs.evolve(way, branches=branches))
    return merged


def _covers(wide: Way, narrow: Way) -> bool:
    return not wide.otherwise and set(wide.guards) < set(narrow.guards)

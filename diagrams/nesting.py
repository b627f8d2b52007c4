"""Groups of states as boxes within boxes, as far as they can be drawn so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import attrs


@attrs.frozen
class Box:
    """A group with the boxes and the states in it, or all of a machine where `name` is empty. A state is in the
    innermost of its boxes only. States and boxes are in the order of the definition."""

    name: str
    states: tuple[str, ...]
    boxes: tuple[Box, ...]

    def all_states(self) -> tuple[str, ...]:
        """Its states, and those of the boxes within it."""
        return (*self.states, *(state for box in self.boxes for state in box.all_states()))

    def all_names(self) -> tuple[str, ...]:
        """Its name, and those of the boxes within it."""
        return (self.name, *(name for box in self.boxes for name in box.all_names()))


def nest(states: Collection[str], groups: Mapping[str, Collection[str]]) -> Box:
    """All `states` with those `groups` that can be boxes.

    A group is left out that has the same states as one declared before it, or cuts across one: neither within the
    other, nor apart from it.
    """
    kept: dict[str, frozenset[str]] = {}
    for name, members in groups.items():
        own = frozenset(members)
        if own and all(own < other or other < own or not own & other for other in kept.values()):
            kept[name] = own
    return _box("", tuple(states), kept)


def _box(name: str, states: tuple[str, ...], groups: Mapping[str, frozenset[str]]) -> Box:
    """The box of `states`, with those of `groups` that are all within it."""
    outermost = [each for each, own in groups.items() if not any(own < other for other in groups.values())]
    boxes = []
    for each in outermost:
        own = groups[each]
        within = {other: members for other, members in groups.items() if members < own}
        boxes.append(_box(each, tuple(state for state in states if state in own), within))
    boxed = {state for each in outermost for state in groups[each]}
    return Box(name, tuple(state for state in states if state not in boxed), tuple(boxes))


def drawn(
    box: Box, margin: str, state: Callable[[str, str], Iterable[str]], head: Callable[[str], str]
) -> Iterator[str]:
    """The lines of what is in `box`, as Mermaid and PlantUML both write it: `state` gives those of a state by its name
    and its margin, `head` what stands in front of the brace of a box."""
    for name in box.states:
        yield from state(name, margin)
    for inner in box.boxes:
        yield f"{margin}{head(inner.name)} {{"
        yield from drawn(inner, f"{margin}  ", state, head)
        yield f"{margin}}}"

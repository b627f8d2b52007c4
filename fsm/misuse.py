"""What the engine says to a program that calls it in a way that can't be meant."""

from __future__ import annotations

import math


class Misuse(TypeError):
    """A call with something else than what is wanted. The text says what is wanted, and what was given."""


def expect(right: bool, wanted: str, given: object) -> None:
    """Raise Misuse unless it is `right`."""
    if not right:
        text = repr(given)
        shown = text if len(text) < 60 else f"{text[:57]}…"
        raise Misuse(f"{wanted}; {shown} was given, of type {type(given).__name__}")


def is_seconds(value: object) -> bool:
    """Whether it is a number that a float can hold, neither infinite nor none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False

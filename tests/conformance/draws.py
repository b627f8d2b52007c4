"""A number of scenarios that Hypothesis draws: the same ones each time, for as long as it draws as it does now."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

T = TypeVar("T")
# Of so many draws one has to do.
_PATIENCE = 200


def drawn(strategy: st.SearchStrategy[T | None], count: int, number: int) -> list[T]:
    """`count` different ones, from the seed `number`. A strategy may draw None for what it does not want."""
    found: list[T] = []

    def keep(one: T | None) -> None:
        assume(one is not None)
        if one is not None and one not in found and len(found) < count:
            found.append(one)

    limited = settings(
        max_examples=count * _PATIENCE,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )

    class Enough(Exception):
        """All are there."""

    def until_enough(one: T | None) -> None:
        keep(one)
        if len(found) == count:
            raise Enough

    try:
        seed(number)(limited(given(strategy)(until_enough)))()
    except Enough:
        return found
    raise AssertionError(f"only {len(found)} of {count}")

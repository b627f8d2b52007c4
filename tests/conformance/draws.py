"""A number of scenarios that Hypothesis draws: the same ones each time, for as long as it draws as it does now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

T = TypeVar("T")
# Of so many draws one has to do.
_PATIENCE = 200


class _Enough(Exception):
    """All are there."""


def drawn(
    strategy: st.SearchStrategy[T | None], count: int, number: int, *, kind: Callable[[T], Hashable], most: int
) -> list[T]:
    """`count` different ones, from the seed `number`, and at `most` so many of a kind. A strategy may draw None for
    what it does not want."""
    found: list[T] = []
    kinds: Counter[Hashable] = Counter()

    def keep(one: T | None) -> None:
        assume(one is not None)
        if one is not None and one not in found and kinds[kind(one)] < most:
            found.append(one)
            kinds[kind(one)] += 1
        # The last one is tried twice.
        if len(found) == count:
            raise _Enough

    limited = settings(
        max_examples=count * _PATIENCE,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(limited(given(strategy)(keep)))()
    except _Enough:
        return found
    raise AssertionError(f"only {len(found)} of {count}")

"""Which coming of an event a later step speaks of. A tape does not say so; it says what came, and in which order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from scxlife.diagrams.timeline.chart import Mark

# Of those that wait so many are compared with a step.
_LOOKED_AT = 16


class Waiting:
    """Events between their coming and their end. Of one name all have the same rank: the first that came is the first
    to be delivered, unless it was deferred; then it is out of the way until the state is left. `numbers` says how many
    wait, deferred ones too, from which time on."""

    def __init__(self) -> None:
        self._came: dict[str, deque[tuple[int, Mark, Mapping[str, Any]]]] = {}
        self._deferred: dict[str, list[tuple[int, Mark, Mapping[str, Any]]]] = {}
        self._order = 0
        self._number = 0
        self.numbers: list[tuple[float, int]] = []

    def came(self, mark: Mark, record: Mapping[str, Any]) -> None:
        self._order += 1
        self._count(record["t"], 1)
        self._came.setdefault(record["event"], deque()).append((self._order, mark, record))

    def of(self, record: Mapping[str, Any]) -> Mark | None:
        """The mark of the event that `record`, a step or a drop, is about; None where it came before the tape."""
        queue = self._came.get(record["event"])
        # Without a definition it is not known which of them stay deferred: those are passed over.
        told = [found[2] for found in islice(queue or (), _LOOKED_AT)]
        same = [all(record.get(key, event[key]) == event[key] for key in ("cause", "data")) for event in told]
        if queue is None or True not in same:
            return None
        found = queue[same.index(True)]
        del queue[same.index(True)]
        if record.get("cell") == "defer":
            self._deferred.setdefault(record["event"], []).append(found)
        else:
            self._count(record["t"], -1)
        return found[1]

    def left(self, stays: Callable[[str], bool]) -> None:
        """The state is left: what was deferred waits again, in its old place, unless it `stays` so."""
        for name in [name for name in self._deferred if not stays(name)]:
            deferred = self._deferred.pop(name)
            self._came[name] = deque(sorted([*deferred, *self._came.get(name, ())], key=lambda each: each[0]))

    def _count(self, t: float, more: int) -> None:
        self._number += more
        if self.numbers and self.numbers[-1][0] == t:
            self.numbers[-1] = (t, self._number)
        else:
            self.numbers.append((t, self._number))

"""When the last of a process group has died, where no cgroup tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.events import Event
from scxlife.platform.process_group import lives

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scxlife.platform.kernel import Kernel
    from scxlife.platform.process_group import Member


class GroupSource:
    """Tells `deserted` once, when none of `members` lives any more. It looks at the cadence: nothing tells of them.

    `members` is asked at each look, so that it can give those that were forked since."""

    degraded: str | None = None

    def __init__(self, kernel: Kernel, members: Callable[[], Sequence[Member]], *, cadence: float) -> None:
        self._kernel = kernel
        self._members = members
        self._cadence = cadence
        self._told = False
        self._due = 0.0

    def open(self) -> None:
        self._told = False
        self._due = self._kernel.monotonic()

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return None if self._told else self._due

    def drain(self) -> list[Event]:
        self._due = self._kernel.monotonic() + self._cadence
        if self._told or any(lives(self._kernel, member) for member in self._members()):
            return []
        self._told = True
        return [Event("deserted", {}, "nobody is left of the process group")]

    def close(self) -> None:
        """Nothing is held."""

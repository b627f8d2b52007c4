"""The guards of operations.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .restart_policy import exhausted, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.fsm.events import Event

    from .restart_policy import Policy
    from .standing import Standing

# The one outcome that says that something may still be there.
LEFT_RUNNING = "left-running"


class Guards:
    def __init__(self, standing: Standing, policy: Policy, clock: Callable[[], float]) -> None:
        self._standing = standing
        self._policy = policy
        self._clock = clock

    def ran_before(self, event: Event) -> bool:
        return self._standing.running is not None

    def remains(self, event: Event) -> bool:
        return event.data["outcome"] == LEFT_RUNNING

    def restart_wanted(self, event: Event) -> bool:
        status = event.data["status"]
        assert isinstance(status, int)
        return wanted(self._policy, str(event.data["outcome"]), status)

    def limit_reached(self, event: Event) -> bool:
        return exhausted(self._policy, self._standing.history, self._clock())

"""The guards of operations.yaml."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from .restart_policy import exhausted, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.fsm.events import Event
    from scxlife.platform.kernel import Kernel

    from .restart_policy import Policy
    from .standing import Standing

# The one outcome that says that something may still be there.
LEFT_RUNNING = "left-running"


class Guards:
    """`command` tells the file of a scheduler."""

    def __init__(self, kernel: Kernel, standing: Standing, policy: Policy, command: Callable[[str], str]) -> None:
        self._kernel = kernel
        self._standing = standing
        self._policy = policy
        self._command = command

    def can_start(self, event: Event) -> bool:
        try:
            return stat.S_ISREG(self._kernel.stat(self._command(str(event.data["name"]))).mode)
        except OSError:
            return False

    def ran_before(self, event: Event) -> bool:
        return self._standing.running is not None

    def remains(self, event: Event) -> bool:
        return event.data["outcome"] == LEFT_RUNNING

    def restart_wanted(self, event: Event) -> bool:
        status = event.data["status"]
        assert isinstance(status, int)
        return wanted(self._policy, str(event.data["outcome"]), status)

    def limit_reached(self, event: Event) -> bool:
        return exhausted(self._policy, self._standing.history, self._kernel.monotonic())

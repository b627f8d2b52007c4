"""When a scheduler that ended unasked is started again, and after which pause. Pure: no clock, no chance of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scxlife.fsm.definition import Value

NEVER, ON_FAILURE, ON_EJECTION, ALWAYS = "never", "on-failure", "on-ejection", "always"
POLICIES = (NEVER, ON_FAILURE, ON_EJECTION, ALWAYS)

# What starting it again would not change.
_HOPELESS = ("not-configured", "no-scheduler", "left-running")


@attrs.frozen
class Policy:
    """Seconds, but for `factor`, `jitter` (a share) and `limit` (restarts within any `window`)."""

    restart: str
    first: float
    factor: float
    at_most: float
    jitter: float
    limit: int
    window: float

    @classmethod
    def of(cls, settings: Mapping[str, Value]) -> Policy:
        """The policy in the settings of operations.yaml. Raises ValueError for one that makes no sense."""

        def number(name: str) -> float:
            value = settings[name]
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < float("inf"):
                raise ValueError(f"setting {name} is a number that is not negative, not {value!r}")
            return float(value)

        restart = settings["restart"]
        if restart not in POLICIES:
            raise ValueError(f"setting restart is one of {', '.join(POLICIES)}, not {restart!r}")
        if number("start_window") == 0:
            raise ValueError("setting start_window is longer than nothing: start_limit could never be reached")
        if number("backoff_factor") < 1:
            raise ValueError("setting backoff_factor is 1 or more: pauses do not get shorter")
        if number("backoff_jitter") > 1:
            raise ValueError("setting backoff_jitter is a share: 1 at most")
        return cls(
            str(restart),
            number("backoff_first"),
            number("backoff_factor"),
            number("backoff_at_most"),
            number("backoff_jitter"),
            int(number("start_limit")),
            number("start_window"),
        )


@attrs.frozen
class History:
    """`failures`: ends since it was last well; `restarts`: the monotonic seconds of those that may still count."""

    failures: int = 0
    restarts: tuple[float, ...] = ()

    def failed(self) -> History:
        return History(self.failures + 1, self.restarts)

    def restarted(self, policy: Policy, now: float) -> History:
        return History(self.failures, (*recent(policy, self, now), now))


def wanted(policy: Policy, outcome: str, status: int) -> bool:
    """Whether an end with that outcome, and that exit code of `scxlife run`, is one to start again after."""
    if outcome in _HOPELESS:
        return False
    if policy.restart == ON_FAILURE:
        return status != 0
    if policy.restart == ON_EJECTION:
        return outcome == "ejected"
    return policy.restart == ALWAYS


def recent(policy: Policy, history: History, now: float) -> tuple[float, ...]:
    """The restarts that lie within the window that ends now."""
    return tuple(at for at in history.restarts if now - at < policy.window)


def exhausted(policy: Policy, history: History, now: float) -> bool:
    """Whether one more restart would be more than `limit` within `window`."""
    return len(recent(policy, history, now)) >= policy.limit


def pause(policy: Policy, history: History, draw: float) -> float:
    """Seconds until the next restart. Each failure makes it `factor` times longer, up to `at_most`; `draw`, from
    [0, 1), takes up to the share `jitter` off, so that what failed together does not come back together."""
    longest = policy.first
    for _ in range(max(0, history.failures - 1)):
        longest *= policy.factor
        if longest >= policy.at_most or policy.factor == 1:
            break
    return min(longest, policy.at_most) * (1 - policy.jitter * draw)

"""How a run ended: one closed union of outcomes, the same names in the definition, the code and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

ATTACHED_AND_ENDED = 0
PAYLOAD_FAILED = 1
USAGE = 2
GUEST_FAILED = 15
INTERNAL = 70  # EX_SOFTWARE of sysexits(3)


@attrs.frozen(kw_only=True)
class Outcome:
    """What every outcome carries.

    `exit` is the process's own status, None when it is unknown or there was none. `kernel_reason` is why the kernel
    ended its scheduler, `kernel_details` what it said besides. `cause` is the code of a known one (`diagnosis`), `hint`
    what to do about it. `verifier` has the `program` that the BPF verifier rejected, the `source` line and the
    verifier's `message`. `ready_seconds` are the seconds for which it was ready. `partial`: it has only the tasks that
    ask for it. `log_dropped` counts the bytes at the beginning of the log that were given up. `timings` are seconds
    from the spawn to the entry of each phase, and `end`.
    `leftovers` are the processes that a dead supervisor had left, and that were ended, or kept, before the start.
    `degraded` is what could not be seen or done as it should.
    """

    reason: str = ""
    phase: str = ""
    exit: Mapping[str, int] | None = None
    kernel_reason: str | None = None
    kernel_details: Sequence[str] = ()
    cause: str | None = None
    hint: str | None = None
    verifier: Mapping[str, str] | None = None
    owner: Mapping[str, Any] | None = None
    instance: int | None = None
    enable_seq: int | None = None
    partial: bool | None = None
    generation: int = 0
    ready_seconds: float | None = None
    log_path: str | None = None
    log_lost: str | None = None
    log_dropped: int = 0
    log_tail: str = ""
    timings: Mapping[str, float] = attrs.Factory(dict)
    payload: Mapping[str, Any] | None = None
    leftovers: str | None = None
    degraded: Sequence[str] = ()

    name = "outcome"
    exit_code = INTERNAL

    @property
    def status(self) -> int:
        """The exit code of `scxlife run` and `scxlife vm run` for this outcome."""
        return self.exit_code


# Those below have no fields of their own, and need no methods of their own either: attrs takes 2 ms to make them.


class NotConfigured(Outcome):
    __slots__ = ()
    name = "not-configured"
    exit_code = 127


class SpawnFailed(Outcome):
    __slots__ = ()
    name = "spawn-failed"
    exit_code = 126


class StartupDied(Outcome):
    __slots__ = ()
    name = "startup-died"
    exit_code = 10


class NotAttached(Outcome):
    __slots__ = ()
    name = "not-attached"
    exit_code = 11


class Exited(Outcome):
    """It ended by itself while running: a failure unless its own status was 0."""

    __slots__ = ()
    name = "exited"
    exit_code = 13

    @property
    def status(self) -> int:
        return ATTACHED_AND_ENDED if self.exit == {"code": 0} else self.exit_code


class Ejected(Outcome):
    __slots__ = ()
    name = "ejected"
    exit_code = 12


class Stopped(Outcome):
    __slots__ = ()
    name = "stopped"
    exit_code = ATTACHED_AND_ENDED


class NoScheduler(Outcome):
    """Of a guest in which no scheduler was asked for: its payload ran on the kernel's own."""

    __slots__ = ()
    name = "no-scheduler"
    exit_code = ATTACHED_AND_ENDED


class LeftRunning(Outcome):
    __slots__ = ()
    name = "left-running"
    exit_code = 14


class Fault(Outcome):
    """scxlife itself failed; the process was ended all the same."""

    __slots__ = ()
    name = "fault"
    exit_code = INTERNAL


OUTCOMES: Mapping[str, type[Outcome]] = {
    cls.name: cls
    for cls in (
        NotConfigured,
        SpawnFailed,
        StartupDied,
        NotAttached,
        Exited,
        Ejected,
        Stopped,
        NoScheduler,
        LeftRunning,
        Fault,
    )
}


def describe_exit(status: Mapping[str, int] | None) -> str:
    """`code 1`, `signal 9 (SIGKILL)` or `unknown status`."""
    if status is None:
        return "unknown status"
    if "signal" in status:
        from signal import Signals

        number = status["signal"]
        try:
            return f"signal {number} ({Signals(number).name})"
        except ValueError:
            return f"signal {number}"
    return f"code {status['code']}"


def as_json(outcome: Outcome, definition: str, version: str) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {
        "outcome": outcome.name,
        **attrs.asdict(outcome, recurse=False),
        "definition": definition,
        "version": version,
    }


def from_json(data: Mapping[str, Any]) -> Outcome:
    """The outcome in an object that `as_json` made. Raises KeyError or TypeError for anything else."""
    cls = OUTCOMES[data["outcome"]]
    names = {field.name for field in attrs.fields(cls)}
    return cls(**{name: value for name, value in data.items() if name in names})

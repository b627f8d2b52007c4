"""What a run is asked to do, before anything has happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

# What a service manager says to the process that it started alone: sd_notify(3), sd_watchdog_enabled(3).
NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_FOR_US = (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID)


def scheduler_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: RUST_LOG as it is, or `info`, and libbpf's own chatter reduced to warnings. What the
    service manager gave us is ours: no child says in our place that it is ready."""
    level = environment.get("RUST_LOG") or "info"
    kept = {name: value for name, value in environment.items() if name not in _FOR_US}
    return {**kept, "RUST_LOG": f"{level},scx_utils::libbpf_logger=warn"}


class Streams(Protocol):
    """The standard streams of a payload that somebody relays."""

    @property
    def terminal(self) -> bool:
        """Whether they are a terminal, for a session of its own."""

    def standard(self) -> tuple[int, int, int]:
        """Its descriptors 0 to 2."""

    def started(self) -> None:
        """It has them."""


@attrs.frozen
class Plan:
    """A command with its arguments, its log, the file that says it is ready (for that profile), a payload.

    `command` is a path; the arguments are those in `arguments_file`, where there is one; `payload_output` is the
    descriptor that the payload writes to, unless it has `payload_streams`. `log_fd` is a
    descriptor to which the output goes as it comes, instead of into `log_path`. `unit` is the key of the socket or
    service that is served, from `platform.leftovers.unit_of`.
    """

    command: str
    arguments: tuple[str, ...] = ()
    arguments_file: str | None = None
    environment: Mapping[str, str] = attrs.Factory(dict)
    log_path: str = "/tmp/sched.log"
    log_fd: int | None = None
    ready_file: str | None = None
    payload: tuple[str, ...] = ()
    payload_environment: Mapping[str, str] = attrs.Factory(dict)
    payload_output: int = 1
    payload_streams: Streams | None = None
    unit: str | None = None
    #: Paths of the files that the host is sent in the end.
    gets: tuple[str, ...] = ()

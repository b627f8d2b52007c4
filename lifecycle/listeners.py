"""Who is told of a run as it goes, besides its log and its tape: the service manager, and whoever reads its metrics."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from .notify import ReadinessDescriptor, ServiceManager, watched
from .plan import NOTIFY_SOCKET

if TYPE_CHECKING:
    from scxlife.fsm.definition import Definition
    from scxlife.fsm.sources import Waiter

    from .metrics import Metrics
    from .outcomes import Outcome
    from .outlet import Outlets

#: Phases of a state in which the run is on its way to its end.
_ENDING = ("stop", "reap")


def add_listeners(parser: argparse.ArgumentParser) -> None:
    """`--notify-fd`, `--metrics` and `--log-format`."""
    parser.add_argument(
        "--notify-fd", type=int, metavar="N", help="write a newline to descriptor N when it is ready (s6, dinit)"
    )
    parser.add_argument(
        "--metrics", metavar="FILE", help="keep its metrics in FILE, in Prometheus' text format (node_exporter)"
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "journal", "json"),
        help="the timeline as text (default), with journald's priorities (default under systemd), or as JSON Lines",
    )


class Listeners:
    """Reads the records of a run, hears its announcements, and is told its outcome.

    Who is started as a service is told `READY=1` when the run is attached, or ready, `STATUS=` at every state, and
    `STOPPING=1` when it begins to end. `environment` is ours, with what the service manager put into it.
    """

    def __init__(
        self,
        definition: Definition,
        environment: Mapping[str, str],
        outlets: Outlets,
        *,
        notify_fd: int | None,
        metrics: Metrics | None,
    ) -> None:
        self._definition = definition
        self._environment = environment
        self._outlets = outlets
        self._descriptor = None if notify_fd is None else ReadinessDescriptor(notify_fd, outlets)
        self._manager = ServiceManager(environment.get(NOTIFY_SOCKET), self._descriptor)
        self._metrics = metrics
        self._stopping = False

    def __enter__(self) -> Listeners:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()

    def waiter(self, pid: int) -> Waiter:
        """Waits and writes what is pending. Where the service manager wants signs of life of `pid`, which is us, it
        gives them too."""
        return watched(self._outlets, self._manager, self._environment, pid)

    def record(self, record: Mapping[str, Any]) -> None:
        if self._metrics is not None:
            self._metrics.record(record)
        if record["kind"] == "step" and record["cell"] == "go":
            self._status(record)

    def announce(self, name: str, facts: Mapping[str, Any]) -> None:
        if self._metrics is not None:
            self._metrics.announce(name)
        if name == "attached":
            self._manager.ready()

    def over(self, outcome: Outcome) -> Outcome:
        """The last status is the outcome with its reason. What could not be told is told in the outcome."""
        self._manager.status(f"{outcome.name}: {outcome.reason}")
        lost = tuple(self._degraded())
        return attrs.evolve(outcome, degraded=(*outcome.degraded, *lost)) if lost else outcome

    # -- inside

    def _status(self, record: Mapping[str, Any]) -> None:
        data = record["data"]
        if record["to"] == record["state"] and data.get("verb") != "disabled":
            return
        phase = self._definition.states[record["to"]].phase
        if phase in _ENDING and not self._stopping:
            self._stopping = True
            self._manager.tell(STOPPING="1")
        self._manager.status(f"{record['to']}: {data.get('line') or record['cause']}")

    def _degraded(self) -> Iterator[str]:
        for listener in (self._manager, self._descriptor, self._metrics):
            if listener is not None and listener.degraded is not None:
                yield listener.degraded

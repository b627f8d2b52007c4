"""A run as metrics in a file, in Prometheus' text format, for the textfile collector of node_exporter.

The file is written when something changes and at no other time: a quiet run costs nothing. How long the present state
has lasted is `time() - scxlife_state_since_seconds`. The counters go on from what the file says already, so they count
the runs of a service and not of a process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .destinations import check_file
from .outcomes import OUTCOMES

if TYPE_CHECKING:
    from scxlife.fsm.definition import Definition

_MODE = 0o644
_READ_BYTES = 1 << 20

FAMILIES: Mapping[str, tuple[str, str]] = {
    "scxlife_state": ("gauge", "1 for the state that the lifecycle is in, 0 for every other."),
    "scxlife_state_since_seconds": ("gauge", "Unix time at which the present state was entered."),
    "scxlife_state_seconds_total": ("counter", "Seconds spent in a state, each counted when the state was left."),
    "scxlife_generation": ("gauge", "How often this run has been attached, or ready, so far."),
    "scxlife_attach_total": ("counter", "Times that it was attached, or ready, reattachments of one process included."),
    "scxlife_detach_total": ("counter", "Times that the kernel no longer ran it while its process lived."),
    "scxlife_ejections_total": ("counter", "Runs in which it was ready and was thrown out."),
    "scxlife_runs_total": ("counter", "Runs that are over, by their outcome."),
}


class Metrics:
    """The metrics of the run of `name`, or of several, one after the other, in the file `path`. Raises UsageError where
    no file can be put there.

    `realtime` gives Unix seconds. When a write fails the run goes on: `degraded` says why, and the next change tries
    again.
    """

    def __init__(self, path: str, definition: Definition, name: str, *, realtime: Callable[[], float]) -> None:
        self.degraded: str | None = None
        self._path = Path(path)
        self._states = tuple(definition.states)
        self._name = name
        self._realtime = realtime
        self._state = definition.initial
        self._entered: float | None = None
        self._ejected = False
        self._values: dict[str, float] = {}
        check_file("--metrics", path)
        with suppress(OSError):
            self._values = self._counted()
        for family in ("scxlife_attach_total", "scxlife_detach_total", "scxlife_ejections_total"):
            self._add(family, 0.0)
        for outcome in OUTCOMES:
            self._add("scxlife_runs_total", 0.0, outcome=outcome)
        for state in self._states:
            self._add("scxlife_state_seconds_total", 0.0, state=state)

    def record(self, record: Mapping[str, Any]) -> None:
        """A record of the tape."""
        kind = record["kind"]
        if kind == "start":
            self._ejected = False
            self._values[self._series("scxlife_generation")] = 0.0
            self._enter(record["state"], record["t"])
        elif kind == "step" and record["cell"] == "go":
            if (record["verdict"] or "").partition("/")[0] == "ejected" and not self._ejected:
                self._ejected = True
                self._add("scxlife_ejections_total", 1.0)
            if record["to"] != record["state"]:
                self._enter(record["to"], record["t"])
        elif kind == "end":
            self._add("scxlife_runs_total", 1.0, outcome=record["outcome"].partition("/")[0])
            self._write()

    def announce(self, name: str) -> None:
        if name in ("attached", "reattached"):
            self._add("scxlife_attach_total", 1.0)
            self._add("scxlife_generation", 1.0)
            self._write()
        elif name == "lost":
            self._add("scxlife_detach_total", 1.0)
            self._write()

    # -- inside

    def _enter(self, state: str, now: float) -> None:
        if self._entered is not None:
            self._add("scxlife_state_seconds_total", max(now - self._entered, 0.0), state=self._state)
        self._state, self._entered = state, now
        for each in self._states:
            self._values[self._series("scxlife_state", state=each)] = float(each == state)
        self._values[self._series("scxlife_state_since_seconds")] = self._realtime()
        self._write()

    def _add(self, family: str, value: float, **labels: str) -> None:
        series = self._series(family, **labels)
        self._values[series] = self._values.get(series, 0.0) + value

    def _series(self, family: str, **labels: str) -> str:
        shown = ",".join(f'{label}="{_escaped(value)}"' for label, value in {"name": self._name, **labels}.items())
        return f"{family}{{{shown}}}"

    def _counted(self) -> dict[str, float]:
        """The counters of this name that the file has. What is not ours, or can't be read, is not counted on."""
        fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            text = file.read(_READ_BYTES).decode("utf-8", "replace")
        found = {}
        mine = f'{{name="{_escaped(self._name)}"'
        for line in text.splitlines():
            series, _, number = line.rpartition(" ")
            family, brace, labels = series.partition("{")
            if FAMILIES.get(family, ("", ""))[0] != "counter" or not (brace + labels).startswith(mine):
                continue
            with suppress(ValueError):
                value = float(number)
                if math.isfinite(value) and value >= 0:
                    found[series] = value
        return found

    def _lines(self) -> Iterator[str]:
        for family, (kind, words) in FAMILIES.items():
            yield f"# HELP {family} {words}"
            yield f"# TYPE {family} {kind}"
            for series, value in self._values.items():
                if series.startswith(f"{family}{{"):
                    yield f"{series} {int(value) if value.is_integer() else repr(value)}"

    def _write(self) -> None:
        """Whoever reads sees the file before or the file after, and never half of one."""
        text = "".join(f"{line}\n" for line in self._lines())
        # Not *.prom, which the collector would read.
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with suppress(FileNotFoundError):
                draft.unlink()
            fd = os.open(draft, flags, _MODE)
            try:
                with os.fdopen(fd, "wb") as file:
                    os.fchmod(fd, _MODE)
                    file.write(text.encode("utf-8", "backslashreplace"))
                draft.rename(self._path)
            except OSError:
                with suppress(OSError):
                    draft.unlink()
                raise
        except OSError as error:
            self.degraded = f"--metrics {self._path} is not up to date: {error.strerror}"
        else:
            self.degraded = None


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

"""A run as lines for people: when, in which state, what happened, what caused it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .plain_text import plain

HEADER = f"{'TIME':>9}  {'STATE':<11} {'EVENT':<14} {'NEXT':<14} CAUSE"


class Timeline:
    """Reads a tape line by line and writes a line for each event that changed something; with `everything`, for each
    that was looked at."""

    def __init__(self, write: Callable[[str], object], *, everything: bool = False) -> None:
        self._write = write
        self._everything = everything
        self._start: float | None = None

    def __call__(self, line: str) -> None:
        self.record(json.loads(line))

    def record(self, record: Mapping[str, Any]) -> None:
        """The same for a record in this process."""
        if self._start is None:
            self._start = record["t"]
            self._write(HEADER)
        if not shown(record) and not (self._everything and record["kind"] == "step"):
            return
        if record["kind"] == "action":
            self._line(record, "", "", "", f"action {record['name']} failed: {record['error']}")
            return
        moved = record["to"] != record["state"]
        then = f"→ {record['to']}" if moved else "deferred" if record["cell"] == "defer" else ""
        self._line(record, record["state"], record["event"], then, cause_of(record))

    def _line(self, record: Mapping[str, Any], state: str, event: str, then: str, cause: str) -> None:
        at = record["t"] - (self._start or 0.0)
        self._write(plain(f"{at:9.3f}  {state:<11} {event:<14} {then:<14} {cause}".rstrip()))


def shown(record: Mapping[str, Any]) -> bool:
    """Whether a record of the tape is for people: an event that changed something, or an action that failed."""
    if record["kind"] == "action":
        return bool(record["result"] == "failed")
    return record["kind"] == "step" and record["cell"] in ("go", "defer")


def cause_of(record: Mapping[str, Any]) -> str:
    """What caused a step, in words."""
    cause = str(record["data"].get("line") or record["cause"])
    status = record["data"].get("exit")
    if status:
        cause += f": {'signal' if 'signal' in status else 'code'} {next(iter(status.values()))}"
    if record["verdict"]:
        cause += f"  [{record['verdict']}]"
    return cause

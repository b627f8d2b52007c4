"""Several lives and what stands around them as lines for people, on one axis of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.report import say_outcome
from scxlife.lifecycle.timeline import cause_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scxlife.lifecycle.log_formats import RunLog
    from scxlife.lifecycle.outcomes import Outcome

_LINE = "{t:9.3f}  {who:<16} {state:<11} {event:<14} {then:<14} {cause}"
HEADER = f"{'TIME':>9}  {'SCHEDULER':<16} {'STATE':<11} {'EVENT':<14} {'NEXT':<14} CAUSE"


class OperationsTimeline:
    """Reads the records of the tapes. Who `begins` is the one that the lines of a life are of, until the next does."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._start: float | None = None
        self._who = ""

    def begins(self, name: str, number: int) -> None:
        self._who = f"{name}#{number}"

    def life(self, record: Mapping[str, Any]) -> None:
        self._say(record, self._who)

    def operations(self, record: Mapping[str, Any]) -> None:
        self._say(record, "")

    def _say(self, record: Mapping[str, Any], who: str) -> None:
        if self._start is None:
            self._start = record["t"]
            self._write(HEADER)
        if not shown(record):
            return
        facts = {"t": record["t"] - self._start, "who": who, "state": "", "event": "", "then": ""}
        if record["kind"] == "action":
            cause = f"action {record['name']} failed: {record['error']}"
        else:
            moved = record["to"] != record["state"]
            then = f"→ {record['to']}" if moved else "deferred" if record["cell"] == "defer" else ""
            facts |= {"state": record["state"], "event": record["event"], "then": then}
            cause = cause_of(record)
        self._write(plain(_LINE.format(**facts, cause=cause).rstrip()))

    def over(self, outcome: Outcome, definition: str) -> None:
        """Of a life that ended as it should, its lines are enough."""
        if outcome.status:
            say_outcome(outcome, self._write, log_path=outcome.log_path)
            self._write("")
        elif outcome.leftovers is not None:
            self._write(plain(f"leftovers  {outcome.leftovers}"))

    def note(self, text: str) -> None:
        self._write(text)


class OperationsLog:
    """The same in another format, which names the scheduler in front of its lines."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._who = ""

    def begins(self, name: str, number: int) -> None:
        self._who = f"{name}#{number}"

    def life(self, record: Mapping[str, Any]) -> None:
        self._log.who = self._who
        self._log.record(record)

    def operations(self, record: Mapping[str, Any]) -> None:
        self._log.who = ""
        self._log.record(record)

    def over(self, outcome: Outcome, definition: str) -> None:
        self._log.who = self._who
        self._log.over(outcome, definition)

    def note(self, text: str) -> None:
        self._log.who = ""
        self._log.note(text)

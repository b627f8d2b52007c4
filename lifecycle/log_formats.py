"""What a run says on its way and at its end, for people on a terminal, for journald, and for programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from scxlife import __version__
from scxlife.fsm.tape import record_text

from .outcomes import as_json
from .outlet import gap_line
from .plain_text import plain
from .report import say_outcome
from .timeline import Timeline, cause_of, shown

if TYPE_CHECKING:
    from .outcomes import Outcome

Write = Callable[[str], object]

#: Priorities of syslog(3), as sd-daemon(3) writes them.
ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6
#: What is not as it was wanted to be, whatever becomes of it.
_BAD_EVENTS = ("lost", "fault", "refused", "foreign")


class RunLog(Protocol):
    """Reads the tape of a run, and is told its outcome. `who` is named where several runs share a log."""

    who: str

    def record(self, record: Mapping[str, Any]) -> None: ...

    def over(self, outcome: Outcome, definition: str) -> None: ...

    def note(self, text: str) -> None:
        """What belongs to no run."""


class TextLog:
    """Columns with the time since the start."""

    def __init__(self, write: Write) -> None:
        self.who = ""
        self._write = write
        self._timeline = Timeline(write)

    def record(self, record: Mapping[str, Any]) -> None:
        self._timeline.record(record)

    def over(self, outcome: Outcome, definition: str) -> None:
        say_outcome(outcome, self._write, log_path=outcome.log_path)

    def note(self, text: str) -> None:
        self._write(text)


class JournalLog:
    """The same in sentences, each line with its priority in front. The journal has its own time for each."""

    def __init__(self, write: Write) -> None:
        self.who = ""
        self._write = write

    def record(self, record: Mapping[str, Any]) -> None:
        if not shown(record):
            return
        who = f"{self.who}: " if self.who else ""
        self._write(f"<{_priority(record)}>{plain(who + _sentence(record))}")

    def over(self, outcome: Outcome, definition: str) -> None:
        priority = NOTICE if outcome.status == 0 else ERROR
        say_outcome(
            outcome, lambda line: self._write(f"<{priority}>{line}") if line else None, log_path=outcome.log_path
        )
        if outcome.status in (0, 127):
            for what in outcome.degraded:
                self._write(f"<{WARNING}>{plain(f'degraded   {what}')}")

    def note(self, text: str) -> None:
        if text:
            self._write(f"<{INFO}>{plain(text)}")


class JsonLog:
    """One object a line: each step that changed something, each action that failed, and the outcome as the last.

    `time` is UTC as RFC 3339 has it, `priority` that of syslog(3), `t` monotonic seconds.
    """

    def __init__(self, write: Write) -> None:
        self.who = ""
        self._write = write

    def record(self, record: Mapping[str, Any]) -> None:
        if not shown(record):
            return
        fields = {key: record[key] for key in _FIELDS if record.get(key) is not None}
        self._say(_priority(record), _sentence(record), fields)

    def over(self, outcome: Outcome, definition: str) -> None:
        priority = NOTICE if outcome.status == 0 else ERROR
        facts = {"kind": "end", **as_json(outcome, definition, __version__)}
        self._say(priority, f"{outcome.name}: {outcome.reason}", facts)

    def note(self, text: str) -> None:
        if text:
            self._say(INFO, text, {"kind": "note"})

    def _say(self, priority: int, message: str, fields: Mapping[str, Any]) -> None:
        time = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        who = {"scheduler": self.who} if self.who else {}
        said = {"time": time, "priority": priority, "message": message, **who, **fields}
        self._write(record_text(said))


_FIELDS = ("kind", "t", "state", "event", "to", "verdict", "cause", "data", "name", "error")

FORMATS: Mapping[str, Callable[[Write], RunLog]] = {"text": TextLog, "journal": JournalLog, "json": JsonLog}


def gap_for(kind: str) -> Callable[[int], str]:
    """What stands in a log of format `kind` in place of lines that were dropped."""

    def line(count: int) -> str:
        said: list[str] = []
        FORMATS[kind](said.append).note(gap_line(count))
        return said[0]

    return line


def format_for(stream: TextIO, environment: Mapping[str, str]) -> str:
    """`journal` where `stream` is the one that JOURNAL_STREAM names (systemd.exec(5)), else `text`."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return "text"
    return "journal" if (device, inode) == (str(status.st_dev), str(status.st_ino)) else "text"


def _priority(record: Mapping[str, Any]) -> int:
    if record["kind"] == "action":
        return ERROR
    return WARNING if record["event"] in _BAD_EVENTS else INFO


def _sentence(record: Mapping[str, Any]) -> str:
    if record["kind"] == "action":
        return f"action {record['name']} failed: {record['error']}"
    moved = record["to"] != record["state"]
    then = f" → {record['to']}" if moved else ", deferred" if record["cell"] == "defer" else ""
    return f"{record['state']}{then}: {record['event']}: {cause_of(record)}"

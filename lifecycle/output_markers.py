"""The scheduler's log on a console, between markers: written by PID 1, found again by the host.

    scxlife: scheduler output 6f1c… begins
    ===SCHED_OUTPUT_START===
    …
    ===SCHED_OUTPUT_END===
    scxlife: scheduler output 6f1c… ends

A log may quote the markers, so the content goes from the first START to the last END. That alone would make one of two
dumps; each therefore stands between two lines with a tag, drawn after the log was written, which no log can know.

The console is for people, and for a host that has nothing else: the frames of the port have lengths and need no marker.
"""

from __future__ import annotations

import re

import attrs

START = "===SCHED_OUTPUT_START==="
END = "===SCHED_OUTPUT_END==="
_LINE = "scxlife: scheduler output {} {}"
_BEGINS = re.compile(_LINE.format("([0-9a-f]{16})", "begins") + r"\r?$", re.MULTILINE)
TAG_BYTES = 8


@attrs.frozen
class Dump:
    """What stood between the markers. `tag` is None in a stream of bare markers, `complete` False where END is missing:
    the console was cut."""

    text: str
    tag: str | None
    complete: bool


def enclosed(log: bytes, tag: str) -> bytes:
    """`log` as one dump. `tag` is 16 hex digits, drawn for this dump."""
    head = f"\n{_LINE.format(tag, 'begins')}\n{START}\n".encode()
    body = log if not log or log.endswith(b"\n") else log + b"\n"
    return head + body + f"{END}\n{_LINE.format(tag, 'ends')}\n".encode()


def dumps(console: str) -> list[Dump]:
    """The dumps in what a console said, oldest first; lines may end in CR LF. Empty where there is none."""
    found = []
    position = 0
    while begin := _BEGINS.search(console, position):
        tag = begin[1]
        end = re.compile(_LINE.format(tag, "ends") + r"\r?$", re.MULTILINE).search(console, begin.end())
        position = len(console) if end is None else end.end()
        section = console[begin.end() : position if end is None else end.start()]
        found += _between(section, tag)
    return found or _between(console, None)


def _between(text: str, tag: str | None) -> list[Dump]:
    """From the first START to the last END after it."""
    start = text.find(START)
    if start < 0:
        return []
    start += len(START)
    end = text.rfind(END, start)
    content = text[start:] if end < 0 else text[start:end]
    return [Dump(content.replace("\r\n", "\n").removeprefix("\n"), tag, end >= 0)]

"""A counterexample for a person: the run's timeline, with what the world did between its lines."""

from __future__ import annotations

import json
from collections.abc import Callable

from scxlife.lifecycle.timeline import Timeline


class Story:
    """Reads a tape with the world's records on it, line by line, and writes lines for people."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._timeline = Timeline(write)

    def __call__(self, line: str) -> None:
        record = json.loads(line)
        if record["kind"] == "world.step":
            self._write(f"{record['t']:9.3f}    {record['who']} {record['what']}")
        elif record["kind"] == "world.broken":
            self._write(f"{record['t']:9.3f}  broken: {record['property']}: {record['because']}")
        else:
            self._timeline.record(record)

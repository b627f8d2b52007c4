"""Lines for whoever reads along: a run does not end because nobody does any more."""

from __future__ import annotations

from typing import TextIO


class Lines:
    """Writes each line to `out` at once. After a write that failed (its reader is gone, its disk is full) nothing more
    is written, and nothing is raised."""

    def __init__(self, out: TextIO) -> None:
        self._out: TextIO | None = out

    def __call__(self, line: str) -> None:
        if self._out is None:
            return
        try:
            print(line, file=self._out, flush=True)
        except OSError:
            self._out = None

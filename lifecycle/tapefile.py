"""The tape of a run in a file: a line for each record, and no run that ends because a disk is full."""

from __future__ import annotations

import json
from types import TracebackType

from scxlife.fsm.tape import GAP

from .destinations import inherited, open_new
from .outlet import Outlet, Outlets


def tape_gap(lines: int) -> str:
    """The record that stands in place of those that were dropped."""
    return json.dumps({"kind": GAP, "lines": lines})


class TapeFile:
    """Writes each line of a tape into the file `path`, made anew, or into a FIFO or device that is there.

    Raises UsageError when it can't be opened, for a symbolic link, and for a FIFO without a reader. When a write fails
    later the tape ends there, and when its reader stalls it gets a gap; the run goes on, and `outlets` tell of it.
    `path` of None writes nothing. Without `outlets` of a run it has its own, which are finished with it.
    """

    def __init__(self, path: str | None, outlets: Outlets | None = None) -> None:
        self.path = path
        self._outlet: Outlet | None = None
        self._outlets: Outlets | None = None
        if path is None:
            return
        fd = inherited("--tape", path)
        owned = fd is None
        fd = open_new("--tape", path) if fd is None else fd
        if outlets is None:
            from scxlife.platform.linux import LinuxKernel

            outlets = self._outlets = Outlets(LinuxKernel())
        self._outlet = outlets.add(Outlet(outlets.kernel, fd, gap=tape_gap, name=f"--tape {path}", owned=owned))

    def __enter__(self) -> TapeFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outlet is not None:
            self._outlet.finish()
        if self._outlets is not None:
            self._outlets.finish()

    def __call__(self, line: str) -> None:
        if self._outlet is not None:
            self._outlet.line(line)

    def close(self) -> None:
        """Take no more lines. Those that its reader has not taken yet are written as it does."""
        if self._outlet is not None:
            self._outlet.close()

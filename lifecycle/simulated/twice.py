"""Every run once more, in another process whose strings have other hashes: all that is told has to be the same.

    with Twin() as twin:
        twin.difference(run(scenario))

In one process alone the order of a set of names would be the same twice, and a difference between two interpreters
would never show.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from itertools import zip_longest
from types import TracebackType
from typing import BinaryIO, Self

import attrs

from .run import Run, run


@attrs.frozen
class Difference:
    """A line of the account, here and in the other process. None: it was over before."""

    line: int
    here: str | None
    there: str | None

    def __str__(self) -> str:
        return f"the same twice: line {self.line} differs"


def account(done: Run) -> list[str]:
    """All that a run has told, line by line: the tape, the frames, the outcome, and of a successor the same."""
    lines = [line.rstrip("\n") for line in done.lines]
    lines += [f"frame {kind} {name}" for kind, name in done.frames]
    lines.append(f"outcome {done.outcome!r}, error {done.error!r}, {done.kernel.calls} calls, at {done.ended_at} ns")
    if done.written is not None:
        read, left = bytes(done.written.pipe.received), bytes(done.written.pipe.unread)
        lines.append(f"read {read!r}, unread {left!r}, {done.written.outlet.dropped} lines dropped")
    return lines if done.successor is None else [*lines, *account(done.successor)]


class Twin:
    """`process` is the other one. It ends with its `with`, or when this one does."""

    def __enter__(self) -> Self:
        # Hashes of strings are drawn anew for each process, unless this is set.
        hashes = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": hashes},
            # Ctrl-C is for this process; its end is the end of the other.
            process_group=0,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Popen's own end closes both pipes, which the other takes for the end, and waits.
        self.process.__exit__(kind, raised, traceback)

    def difference(self, done: Run) -> Difference | None:
        """The first that the other one tells otherwise. Not after anybody let the machine go on."""
        for number, (here, there) in enumerate(zip_longest(account(done), self._asked(done)), 1):
            if here != there:
                return Difference(number, here, there)
        return None

    def _asked(self, done: Run) -> list[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump(done.scenario, self.process.stdin)
        self.process.stdin.flush()
        told: list[str] = pickle.load(self.process.stdout)
        return told


def _answer(questions: BinaryIO, answers: BinaryIO) -> None:
    while True:
        try:
            scenario = pickle.load(questions)
        except (EOFError, pickle.UnpicklingError):
            return
        pickle.dump(account(run(scenario)), answers)
        answers.flush()


if __name__ == "__main__":
    try:
        _answer(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # nobody reads on: what is still buffered goes nowhere

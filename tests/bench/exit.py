"""How long after a child's _exit(2) its supervisor knows, beside others who wait for a child.

The child (exit_child.c) lives on for some ms once its waiter waits, writes CLOCK_MONOTONIC to shared memory, and calls
_exit. The time ends when the waiter knows the child's status, so the child's own teardown is in it, which is the
kernel's and the same for all. Each waiter is a process of its own that waits for one child at a time; they take turns,
and in one round all have the same delay.

    python tests/bench/exit.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from exit_waiters import WAITERS
from machine import date, head, where
from native import HERE, compiled
from tables import Aim, aims, table

ROUNDS = 200
# Microseconds from the start of the wait to the child's end: drawn anew for each round, as a poll's phase matters.
DELAYS = range(5_000, 45_000)
FLOOR, OURS = "C poll(pidfd)", "scxlife: step"


@contextmanager
def waiter(argv: list[str | Path], child: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A waiter that is ready for delays on its stdin."""
    folder.mkdir()
    fifo, stamp = folder / "fifo", folder / "stamp"
    os.mkfifo(fifo)
    stamp.write_bytes(bytes(8))
    command = [*argv, child, fifo, stamp]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def sample(process: subprocess.Popen[str], delay: int) -> dict[str, int]:
    """Nanoseconds from the child's stamp to what was known, by name."""
    assert process.stdin is not None and process.stdout is not None
    print(delay, file=process.stdin, flush=True)
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(f"a waiter has failed: {process.args}")
    told: dict[str, int] = json.loads(answer)
    return told


def measure(rounds: int) -> dict[str, list[int]]:
    draw = random.Random(1)
    samples: dict[str, list[int]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scxlife-bench-")))
        child = compiled("exit_child.c", folder)
        commands: list[list[str | Path]] = [[compiled("exit_waiter.c", folder)]]
        commands += [[sys.executable, HERE / "exit_waiters.py", name] for name in WAITERS]
        waiters = [
            stack.enter_context(waiter(command, child, folder / str(number))) for number, command in enumerate(commands)
        ]
        for process in waiters:
            sample(process, DELAYS.start)  # imports, and pages that were never touched
        for turn in range(rounds):
            delay = draw.choice(DELAYS)
            # Nobody always follows the same neighbour.
            first = turn % len(waiters)
            for process in (*waiters[first:], *waiters[:first]):
                for name, spent in sample(process, delay).items():
                    samples.setdefault(name, []).append(spent)
    return samples


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    here = where(["scxlife", "psutil"])
    samples = measure(rounds)
    floor = statistics.median(samples[FLOOR])
    rows = []
    for name in sorted(samples, key=lambda name: statistics.median(samples[name])):
        p50, *_, p99 = statistics.quantiles(samples[name], n=100)[49:]
        rows.append((name, *(f"{ns / 1e3:,.0f}" for ns in (min(samples[name]), p50, p99)), f"{p50 / floor:.2f}"))
    delays = f"{DELAYS.start / 1e3:g} to {DELAYS.stop / 1e3:g} ms"
    title = (
        f"from a child's _exit(2) to its status known, µs over {rounds} rounds, in turn; it ends {delays} into the wait"
    )
    ratio = Aim("p50 of our step beside C's poll(pidfd)", 1.5, statistics.median(samples[OURS]) / floor, "×")
    print(
        head(date(), here),
        table(title, ("", "best", "p50", "p99", "× C's p50"), rows),
        aims("aims", [ratio]),
        sep="\n\n",
    )


if __name__ == "__main__":
    main()

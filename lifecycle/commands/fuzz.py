"""`scxlife fuzz`: attack the lifecycle on a simulated kernel, and keep the smallest scenario of what is found."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scxlife.lifecycle import interrupts
from scxlife.lifecycle.duration_option import positive_duration
from scxlife.lifecycle.options import shipped
from scxlife.platform.linux.libc import set_parent_death_signal
from scxlife.platform.sim.profiles import PROFILES

if TYPE_CHECKING:
    from scxlife.lifecycle.simulated.attack import Failure, Score

SUMMARY = "attack the lifecycle on a simulated kernel"
DESCRIPTION = """Draws whole runs (a kernel, a program, what befalls both, faults of system calls), runs each on a
simulated kernel in virtual time, and holds it against the properties that every run must have. What violates one is
shrunk and kept as a small scenario, which `scxlife replay` shows step by step. Ctrl-C and SIGTERM end it after the
runs under way; what was found is kept, and what was done is counted. A second one ends it at once.

Processes on several machines share what they find by --database: Hypothesis's example database, on a Redis server or
in a folder. What one finds is stored there at once, and the others run it before they draw. All need the same version
of scxlife and the same kernels; what does not fail any more is deleted."""
EPILOG = """exit codes:
  0    nothing was violated
  1    something was
  2    usage error
  130  interrupted by Ctrl-C, whatever was found until then; 143 by SIGTERM

examples:
  scxlife fuzz --seconds 60s
  scxlife fuzz --examples 100000 --jobs 2 --seed 7 --coverage
  scxlife fuzz --profile 6.12 --profile no-network
  scxlife fuzz --seconds 1h --seed 8 --database redis://fuzz.example:6379/0
  scxlife fuzz --examples 1000 --twice
  scxlife replay scenarios/attached-is-true-1f0c3a.yaml"""

FOUND = 1
# Examples that are drawn in one go: few enough that a job which has ended early is not missed for long.
BATCH = 200
# Seconds between two writings of the live line.
_PACE = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=positive_duration, metavar="DURATION", help="end after this long")
    parser.add_argument("--examples", type=_positive, metavar="N", help="end after so many runs (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what the draws begin with (default: 0)")
    parser.add_argument("--jobs", type=_positive, default=1, metavar="N", help="processes at work (default: 1)")
    parser.add_argument(
        "--profile",
        action="append",
        choices=sorted(PROFILES),
        metavar="KERNEL",
        help=f"of these kernels only; may be repeated: {', '.join(PROFILES)}",
    )
    parser.add_argument(
        "--keep", type=Path, default=Path("scenarios"), metavar="FOLDER", help="where findings go (default: scenarios)"
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="share findings by it: redis://HOST[:PORT][/DB], rediss://…, unix:///SOCKET (extra: redis) or a folder",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="at the end print which parts of the table the runs have gone through, how often, and which none has",
    )
    parser.add_argument(
        "--twice",
        action="store_true",
        help="have each run once more in another process, with other hashes, and hold both tapes against each other",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number


def run(parsed: argparse.Namespace) -> int:
    from scxlife.lifecycle.simulated.attack import Score

    if parsed.database is not None:
        from scxlife.lifecycle.simulated.shared import check

        check(parsed.database)

    whole, live = Score(), Live(sys.stderr.isatty())
    workers = Workers()
    with interrupts.noted(workers.interrupt):
        for part in _batches(parsed, whole, workers, lambda part: live.show(whole, part)):
            before, trouble = len(whole.failures), whole.trouble
            whole.merge(part)
            for failure in whole.failures[before:]:
                _keep(failure, parsed.keep)
            if bool(trouble) != bool(whole.trouble):
                live.tell(_reached(whole.trouble, parsed.keep))
            live.show(whole)
    live.end(whole)
    if parsed.coverage:
        print("", *whole.coverage.table(shipped()), sep="\n")
    if whole.trouble:
        print(f"the database could not be reached at the end: what it lacks is in {parsed.keep}")
    return FOUND if whole.failures else 0


class Workers:
    """The processes of `--jobs`. Each ends its batch when it is interrupted, and returns what it has done."""

    def __init__(self) -> None:
        self.pool: ProcessPoolExecutor | None = None

    def interrupt(self, number: int) -> None:
        """Pass a signal on: of a terminal's all have heard, of kill(1)'s only this process."""
        for process in self._processes():
            with suppress(ProcessLookupError, TypeError):
                os.kill(process.pid, number)

    def end(self) -> None:
        """End them, whatever they do."""
        for process in self._processes():
            process.kill()
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def _processes(self) -> list[Any]:
        return list(((self.pool and self.pool._processes) or {}).values())


def _batches(
    parsed: argparse.Namespace, whole: Score, workers: Workers, told: Callable[[Score], None]
) -> Iterator[Score]:
    """The scores of one batch after the other, or of several at a time, until the time or the number is over, or a
    signal has come. One that runs here is `told` of after each of its runs."""
    from scxlife.lifecycle.simulated.attack import batch

    kernels = tuple(parsed.profile or PROFILES)
    more = {"database": parsed.database, "twice": parsed.twice}
    wanted = parsed.examples or (None if parsed.seconds is not None else 2000)
    until = None if parsed.seconds is None else time.monotonic() + parsed.seconds
    numbers = count(parsed.seed * 1_000_003)

    def another(under_way: int = 0) -> int:
        """How many examples the next batch has; 0: no more. One that finds something ends early."""
        if interrupts.came() or (until is not None and time.monotonic() >= until):
            return 0
        return BATCH if wanted is None else max(0, min(BATCH, wanted - whole.examples - under_way * BATCH))

    def known() -> frozenset[str]:
        return frozenset(failure.kind for failure in whole.failures)

    if parsed.jobs == 1:
        while size := another():
            yield batch(next(numbers), size, kernels, known(), told, **more)
        return
    # Forked, as up to Python 3.13: what is loaded here is not loaded again, and a signal is noted there as it is here.
    workers.pool = ProcessPoolExecutor(
        parsed.jobs, get_context("fork"), initializer=set_parent_death_signal, initargs=(signal.SIGKILL,)
    )
    waiting: set[Future[Score]] = set()
    try:
        while True:
            while len(waiting) < parsed.jobs and (size := another(len(waiting))):
                waiting.add(workers.pool.submit(batch, next(numbers), size, kernels, known(), **more))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        workers.end()


def _keep(failure: Failure, folder: Path) -> None:
    from scxlife.lifecycle.simulated.scenario import dump

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{failure.name}.yaml"
    path.write_text("".join(f"# {line}\n" for line in failure.violations) + dump(failure.scenario))
    told = f"{failure.violations[0]}\n  {path}{' (from the database)' if failure.shared else ''}"
    print(f"\r\033[K{told}" if sys.stderr.isatty() else told, flush=True)


def _reached(trouble: str, folder: Path) -> str:
    if not trouble:
        return "the database is reached again, and has what was found meanwhile"
    return f"the database can't be reached: {trouble}; going on without it, findings are kept in {folder}"


class Live:
    """A line that is written over on a terminal, and nothing elsewhere but the last."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._began = time.monotonic()
        self._shown = 0.0
        self._definition = shipped()

    def show(self, whole: Score, part: Score | None = None) -> None:
        """`part` is of a batch under way, which `whole` does not hold yet."""
        now = time.monotonic()
        if self._terminal and (part is None or now - self._shown >= _PACE):
            self._shown = now
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print(f"\r\033[K{self._line(whole, part)[: width - 1]}", end="", file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        over = "\r\033[K" if self._terminal else ""
        print(f"{over}scxlife: {text}", file=sys.stderr, flush=True)

    def end(self, score: Score) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        outcomes = ", ".join(f"{name} {number}" for name, number in score.outcomes.most_common())
        print(self._line(score, None), f"outcomes: {outcomes}", score.coverage.summary(self._definition), sep="\n")
        clean = "nothing was violated" if score.examples else "no run was finished"
        print(f"{len(score.failures)} kinds of violation" if score.failures else clean)

    def _line(self, whole: Score, part: Score | None) -> str:
        scores = [whole] if part is None else [whole, part]
        took = max(time.monotonic() - self._began, 0.001)
        runs = sum(score.examples for score in scores)
        cells = {way[:2] for score in scores for way in score.coverage.ways}
        return (
            f"{runs} runs, {runs / took:.0f}/s, {_long(sum(score.seconds for score in scores))} simulated, "
            f"{sum(score.faults for score in scores)} faults, {len(cells)} cells, {len(whole.failures)} findings"
        )


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"

"""Real waits, real descriptors. No test asks how long a wait took, only that none ended before its time."""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scxlife.fsm.waiter import SelectWaiter

waiter = SelectWaiter()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.mark.parametrize("timeout", [None, 0.0, -1.0, 1e9, math.inf])
def test_a_readable_descriptor_ends_a_wait_of_any_length(pipe: tuple[int, int], timeout: float | None) -> None:
    os.write(pipe[1], b"x")
    assert waiter.poll([pipe[0]], timeout) == [(pipe[0], select.POLLIN)]


@pytest.mark.parametrize("timeout", [0.0001, 0.0019, 0.0029])
def test_a_wait_is_never_cut_short(pipe: tuple[int, int], timeout: float) -> None:
    due = waiter.monotonic() + timeout
    assert waiter.poll([pipe[0]], timeout) == []
    assert waiter.monotonic() >= due


def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    """To poll(2) itself a negative time means for ever."""
    code = "from scxlife.fsm.waiter import SelectWaiter; print(SelectWaiter().poll([], -1.0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_a_signal_neither_breaks_a_wait_nor_ends_it(pipe: tuple[int, int]) -> None:
    seen = []

    def tick(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) == 3:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.write(pipe[1], b"x")

    former = signal.signal(signal.SIGALRM, tick)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        assert waiter.poll([pipe[0]], None) == [(pipe[0], select.POLLIN)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert len(seen) == 3

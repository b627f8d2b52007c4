from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.signals import SignalSource

kernel = LinuxKernel()


@pytest.fixture
def source() -> Iterator[SignalSource]:
    opened = SignalSource(kernel, {signal.SIGINT: "interrupt", signal.SIGTERM: "stop", signal.SIGRTMIN + 3: "halt"})
    opened.open()
    yield opened
    opened.close()


def test_signals_are_events_in_the_order_in_which_they_came(source: SignalSource) -> None:
    assert source.drain() == []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 3):
        os.kill(os.getpid(), number)
    fd = source.fileno()
    assert fd is not None and kernel.poll([fd], 30)
    told = source.drain()
    assert [(event.name, event.data) for event in told] == [
        ("stop", {"signal": "SIGTERM"}),
        ("interrupt", {"signal": "SIGINT"}),
        ("halt", {"signal": "SIGRTMIN+3"}),
    ]
    assert source.drain() == []
    assert kernel.poll([fd], 0) == []


def test_a_wait_ends_when_a_signal_comes(source: SignalSource) -> None:
    fd = source.fileno()
    assert fd is not None
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.kill(parent, signal.SIGTERM)
        os._exit(0)
    assert kernel.poll([fd], 60)
    os.waitpid(child, 0)
    assert [event.name for event in source.drain()] == ["stop"]


def test_signals_of_others_are_no_events_of_ours(source: SignalSource) -> None:
    came = []
    former = signal.signal(signal.SIGUSR1, lambda number, frame: came.append(number))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert source.drain() == []
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert came == [signal.SIGUSR1]


def test_closing_puts_everything_back() -> None:
    before = (signal.getsignal(signal.SIGINT), len(list(Path("/proc/self/fd").iterdir())))
    source = SignalSource(kernel, {signal.SIGINT: "interrupt"})
    for _ in range(2):
        source.open()
        source.close()
    assert source.fileno() is None
    assert (signal.getsignal(signal.SIGINT), len(list(Path("/proc/self/fd").iterdir()))) == before

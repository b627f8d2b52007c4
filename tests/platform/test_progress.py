"""Progress is one rewritten line on a terminal, and few whole lines in a pipe."""

from __future__ import annotations

import io
import os
import re
import struct
import termios
from collections.abc import Iterator
from fcntl import ioctl
from typing import TextIO

import pytest

from scxlife.platform.vm.progress import LinePerStep, PlainLines, progress_on


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """A real terminal, 40 columns wide, and the descriptor from which its output is read."""
    master, slave = os.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(slave, "w") as stream:
        yield stream, master
    os.close(master)


def read_lines(master: int, lines: int) -> str:
    """What a terminal showed up to its ``lines``-th line feed: what was written arrives in pieces of any size."""
    shown = b""
    while shown.count(b"\n") < lines:
        shown += os.read(master, 65536)
    return shown.decode()


def test_in_a_pipe_a_step_says_that_it_begins_and_ends() -> None:
    stream, clock = io.StringIO(), Clock()
    with PlainLines(stream, clock).step("fetching"):
        clock.now += 2.26
    assert stream.getvalue() == "fetching …\nfetching: done, 2.3 s\n"


def test_in_a_pipe_a_step_says_something_every_few_seconds_at_most() -> None:
    stream, clock = io.StringIO(), Clock()
    with PlainLines(stream, clock).step("fetching") as step:
        for tenth in range(120):
            step.fraction(tenth / 120, megabytes=164.1)
            clock.now += 0.1
    assert stream.getvalue().splitlines() == [
        "fetching …",
        "fetching:  42% of 164.1 MB, 5 s",
        "fetching:  83% of 164.1 MB, 10 s",
        "fetching: done, 12.0 s",
    ]


def test_a_pipe_never_gets_a_control_character() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = PlainLines(stream, clock)
    progress.say("hello")
    with progress.step("building") as step:
        clock.now += 6
        step.count(3, 8, "libbpf.o")
    assert stream.getvalue() == "hello\nbuilding …\nbuilding: 3 of 8 (libbpf.o), 6 s\nbuilding: done, 6.0 s\n"


@pytest.mark.parametrize("kind", [PlainLines, LinePerStep])
def test_a_step_that_fails_is_not_called_done(kind: type[PlainLines] | type[LinePerStep]) -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), kind(stream, Clock()).step("fetching"):
        raise KeyboardInterrupt
    assert "not finished" in stream.getvalue()
    assert "done" not in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_rewritten_and_never_wraps(terminal: tuple[TextIO, int]) -> None:
    stream, master = terminal
    clock = Clock()
    with LinePerStep(stream, clock).step("fetching a package with a rather long name") as step:
        for percent in range(0, 101, 10):
            step.fraction(percent / 100)
            clock.now += 1
    *drawings, last = [text for text in re.split(r"\r+\x1b\[K", read_lines(master, 1)) if text]
    assert len(drawings) == 11
    assert all("\n" not in text and len(text) < 40 for text in drawings)
    assert drawings[5] == "fetching a package with a r…:  50%, 5 s"
    assert last.strip() == "fetching a package with a rather long name: done, 11.0 s"


def test_a_terminal_is_not_drawn_more_often_than_the_eye_sees(terminal: tuple[TextIO, int]) -> None:
    stream, master = terminal
    clock = Clock()
    with LinePerStep(stream, clock).step("building") as step:
        for number in range(1000):
            step.count(number, 1000)
            clock.now += 0.001
    assert read_lines(master, 1).count("\x1b[K") <= 12


def test_the_kind_follows_the_stream(terminal: tuple[TextIO, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_on(terminal[0]), LinePerStep)
    assert isinstance(progress_on(io.StringIO()), PlainLines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_on(terminal[0]), PlainLines)

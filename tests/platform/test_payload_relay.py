"""Both ends of a payload's streams in one process, with a real payload between them: a socket pair is the port."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable

import pytest
from tests.vm.collected import Collected

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.vm import frames
from scxlife.platform.vm.guest import WrongContent
from scxlife.platform.vm.payload_link import PayloadLink
from scxlife.platform.vm.payload_relay import CHUNK, PayloadRelay

#: Seconds: only so that a test that fails ends.
LIMIT = 60.0
kernel = LinuxKernel()


class Sink(Collected):
    """What the host does, as a test wants it."""

    def __init__(self, input: bytes = b"", *, stays: bool = False) -> None:
        super().__init__(input, stays=stays)
        self.room = True
        self.left: set[int] = set()
        self.input_ended = False
        self.begun = False
        self.window: tuple[int, int] | None = None
        self.always = os.eventfd(1)

    def started(self) -> None:
        self.begun = True

    def has_room(self) -> bool:
        return self.room

    def left_by_readers(self) -> set[int]:
        return self.left

    def end_input(self) -> None:
        self.input_ended = True

    def size_fileno(self) -> int | None:
        return None if self.window is None else self.always

    def size(self) -> tuple[int, int]:
        assert self.window is not None
        size, self.window = self.window, None
        return size


class Payload:
    """A payload whose streams are relayed to `sink`."""

    def __init__(self, script: str, sink: Sink, terminal: tuple[int, int] | None = None) -> None:
        here, there = socket.socketpair()
        self.sink = sink
        self.here = here
        self.relay = PayloadRelay(there.detach(), terminal)
        self.link = PayloadLink(here, sink)
        stdin, stdout, stderr = self.relay.standard()
        path = "/bin/sh"
        self.pid = kernel.spawn(
            path,
            ("sh", "-c", script),
            {"PATH": os.environ["PATH"]},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            terminal=terminal is not None,
        )
        self.relay.started()
        self.pidfd = os.pidfd_open(self.pid)
        self.status: int | None = None

    def step(self, more: set[int] | frozenset[int] = frozenset(), timeout: float = 1.0) -> set[int]:
        """One wait and what follows from it. The descriptors of `more` that were ready."""
        own = {self.relay.fileno(), *self.link.filenos(), *(() if self.status is not None else (self.pidfd,))}
        ready = {fd for fd, _ in kernel.poll({*own, *more}, timeout)}
        for fd in ready & own:
            if fd == self.relay.fileno():
                self.relay.relay()
            elif fd == self.pidfd:
                self.status = os.waitpid(self.pid, 0)[1]
            else:
                self.link.ready(fd)
        return ready & more

    def until(self, what: Callable[[], object]) -> None:
        end = time.monotonic() + LIMIT
        while not what():
            assert time.monotonic() < end, "it never came to that"
            self.step(timeout=0.05)

    def end(self) -> int:
        """Its exit status, and all that it had to say is there."""
        self.until(lambda: self.status is not None)
        self.relay.finish()
        self.until(lambda: self.relay.complete)
        assert kernel.poll([self.relay.over_fileno()], 0)
        return os.waitstatus_to_exitcode(self.status or 0)


def test_the_output_arrives_as_it_was_written() -> None:
    payload = Payload("printf 'a\\0\\377'; printf err >&2; exit 3", Sink())
    assert payload.end() == 3
    assert bytes(payload.sink.streams[frames.STDOUT]) == b"a\0\xff"
    assert payload.sink.error == "err"
    assert sorted(payload.sink.ended) == [frames.STDOUT, frames.STDERR]
    assert payload.sink.begun


def test_a_flood_neither_fills_memory_nor_holds_up_other_events() -> None:
    size = 100 << 20
    payload = Payload(f"head -c {size} /dev/zero", Sink())
    other = os.eventfd(0)
    steps = 0
    while payload.status is None:
        # Whatever the payload writes, what else is ready comes out of the same wait.
        os.eventfd_write(other, 1)
        assert payload.step({other}) == {other}
        os.eventfd_read(other)
        assert len(payload.relay._unsent) <= CHUNK + 100
        steps += 1
    payload.end()
    assert len(payload.sink.streams[frames.STDOUT]) == size
    assert steps > 100
    os.close(other)


def test_L3_a_host_without_room_holds_the_payload_up_and_loses_nothing() -> None:
    sink = Sink()
    payload = Payload("head -c 3000000 /dev/zero; echo over", sink)
    sink.room = False
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        payload.step(timeout=0.1)
    assert payload.status is None
    assert len(payload.relay._unsent) <= CHUNK + 100
    # It waits without spinning: there is nothing to be done.
    assert kernel.poll([payload.relay.fileno()], 0.1) == []
    sink.room = True
    assert payload.end() == 0
    assert len(sink.streams[frames.STDOUT]) == 3_000_005


def test_a_process_left_behind_does_not_keep_the_end() -> None:
    payload = Payload("(sleep 300 & echo $! >&2); echo said", Sink())
    assert payload.end() == 0
    assert payload.sink.output == "said\n"
    os.kill(int(payload.sink.error), signal.SIGKILL)


def test_one_left_behind_that_writes_for_ever_does_not_keep_the_end() -> None:
    payload = Payload("(yes & echo $! >&2); sleep 0.2", Sink())
    assert payload.end() == 0
    assert payload.sink.output.startswith("y\n")


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
def test_the_input_arrives_whole_and_so_does_its_end(size: int) -> None:
    given = os.urandom(size)
    payload = Payload("cat", Sink(given))
    assert payload.end() == 0
    assert bytes(payload.sink.streams[frames.STDOUT]) == given


def test_a_payload_that_does_not_read_takes_no_more_input() -> None:
    sink = Sink(bytes(10 << 20))
    payload = Payload("sleep 0.5; echo over", sink)
    assert payload.end() == 0
    assert sink.output == "over\n"
    assert len(sink._rest) > 9 << 20


def test_a_host_hears_that_nobody_reads_the_input() -> None:
    payload = Payload("exec <&-; while :; do sleep 0.1; done", Sink(bytes(10 << 20)))
    payload.until(lambda: payload.sink.input_ended)
    os.kill(payload.pid, signal.SIGKILL)
    assert payload.end() == -signal.SIGKILL


def test_a_payload_hears_that_nobody_reads_its_output() -> None:
    sink = Sink()
    payload = Payload("exec yes", sink)
    payload.until(lambda: len(sink.streams[frames.STDOUT]) > 100_000)
    sink.left = {frames.STDOUT}
    assert payload.end() == -signal.SIGPIPE


def test_a_terminal_has_its_size_and_hears_of_another() -> None:
    sink = Sink(stays=True)
    script = "tty >/dev/null && stty size; trap 'stty size; exit 7' WINCH; echo ready; while :; do sleep 0.05; done"
    payload = Payload(script, sink, (33, 77))
    payload.until(lambda: "ready" in sink.output)
    assert sink.output == "33 77\r\nready\r\n"
    sink.window = (40, 120)
    assert payload.end() == 7
    assert sink.output.endswith("40 120\r\n")


def test_ctrl_c_goes_to_the_foreground_of_the_terminal() -> None:
    sink = Sink(stays=True)
    payload = Payload("trap 'echo heard; exit 9' INT; echo ready; while :; do sleep 0.05; done", sink, (24, 80))
    payload.until(lambda: "ready" in sink.output)
    sink._rest = b"\x03"
    assert payload.end() == 9
    assert "heard" in sink.output


def test_a_terminal_that_is_gone_hangs_up_the_payload() -> None:
    sink = Sink(stays=True)
    payload = Payload("echo ready; exec sleep 300", sink, (24, 80))
    payload.until(lambda: "ready" in sink.output)
    sink.stays = False
    assert payload.end() == -signal.SIGHUP


WRONG = {
    "a-stream-that-has-ended": [(frames.STDOUT, b""), (frames.STDOUT, b"more")],
    "a-stream-that-ends-twice": [(frames.STDERR, b""), (frames.STDERR, b"")],
    "input": [(frames.STDIN, b"x")],
    "a-second-start": [(frames.STARTED, b""), (frames.STARTED, b"")],
    "a-window": [(frames.WINDOW, b"\0\0\0\0")],
    "an-acknowledgement-of-nothing": [(frames.ACK, b"\0\0\0\0")],
    "a-frame-of-the-other-port": [(frames.EXIT, b"{}")],
    "an-unknown-frame": [(0x7F, b"")],
}


@pytest.mark.parametrize("case", WRONG)
def test_L10_what_no_guest_sends_on_that_port_is_refused(case: str) -> None:
    here, there = socket.socketpair()
    link = PayloadLink(here, Sink())
    for number, (kind, data) in enumerate(WRONG[case]):
        there.send(frames.encode(kind, number, data))
    with pytest.raises(WrongContent, match=" frame: "):
        link.ready(here.fileno())
    assert link.filenos() == set()
    here.close()
    there.close()


def test_L10_the_sound_frames_before_damage_are_kept() -> None:
    here, there = socket.socketpair()
    sink = Sink()
    link = PayloadLink(here, sink)
    there.send(frames.encode(frames.STDOUT, 0, b"kept") + b"nonsense")
    with pytest.raises(frames.FrameError):
        link.ready(here.fileno())
    assert sink.output == "kept"
    here.close()
    there.close()


def test_a_port_whose_host_is_gone_does_not_spin() -> None:
    payload = Payload("echo a; sleep 300", Sink())
    payload.until(lambda: payload.sink.output == "a\n")
    payload.here.close()
    payload.relay.relay()
    ready = select.poll()
    ready.register(payload.relay.fileno(), select.POLLIN)
    for _ in range(10):
        payload.relay.relay()
    assert ready.poll(100) == []
    os.kill(payload.pid, signal.SIGKILL)
    os.waitpid(payload.pid, 0)

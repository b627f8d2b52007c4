"""The loop: what arrives together, and what is asked again before a deadline is believed."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from scxlife.fsm.driver import Driver, Sources
from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.runtime import MachineError, Runtime

RACE = loads("""\
format: 1
machine: race
version: 1
initial: waiting
settings: {patience: {value: 1s}}
sources: {news: news, other: other}
outcomes: {died: {}, ready: {}, late: {}}
events:
  died: {source: news, rank: 0}
  ready: {source: other, rank: 1}
  late: {timer: patience}
states:
  waiting: {sources: [other, news], deadlines: late}
  dead: {final: died}
  fine: {final: ready}
  missed: {final: late}
rows:
  - {in: waiting, on: died, to: dead}
  - {in: waiting, on: ready, to: fine}
  - {in: waiting, on: late, to: missed}
""")


class Scripted:
    """A source without a descriptor, that has its news from a moment on and may not ask to be woken for it."""

    def __init__(self, world: World, at: float, name: str, wakes: bool) -> None:
        self.world, self.at, self.name, self.wakes = world, at, name, wakes
        self.opened = self.closed = 0
        self.told = False

    def open(self) -> None:
        self.opened += 1

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return self.at if self.wakes and not self.told else None

    def drain(self) -> Iterable[Event]:
        if self.told or self.world.now < self.at:
            return ()
        self.told = True
        return (Event(self.name),)

    def close(self) -> None:
        self.closed += 1


class World:
    """Time that jumps to the next thing due, `late` seconds after it."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 0.0
        self.late = late
        self.waits = 0

    def monotonic(self) -> float:
        return self.now

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        assert timeout is not None, "nothing would ever happen"
        self.now += timeout + self.late
        self.waits += 1
        return []


def race(late: float, died: tuple[float, bool], ready: tuple[float, bool]) -> tuple[str, World, list[Scripted]]:
    world = World(late)
    sources = [Scripted(world, died[0], "died", died[1]), Scripted(world, ready[0], "ready", ready[1])]
    runtime = Runtime(RACE, actions={}, guards={}, clock=world.monotonic)
    ending = Driver(runtime, {"news": lambda: sources[0], "other": lambda: sources[1]}, world).run()
    return ending.outcome, world, sources


NEVER = (1e9, False)


def test_death_beats_ready_when_both_arrive_in_one_wake_up() -> None:
    assert race(0.5, died=(0.4, True), ready=(0.3, True))[0] == "died"


def test_ready_beats_a_deadline_that_was_noticed_late() -> None:
    assert race(5.0, died=NEVER, ready=(0.9, True))[0] == "ready"


def test_every_source_is_asked_once_more_before_a_deadline_is_believed() -> None:
    assert race(0.0, died=NEVER, ready=(0.9, False))[0] == "ready"


def test_a_deadline_without_news_is_believed_after_one_wait() -> None:
    outcome, world, _ = race(0.0, died=NEVER, ready=NEVER)
    assert (outcome, world.now, world.waits) == ("late", 1.0, 1)


def test_every_source_that_was_opened_is_closed() -> None:
    _, _, sources = race(0.0, died=(0.4, True), ready=NEVER)
    assert [(source.opened, source.closed) for source in sources] == [(1, 1), (1, 1)]


class Shared:
    """A source on a descriptor that it does not own, with what it will tell, and a way to fail."""

    def __init__(self, fd: int, *names: str, fails: str = "") -> None:
        self.fd, self.names, self.fails = fd, list(names), fails
        self.closed = 0

    def open(self) -> None:
        """Nothing to acquire."""

    def fileno(self) -> int | None:
        return self.fd

    def next_deadline(self) -> float | None:
        return None

    def drain(self) -> Iterable[Event]:
        if self.fails == "drain":
            raise OSError(5, "no luck")
        ready = os.get_blocking(self.fd)
        return [Event(self.names.pop(0))] if ready and self.names else []

    def close(self) -> None:
        self.closed += 1
        if self.fails == "close":
            raise OSError(9, "gone already")


TWO = loads("""\
format: 1
machine: two
version: 1
initial: waiting
actions: {note: it is written down}
sources: {left: left, right: right}
outcomes: {heard: {}, broken: {}}
events:
  fault: {source: action}
  knock: {source: left}
  ring: {source: right}
states:
  waiting: {sources: [left, right], no-deadline: somebody will come}
  warned: {sources: right, no-deadline: somebody will come}
  heard: {final: heard}
  broken: {final: broken}
rows:
  - {in: waiting, on: knock, to: warned}
  - {in: warned, on: ring, to: heard, do: note}
  - {in: "*", on: fault, to: broken}
ignore:
  - {in: waiting, on: ring, because: first a knock}
""")


@pytest.fixture
def pipe() -> Iterable[tuple[int, int]]:
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for end in ends:
        os.close(end)


def two(left: Shared, right: Shared) -> Sources:
    runtime = Runtime(TWO, actions={"note": lambda event: None}, guards={}, clock=lambda: 0.0)
    machine = Sources(runtime, {"left": lambda: left, "right": lambda: right})
    machine.begin()
    return machine


def test_without_waiting_it_goes_from_wake_to_wake(pipe: tuple[int, int]) -> None:
    left, right = Shared(pipe[0], "knock"), Shared(pipe[1], "ring")
    machine = two(left, right)
    assert (sorted(machine.interest().fds), machine.interest().deadline) == (sorted(pipe), None)
    machine.wake((), 0.0)
    assert machine.runtime.state == "waiting", "nothing was ready"
    os.set_blocking(pipe[0], True)
    machine.wake([pipe[0]], 0.0)
    assert (machine.runtime.state, machine.interest().fds, left.closed) == ("warned", (pipe[1],), 1)
    os.set_blocking(pipe[1], True)
    machine.wake([pipe[1]], 0.0)
    assert machine.runtime.ending is not None
    assert (machine.runtime.ending.outcome, right.closed) == ("heard", 1)


def test_two_sources_may_share_a_descriptor(pipe: tuple[int, int]) -> None:
    machine = two(Shared(pipe[0], "knock"), Shared(pipe[0], "ring"))
    assert machine.interest().fds == (pipe[0],)
    os.set_blocking(pipe[0], True)
    machine.wake([pipe[0]], 0.0)
    assert machine.runtime.ending is not None, "both were asked: first the knock, then the ring"


def test_a_source_that_fails_to_close_is_a_fault_and_the_others_are_closed(pipe: tuple[int, int]) -> None:
    left, right = Shared(pipe[0], "knock", fails="close"), Shared(pipe[1])
    machine = two(left, right)
    os.set_blocking(pipe[0], True)
    machine.wake([pipe[0]], 0.0)
    assert machine.runtime.ending is not None
    assert (machine.runtime.ending.outcome, right.closed) == ("broken", 1)
    machine.close()
    assert (left.closed, right.closed) == (1, 1)


def test_a_source_tells_only_its_own_events(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[0], True)
    for name in ("ring", "fault", "knok"):
        with pytest.raises(MachineError, match=f"source 'left' tells '{name}'"):
            two(Shared(pipe[0], name), Shared(pipe[1]))

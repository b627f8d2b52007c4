"""The loop: what arrives together, and what is asked again before a deadline is believed."""

from __future__ import annotations

from collections.abc import Iterable

from scxlife.fsm.driver import Driver
from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.runtime import Runtime

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

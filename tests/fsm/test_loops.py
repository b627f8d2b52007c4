"""`scxlife.fsm.aio` and `scxlife.fsm.trio`: what wakes a machine in the loop of asyncio or trio, and what ends it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
import trio

from scxlife.fsm import aio
from scxlife.fsm import trio as for_trio
from scxlife.fsm.events import Event
from scxlife.fsm.loader import loads
from scxlife.fsm.runtime import Ending, MachineError, Runtime

TABLE = loads("""\
format: 1
machine: waiter
version: 1
initial: waiting
settings: {patience: {value: 1h}}
sources: {pipe: pipe}
outcomes: {called: {}, written: {}, late: {}}
events:
  call: {source: caller}
  written: {source: pipe}
  late: {timer: patience}
states:
  waiting: {sources: pipe, deadlines: late}
  again: {sources: pipe, no-deadline: the pipe speaks}
  called: {final: called}
  heard: {final: written}
  missed: {final: late}
rows:
  - {in: waiting, on: call, to: called}
  - {in: waiting, on: written, to: again}
  - {in: again, on: written, to: heard}
  - {in: waiting, on: late, to: missed}
ignore:
  - {in: again, on: call, because: the pipe speaks}
""")
#: Seconds after which something hangs that should not.
LIMIT = 60.0


class Pipe:
    """A source that opens its pipe anew, as the same number, whenever it has told something."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK)
        self.closed = 0

    def open(self) -> None: ...

    def fileno(self) -> int:
        return self.reader

    def next_deadline(self) -> None:
        return None

    def drain(self) -> Iterable[Event]:
        try:
            os.read(self.reader, 1)
        except BlockingIOError:
            return
        self.close_pipe()
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK)
        yield Event("written")

    def close(self) -> None:
        self.closed += 1
        self.close_pipe()

    def close_pipe(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


class Asyncio:
    run = staticmethod(aio.run)
    sleep = staticmethod(asyncio.sleep)
    cancelled = asyncio.CancelledError

    def main(self, body: Callable[[], Awaitable[Any]]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(LIMIT):
                return await body()

        return asyncio.run(bounded())

    async def together(self, *bodies: Callable[[], Awaitable[Any]]) -> list[Any]:
        return list(await asyncio.gather(*(body() for body in bodies)))

    def from_thread(self) -> Callable[..., object]:
        return asyncio.get_running_loop().call_soon_threadsafe


class Trio:
    run = staticmethod(for_trio.run)
    sleep = staticmethod(trio.sleep)

    def main(self, body: Callable[[], Awaitable[Any]]) -> Any:
        async def bounded() -> Any:
            with trio.fail_after(LIMIT):
                return await body()

        return trio.run(bounded)

    async def together(self, *bodies: Callable[[], Awaitable[Any]]) -> list[Any]:
        results: list[Any] = [None] * len(bodies)

        async def one(number: int, body: Callable[[], Awaitable[Any]]) -> None:
            results[number] = await body()

        async with trio.open_nursery() as nursery:
            for number, body in enumerate(bodies):
                nursery.start_soon(one, number, body)
        return results

    def from_thread(self) -> Callable[..., object]:
        return trio.lowlevel.current_trio_token().run_sync_soon


@pytest.fixture(params=[Asyncio, Trio])
def loop(request: pytest.FixtureRequest) -> Any:
    return request.param()


def machine(patience: float | None = None, table: Any = TABLE) -> Runtime:
    changed = table if patience is None else table.with_settings(patience=patience)
    return Runtime(changed, actions={}, guards={}, clock=time.monotonic)


def test_an_event_that_a_task_posts_wakes_the_loop(loop: Any) -> None:
    runtime = machine()

    async def post() -> None:
        while runtime.wake is None:
            await loop.sleep(0)
        # The loop waits by now.
        for _ in range(10):
            await loop.sleep(0)
        runtime.post(Event("call"))

    async def body() -> Ending:
        return (await loop.together(lambda: loop.run(runtime), post))[0]

    assert loop.main(body).outcome == "called"


def test_an_event_from_another_thread_wakes_the_loop(loop: Any) -> None:
    runtime = machine()

    async def body() -> Ending:
        schedule = loop.from_thread()
        threading.Thread(target=lambda: schedule(runtime.post, Event("call"))).start()
        return await loop.run(runtime)

    assert loop.main(body).outcome == "called"


def test_a_deadline_comes_when_it_is_due_and_not_before(loop: Any) -> None:
    began = time.monotonic()
    assert loop.main(lambda: loop.run(machine(0.05))).outcome == "late"
    assert time.monotonic() - began >= 0.05


def test_a_source_is_heard_also_when_another_descriptor_has_its_number(loop: Any) -> None:
    pipe, runtime = Pipe(), machine()
    numbers = [pipe.reader]

    async def write() -> None:
        for state in ("waiting", "again"):
            while runtime.wake is None or runtime.state != state:
                await loop.sleep(0)
            # It waits by now.
            for _ in range(10):
                await loop.sleep(0)
            numbers.append(pipe.reader)
            os.write(pipe.writer, b"1")

    async def body() -> Ending:
        return (await loop.together(lambda: loop.run(runtime, {"pipe": lambda: pipe}), write))[0]

    assert (loop.main(body).outcome, pipe.closed) == ("written", 1)
    assert len(set(numbers)) == 1


def test_what_is_handed_over_first_is_delivered_first(loop: Any) -> None:
    assert loop.main(lambda: loop.run(machine(0.0), {}, Event("call"))).outcome == "called"


RACE = loads("""\
format: 1
machine: race
version: 1
initial: waiting
settings: {patience: {value: 10s}}
outcomes: {died: {}, ready: {}, late: {}}
events:
  died: {source: caller, rank: 0}
  ready: {source: caller, rank: 1}
  late: {timer: patience}
states:
  waiting: {deadlines: late}
  dead: {final: died}
  fine: {final: ready}
  missed: {final: late}
rows:
  - {in: waiting, on: died, to: dead}
  - {in: waiting, on: ready, to: fine}
  - {in: waiting, on: late, to: missed}
""")


def test_what_was_posted_before_the_loop_looked_is_delivered_by_its_rank(loop: Any) -> None:
    runtime = machine(0.0, RACE)
    runtime.post(Event("ready"))
    runtime.post(Event("died"))
    assert loop.main(lambda: loop.run(runtime)).outcome == "died"


def test_a_runtime_is_run_by_one_loop_at_a_time(loop: Any) -> None:
    runtime = machine()

    async def second() -> str:
        while runtime.wake is None:
            await loop.sleep(0)
        with pytest.raises(MachineError, match="another loop"):
            await loop.run(runtime)
        runtime.post(Event("call"))
        return "refused"

    async def body() -> list[Any]:
        return list(await loop.together(lambda: loop.run(runtime), second))

    ending, said = loop.main(body)
    assert (ending.outcome, said) == ("called", "refused")
    assert runtime.wake is None


def test_a_cancelled_run_closes_its_sources_and_can_go_on(loop: Any) -> None:
    runtime, pipe = machine(), Pipe()

    async def asyncio_body() -> None:
        task = asyncio.create_task(aio.run(runtime, {"pipe": lambda: pipe}))
        while runtime.wake is None:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def trio_body() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(for_trio.run, runtime, {"pipe": lambda: pipe})
            while runtime.wake is None:
                await trio.sleep(0)
            nursery.cancel_scope.cancel()

    loop.main(asyncio_body if isinstance(loop, Asyncio) else trio_body)
    assert (pipe.closed, runtime.state, runtime.wake) == (1, "waiting", None)
    assert loop.main(lambda: loop.run(runtime, {}, Event("call"))).outcome == "called"

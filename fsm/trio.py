"""A machine in a loop of trio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from math import inf

import trio

from .aio import NONE, woken_by
from .driver import Sources
from .events import Event
from .runtime import Ending, Runtime
from .sources import SourceFactory


async def run(
    runtime: Runtime,
    sources: Mapping[str, SourceFactory] = NONE,
    *first: Event,
    delivered: Callable[[], object] = lambda: None,
) -> Ending:
    """Run the machine to its end, as `scxlife.fsm.aio.run` does in asyncio.

    `runtime.post(event)` from another task wakes it. From another thread, use `trio.from_thread.run_sync`.
    """
    machine = Sources(runtime, sources, delivered=delivered)
    woken = trio.Event()
    readable: set[int] = set()

    def wake() -> None:
        woken.set()

    async def watch(fd: int) -> None:
        await trio.lowlevel.wait_readable(fd)
        readable.add(fd)
        woken.set()

    with woken_by(runtime, wake), closing(machine):
        machine.begin(*first)
        while runtime.ending is None:
            interest = machine.interest()
            left = inf if interest.deadline is None else max(0.0, interest.deadline - runtime.now())
            with trio.move_on_after(left):
                async with trio.open_nursery() as nursery:
                    for fd in interest.fds:
                        nursery.start_soon(watch, fd)
                    await woken.wait()
                    nursery.cancel_scope.cancel()
            woken = trio.Event()
            seen = frozenset(readable)
            readable.clear()
            machine.wake(seen, runtime.now())
        return runtime.ending

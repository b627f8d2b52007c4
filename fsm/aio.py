"""A machine in a loop of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from types import MappingProxyType

from .driver import Sources
from .events import Event
from .runtime import Ending, MachineError, Runtime
from .sources import SourceFactory


@contextmanager
def woken_by(runtime: Runtime, wake: Callable[[], object]) -> Iterator[None]:
    """Have `wake` called at each post, by one loop at a time. Raises MachineError when there is another."""
    if runtime.wake is not None:
        raise MachineError("the machine is run by another loop already")
    runtime.wake = wake
    try:
        yield
    finally:
        runtime.wake = None


NONE: Mapping[str, SourceFactory] = MappingProxyType({})


async def run(
    runtime: Runtime,
    sources: Mapping[str, SourceFactory] = NONE,
    *first: Event,
    delivered: Callable[[], object] = lambda: None,
) -> Ending:
    """Run the machine to its end: start it, hand it `first`, wait for its sources and deadlines.

    `runtime.post(event)` from another task or a callback of the same loop wakes it. From another thread, use
    `loop.call_soon_threadsafe(runtime.post, event)`. Cancelling it closes the sources and leaves the machine as it is.
    `sources` and `delivered` are those of `Sources`. Raises what `Runtime.deliver` does, and MachineError for a runtime
    that another loop runs.
    """
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    machine = Sources(runtime, sources, delivered=delivered)
    readable: set[int] = set()

    def ready(fd: int) -> None:
        readable.add(fd)
        woken.set()

    with woken_by(runtime, woken.set), closing(machine):
        machine.begin(*first)
        while runtime.ending is None:
            interest = machine.interest()
            left = None if interest.deadline is None else max(0.0, interest.deadline - runtime.now())
            # Anew each time: between two waits a source may have closed a descriptor, and another have its number.
            for fd in interest.fds:
                loop.add_reader(fd, ready, fd)
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await woken.wait()
            finally:
                for fd in interest.fds:
                    loop.remove_reader(fd)
            woken.clear()
            seen = frozenset(readable)
            readable.clear()
            machine.wake(seen, runtime.now())
        return runtime.ending

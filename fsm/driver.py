"""Opens the sources that a state lists, gathers what they tell, believes no deadline unchecked, and waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from .definition import FAULT
from .events import Event
from .misuse import expect, is_seconds
from .problems import did_you_mean
from .runtime import Ending, MachineError, Runtime, UnknownName
from .sources import EventSource, SourceFactory, Waiter


@attrs.frozen
class Interest:
    """What to wait for: one of these descriptors to turn readable, or the deadline (monotonic seconds, None: never)."""

    fds: tuple[int, ...]
    deadline: float | None


class Sources:
    """A machine with its event sources, driven from outside: the half of a loop that does not wait.

    `sources` makes an event source for each name that the definition declares; a name without one stays silent.
    Call `begin`, then wait for what `interest` tells and call `wake`, until `runtime.ending` is there; then `close`.
    All that arrives in one wake-up is gathered before the first event is delivered, so its rank decides, not luck.
    `delivered` is called behind each event, when the machine is in the state that the event has led to.
    """

    def __init__(
        self,
        runtime: Runtime,
        sources: Mapping[str, SourceFactory],
        *,
        delivered: Callable[[], object] = lambda: None,
    ) -> None:
        expect(isinstance(runtime, Runtime), "Sources() and Driver() want a Runtime", runtime)
        expect(isinstance(sources, Mapping), "sources= maps names to factories, as sources_for() gives them", sources)
        declared = runtime.definition.sources
        for name, factory in sources.items():
            if name not in declared:
                hint = did_you_mean(str(name), declared)
                raise UnknownName(f"source {name!r} is given and not declared{hint}")
            expect(callable(factory), f"the factory of source {name!r} is a function that makes one", factory)
        expect(callable(delivered), "delivered= is a function without arguments", delivered)
        self.runtime = runtime
        self._delivered = delivered
        self._factories = sources
        self._open: dict[str, EventSource] = {}
        # Failed to open or to drain: told once, not tried again until a state that does not list it lies between.
        self._broken: set[str] = set()
        # The entry into a state for which sources were last opened and closed.
        self._listening = -1

    def begin(self, *first: Event) -> None:
        """Start the machine unless it was restored, and hand it `first`."""
        if not self.runtime.started:
            self.runtime.start()
        for event in first:
            self.runtime.post(event)
        self.settle()

    def interest(self) -> Interest:
        """What the machine waits for in its present state."""
        fds = {fd for source in self._open.values() if (fd := source.fileno()) is not None}
        moments = [at for source in self._open.values() if (at := source.next_deadline()) is not None]
        machine = self.runtime.next_deadline()
        return Interest(tuple(fds), min([*moments, *([] if machine is None else [machine])], default=None))

    def wake(self, ready: Iterable[int], now: float) -> None:
        """Look at the sources of the descriptors in `ready` and at those that wait for a moment, and deliver what they
        tell. `now` is in monotonic seconds. A wake-up without cause is harmless."""
        expect(isinstance(ready, Iterable), "wake() wants the descriptors that are readable, as a list or a set", ready)
        expect(is_seconds(now), "wake() wants the present moment in monotonic seconds", now)
        readable = set(ready)
        machine = self.runtime.next_deadline()
        due = machine is not None and machine <= now
        for name, source in list(self._open.items()):
            # A deadline is believed only after every fact was looked at once more. Who looks by the clock, for want of
            # somebody who tells him, looks whenever all are awake anyway: what woke another is often news for him.
            if due or source.next_deadline() is not None or source.fileno() in readable:
                self._drain(name)
        if due:
            self.runtime.expire(now)
        self.settle()

    def close(self) -> None:
        """Close every source. The machine is left as it is."""
        self._listen(())

    def source(self, name: str) -> EventSource | None:
        """The open source of that name, for an action or a guard that asks it again; None while it is closed."""
        return self._open.get(name)

    def settle(self) -> None:
        """Deliver until nothing waits, opening and closing sources as the state changes: for who has posted an event
        from outside."""
        runtime = self.runtime
        while True:
            if runtime.entered != self._listening:
                self._listening = runtime.entered
                self._listen(runtime.definition.states[runtime.state].sources)
            if not runtime.deliver_one():
                return
            self._delivered()

    def could_not_wait(self, error: OSError) -> None:
        """A wait was refused, and would be at once the next time: the machine is told, by `fault`, or raises the error
        where it knows no such event."""
        if FAULT not in self.runtime.definition.events:
            raise error
        self.runtime.fault = error
        text = f"{type(error).__name__}: {error}"
        self.runtime.post(Event(FAULT, {"error": text}, "the wait failed"))

    # -- inside ------------------------------------------------------------------------------------------------

    def _listen(self, wanted: tuple[str, ...]) -> None:
        for name in [name for name in self._open if name not in wanted]:
            self._close(name)
        self._broken.intersection_update(wanted)
        for name in wanted:
            factory = self._factories.get(name)
            if name in self._open or name in self._broken or factory is None:
                continue
            try:
                source = factory()
                if source is None:
                    continue
                source.open()
            except OSError as error:
                self._failed(name, error)
                continue
            self._open[name] = source
            self._drain(name)

    def _drain(self, name: str) -> None:
        declared = self.runtime.definition.events
        try:
            for event in self._open[name].drain():
                expect(isinstance(event, Event), f"source {name!r} is to tell Events", event)
                if event.name not in declared or declared[event.name].source != name:
                    raise MachineError(f"source {name!r} tells {event.name!r}, which is not declared as an event of it")
                self.runtime.post(event)
        except OSError as error:
            self._close(name)
            self._failed(name, error)

    def _close(self, name: str) -> None:
        try:
            self._open.pop(name).close()
        except OSError as error:
            self._failed(name, error)

    def _failed(self, name: str, error: OSError) -> None:
        self._broken.add(name)
        self.runtime.fault = error
        if FAULT in self.runtime.definition.events:
            text = f"{type(error).__name__}: {error}"
            self.runtime.post(Event(FAULT, {"source": name, "error": text}, f"source {name} failed"))


def wait(waiter: Waiter, machines: Sequence[Sources]) -> None:
    """One wait for several machines on one thread, and what came is delivered: the first of them goes first."""
    interests = [machine.interest() for machine in machines]
    moment = min((interest.deadline for interest in interests if interest.deadline is not None), default=None)
    timeout = None if moment is None else max(0.0, moment - waiter.monotonic())
    try:
        ready = [fd for fd, _ in waiter.poll({fd for interest in interests for fd in interest.fds}, timeout)]
    except OSError as error:
        ready = []
        for machine in machines:
            machine.could_not_wait(error)
    now = waiter.monotonic()
    for machine in machines:
        machine.wake(ready, now)


class Driver(Sources):
    """Runs a machine to its end on one thread: `Sources` with a waiter."""

    def __init__(self, runtime: Runtime, sources: Mapping[str, SourceFactory], waiter: Waiter) -> None:
        super().__init__(runtime, sources)
        lacking = [name for name in ("poll", "monotonic") if not callable(getattr(waiter, name, None))]
        expect(
            not lacking,
            f"Driver() wants a waiter, such as SelectWaiter(): this has no {' and no '.join(lacking)}",
            waiter,
        )
        self._waiter = waiter

    def run(self, *first: Event) -> Ending:
        """Begin with `first`, and wait with the machine until it has ended. Every source is closed behind it, whatever
        happens. Raises MachineError; OSError of a wait only where the machine declares no event `fault`."""
        try:
            self.begin(*first)
            while self.runtime.ending is None:
                wait(self._waiter, (self,))
            return self.runtime.ending
        finally:
            self.close()

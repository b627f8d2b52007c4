"""One loop that waits: opens the sources a state lists, gathers what they tell, believes no deadline unchecked."""

from __future__ import annotations

from collections.abc import Mapping

from .definition import FAULT
from .events import Event
from .runtime import Ending, Runtime
from .sources import EventSource, SourceFactory, Waiter


class Driver:
    """Runs a machine to its end on one thread.

    `sources` makes an event source for each name that the definition declares; a name without one stays silent.
    All that arrives in one wake-up is gathered before the first event is delivered, so its rank decides, not luck.
    """

    def __init__(self, runtime: Runtime, sources: Mapping[str, SourceFactory], waiter: Waiter) -> None:
        self.runtime = runtime
        self._factories = sources
        self._waiter = waiter
        self._open: dict[str, EventSource] = {}
        # Failed to open or to drain: told once, not tried again until a state that does not list it lies between.
        self._broken: set[str] = set()

    def run(self, *first: Event) -> Ending:
        """Start the machine unless it was restored, hand it `first`, and wait with it until it has ended."""
        try:
            if not self.runtime.started:
                self.runtime.start()
            for event in first:
                self.runtime.post(event)
            while True:
                self._settle()
                if self.runtime.ending is not None:
                    return self.runtime.ending
                self._wait()
        finally:
            self._listen(())

    def source(self, name: str) -> EventSource | None:
        """The open source of that name, for an action or a guard that asks it again; None while it is closed."""
        return self._open.get(name)

    def _settle(self) -> None:
        """Deliver until nothing waits, opening and closing sources as the state changes."""
        runtime = self.runtime
        while True:
            self._listen(runtime.definition.states[runtime.state].sources)
            if not runtime.deliver_one():
                return

    def _listen(self, wanted: tuple[str, ...]) -> None:
        for name in [name for name in self._open if name not in wanted]:
            self._open.pop(name).close()
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

    def _wait(self) -> None:
        waiter = self._waiter
        fds = {fd: name for name, source in self._open.items() if (fd := source.fileno()) is not None}
        wanted = {name: at for name, source in self._open.items() if (at := source.next_deadline()) is not None}
        machine = self.runtime.next_deadline()
        nearest = min([*wanted.values(), *([] if machine is None else [machine])], default=None)
        timeout = None if nearest is None else max(0.0, nearest - waiter.monotonic())
        ready = {fds[fd] for fd, _ in waiter.poll(fds, timeout)}
        now = waiter.monotonic()
        due = machine is not None and machine <= now
        for name in list(self._open):
            # A deadline is believed only after every fact was looked at once more.
            if due or name in ready or (name in wanted and wanted[name] <= now):
                self._drain(name)
        if due:
            self.runtime.expire(now)

    def _drain(self, name: str) -> None:
        try:
            for event in self._open[name].drain():
                self.runtime.post(event)
        except OSError as error:
            self._open.pop(name).close()
            self._failed(name, error)

    def _failed(self, name: str, error: OSError) -> None:
        self._broken.add(name)
        if FAULT in self.runtime.definition.events:
            text = f"{type(error).__name__}: {error}"
            self.runtime.post(Event(FAULT, {"source": name, "error": text}, f"source {name} failed"))

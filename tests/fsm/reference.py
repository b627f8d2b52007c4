"""A machine in motion as plainly as it can be said: `decide` for every event, a list that is sorted for an inbox.

It shares no code with `runtime`, so what both do alike for random machines is what is meant, and not a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import BY_ACTION, DEFER, FAULT, IMPOSSIBLE, REJECT, VERDICT, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.runtime import MachineError, Refused, UnknownName

# An event in the inbox: rank, number in the order of coming, and for a deadline in which entering it was armed.
Letter = tuple[int, int, Event, int | None]


class Answers(dict[str, bool]):
    """What the guards say of one event: each is asked when `decide` comes to it, and not again."""

    def __init__(self, machine: Reference, event: Event) -> None:
        self.machine, self.event = machine, event
        self.failed: list[tuple[str, Exception]] = []

    def __missing__(self, name: str) -> bool:
        try:
            self[name] = self.machine.guards[name](self.event)
        except Exception as error:
            self.machine.fault, self[name] = error, False
            self.failed.append((name, error))
            if FAULT not in self.machine.definition.events:
                because = f"guard {name} failed"
                self.machine.tell("drop", state=self.machine.state, event=self.event.name, because=because)
                raise MachineError(name) from error
        return self[name]


@attrs.define(eq=False)
class Reference:
    """What a runtime is to do. It tells the same records."""

    definition: Definition
    actions: Mapping[str, Callable[[Event], None]]
    guards: Mapping[str, Callable[[Event], bool]]
    clock: Callable[[], float]
    observer: Callable[[Mapping[str, Any]], None]
    state: str = ""
    inbox: list[Letter] = attrs.Factory(list)
    deferred: list[Letter] = attrs.Factory(list)
    deadlines: list[tuple[float, str]] = attrs.Factory(list)
    numbers: int = 0
    entered: int = 0
    acting: str | None = None
    said: str | None = None
    verdict: tuple[str, str] | None = None
    ending: tuple[str, str, str] | None = None
    fault: Exception | None = None

    def start(self) -> None:
        self.state = self.definition.initial
        self.tell("start", state=self.state, machine=self.definition.name, version=self.definition.version)
        self.run(self.definition.states[self.state].entry, Event(""), well=True)
        self.arrive(self.state)

    def tell(self, kind: str, **facts: object) -> None:
        self.observer({"kind": kind, "t": self.clock(), **facts})

    def post(self, event: Event, armed_in: int | None = None) -> None:
        if armed_in is None and self.definition.events[event.name].timer is not None:
            raise MachineError(f"{event.name!r} is a deadline: expire() posts it when it is due")
        allowed = self.definition.actions[self.acting].posts if self.acting is not None else (event.name,)
        if event.name not in allowed and self.definition.events[event.name].source == BY_ACTION:
            raise UnknownName(f"{self.acting} does not post {event.name}")
        if self.acting is not None and self.definition.events[event.name].source == BY_ACTION:
            if self.said is not None:
                raise MachineError(f"action {self.acting!r} posts {event.name!r} after {self.said!r}: one in a run")
            self.said = event.name
        rank = self.definition.events[event.name].rank
        self.numbers += 1
        self.inbox.append((rank, self.numbers, event, armed_in))
        self.tell("event", event=event.name, rank=rank, cause=event.cause, data=event.data)

    def next_deadline(self) -> float | None:
        return min((due for due, _ in self.deadlines), default=None)

    def expire(self, now: float) -> None:
        due, self.deadlines = [d for d in self.deadlines if d[0] <= now], [d for d in self.deadlines if d[0] > now]
        for at, name in sorted(due):
            late = f", noticed {now - at:.1f} s late" if now - at >= 0.5 else ""
            self.post(Event(name, cause=f"deadline{late}"), self.entered)

    def deliver(self) -> None:
        while self.ending is None and self.inbox:
            self.inbox.sort()
            letter = self.inbox.pop(0)
            if lost := self.lost(letter[2].name, letter[3]):
                self.tell("drop", state=self.state, event=letter[2].name, because=lost)
            else:
                self.step(letter)

    def lost(self, name: str, armed_in: int | None) -> str:
        event = self.definition.events[name]
        if event.timer is not None:
            return "" if armed_in == self.entered else "its state has been left"
        closed = self.definition.sources.keys() - set(self.definition.states[self.state].sources)
        return "its source was closed meanwhile" if event.source in closed else ""

    def step(self, letter: Letter) -> None:
        event, answers = letter[2], Answers(self, letter[2])
        says = decide(self.definition, self.state, event.name, answers)
        moment = {}
        if says.again:
            moment = {"t": self.clock()}
            time = self.definition.settings[str(self.definition.events[event.name].timer)]
            self.deadlines += [(moment["t"] + float(time), event.name)] if time is not None else []
        self.tell(
            "step", **moment, state=self.state, event=event.name, cell=says.kind, to=says.target, guards=dict(answers),
            do=says.actions, verdict=says.verdict, because=says.reason, cause=event.cause, data=event.data,
        )  # fmt: skip
        for name, error in answers.failed:
            self.failed("guard", name, error)
        if says.verdict is not None:
            self.verdict = (says.verdict, self.state)
        if says.kind == DEFER:
            self.deferred.append(letter)
        elif says.kind in (REJECT, IMPOSSIBLE):
            raise (Refused if says.kind == REJECT else MachineError)(event.name)
        elif says.internal:
            self.run(says.actions, event, well=True)
        else:
            entry = self.definition.states[says.target].entry
            well = self.run(says.actions[: len(says.actions) - len(entry)], event, well=True)
            left, self.state = self.state, says.target
            self.run(entry, event, well)
            self.arrive(left)

    def run(self, names: Iterable[str], event: Event, well: bool) -> bool:
        """The actions in order, but none behind one that fails. Whether all went well."""
        for self.acting in names:
            self.said = None
            if not well:
                self.tell("action", name=self.acting, result="skipped")
                continue
            try:
                self.actions[self.acting](event)
                self.tell("action", name=self.acting, result="done")
            except Exception as error:
                well = self.failed("action", self.acting, error)
        self.acting = None
        return well

    def failed(self, kind: str, name: str, error: Exception) -> bool:
        said = f"{type(error).__name__}: {error}"
        self.tell(kind, name=name, result="failed", error=said)
        self.acting, self.fault = None, error
        self.post(Event(FAULT, {kind: name, "error": said}, f"{kind} {name} failed"))
        return False

    def arrive(self, left: str) -> None:
        """In another state, or the same again: its deadlines count from now, what was deferred waits again,
        unless the state has nothing else for it than to defer it once more."""
        self.entered += 1
        state, settings = self.definition.states[self.state], self.definition.settings
        times = {name: settings[str(self.definition.events[name].timer)] for name in state.deadlines}
        now = self.clock()
        self.deadlines = [(now + float(time), name) for name, time in times.items() if time is not None]
        again = [letter for letter in self.deferred if self.only_deferred(letter)]
        self.inbox += [letter for letter in self.deferred if letter not in again]
        self.deferred = again
        if state.final is not None:
            outcome, noted_in = (self.verdict if state.final == VERDICT else None) or (state.final, left)
            self.ending = (self.state, outcome, noted_in)
            self.tell("end", state=self.state, outcome=outcome, noted_in=noted_in)

    def only_deferred(self, letter: Letter) -> bool:
        name = letter[2].name
        if self.definition.states[self.state].final is not None or self.lost(name, letter[3]):
            return False
        first = self.definition.cells[self.state, name][0]
        return not first.guards and first.decision.kind == DEFER

"""A definition in motion: one state, one inbox, its deadlines. No input, no output, no waiting of its own.

`transitions.Machine` carries the state, asks the guards and calls the actions. What it does that an embedder must
know, and what is done about it here:

* An exception in a callback leaves a half-made transition behind, and with `queued=True` drops every event that
  waits. So no callback raises into it: a failed action becomes the event `fault`, and the inbox is ours.
* Its queue belongs to the Machine, not to the model: with `queued=True` two threads with a model each would run
  one another's events. The inbox makes that queue superfluous, so `queued=False`.
* It adds a method to the model for every event and state: a model of its own keeps those names off this class.
* Unknown targets and callbacks are found when they are fired: here every name is resolved before it is built.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from transitions import Machine

from . import events as happened
from .definition import DEFER, FAULT, GO, IMPOSSIBLE, REJECT, VERDICT, Decision, Definition

Action = Callable[[happened.Event], None]
Guard = Callable[[happened.Event], bool]
Observer = Callable[[Mapping[str, Any]], None]

# A machine that posts to itself for ever would never let its driver wait again.
MAX_IMMEDIATE = 10_000


class MachineError(Exception):
    """The definition was contradicted by what happened: an `impossible` event came, or events never end."""


class Refused(MachineError):
    """An event came that its cell rejects. Nothing was changed."""


@attrs.frozen
class Ending:
    """Where the machine ended and what came of it; `noted_in` is the state in which the outcome was settled."""

    state: str
    outcome: str
    noted_in: str


@attrs.frozen(order=True)
class _Waiting:
    rank: int
    order: int
    event: happened.Event = attrs.field(order=False)
    armed_at: int = attrs.field(order=False, default=0)


class _Model:
    """What transitions works on: the state's name and the way back to its runtime."""

    state: str

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime


class Runtime:
    """One running machine.

    `actions` and `guards` hold a callable for every name that the definition declares (KeyError names what is
    missing). `clock` gives monotonic seconds. `observer` is told of everything in order, as tape records.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        actions: Mapping[str, Action],
        guards: Mapping[str, Guard],
        clock: Callable[[], float],
        observer: Observer | None = None,
    ) -> None:
        for kind, declared, given in (
            ("action", definition.actions, actions),
            ("guard", definition.guards, guards),
        ):
            missing = sorted(declared.keys() - given.keys())
            if missing:
                raise KeyError(f"no {kind} is given for {', '.join(missing)}")
        self.definition = definition
        self.ending: Ending | None = None
        self._actions = actions
        self._guards = guards
        self._clock = clock
        self._observer = observer
        self._inbox: list[_Waiting] = []
        self._deferred: list[_Waiting] = []
        self._timers: list[tuple[float, str]] = []
        self._order = 0
        self._entered = 0
        self._verdict: tuple[str, str] | None = None
        self._event = happened.Event("")
        self._guard_values: dict[str, bool] = {}
        self._waiting = _Waiting(0, 0, self._event)
        self._refusal: Decision | None = None
        self._failed = False
        self.fault: Exception | None = None
        self._immediate = 0
        self._model = _Model(self)
        self._machine = _machine(definition)
        self._machine.set_state(definition.initial, self._model)

    @property
    def state(self) -> str:
        return self._model.state

    # -- telling it --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Enter the initial state: its entry actions run, its deadlines are armed."""
        self._tell("start", state=self.state, machine=self.definition.name, version=self.definition.version)
        self._run(self.definition.states[self.state].entry)
        self._arrive(self.state)

    def post(self, event: happened.Event) -> None:
        """Put an event in the inbox, behind those of lower or equal rank. Raises KeyError for an unknown name."""
        self._post(event, 0)

    def _post(self, event: happened.Event, armed_at: int) -> None:
        rank = self.definition.events[event.name].rank
        self._order += 1
        heapq.heappush(self._inbox, _Waiting(rank, self._order, event, armed_at))
        self._tell("event", event=event.name, rank=rank, cause=event.cause, data=event.data)

    def handle(self, event: happened.Event) -> None:
        """Post one event and deliver all that waits: the whole of it, for a driver of your own."""
        self.post(event)
        self.deliver()

    def deliver(self) -> None:
        """Deliver what waits in the inbox, until nothing does. Raises MachineError or its subclass Refused."""
        self._immediate = 0
        while self.deliver_one():
            pass

    def deliver_one(self) -> bool:
        """Deliver the first event that waits; False when there was none or the machine has ended."""
        if self.ending is not None or not self._inbox:
            return False
        self._immediate += 1
        if self._immediate > MAX_IMMEDIATE:
            raise MachineError(f"{MAX_IMMEDIATE} events in one go and no end, the last in state {self.state}")
        waiting = heapq.heappop(self._inbox)
        self._deliver(waiting)
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            kind, text = (Refused, "is refused") if refusal.kind == REJECT else (MachineError, "came, held impossible,")
            raise kind(f"event {refusal.event} {text} in state {refusal.state}: {refusal.reason}")
        return True

    # -- deadlines ---------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the earliest armed deadline, or None."""
        return min(self._timers)[0] if self._timers else None

    def expire(self, now: float) -> bool:
        """Post the events of the deadlines that are due at `now`, the earliest first. Whether any was."""
        due = sorted(timer for timer in self._timers if timer[0] <= now)
        for timer in due:
            self._timers.remove(timer)
            late = now - timer[0]
            cause = "deadline" if late < 0.5 else f"deadline, noticed {late:.1f} s late"
            self._post(happened.Event(timer[1], cause=cause), self._entered)
        return bool(due)

    # -- inside ------------------------------------------------------------------------------------------------

    def _tell(self, kind: str, **facts: Any) -> None:
        if self._observer is not None:
            self._observer({"kind": kind, "t": self._clock(), **facts})

    def _deliver(self, waiting: _Waiting) -> None:
        event = waiting.event
        if self.definition.events[event.name].timer is not None and waiting.armed_at != self._entered:
            self._tell("drop", state=self.state, event=event.name, because="its state has been left")
            return
        if not self._heard(event.name):
            self._tell("drop", state=self.state, event=event.name, because="its source was closed meanwhile")
            return
        self._waiting, self._event, self._guard_values = waiting, event, {}
        self._machine.events[event.name].trigger(self._model)

    def _heard(self, name: str) -> bool:
        """Whether the present state still listens to the source of event `name`, if it has one."""
        source = self.definition.events[name].source
        return (
            source is None
            or source not in self.definition.sources
            or source in self.definition.states[self.state].sources
        )

    def guard(self, name: str, wanted: bool) -> bool:
        """One condition of a branch, asked once for each event however many branches name it."""
        if name not in self._guard_values:
            self._guard_values[name] = bool(self._guards[name](self._event))
        return self._guard_values[name] is wanted

    def before(self, decision: Decision) -> None:
        """The branch is chosen, the state not yet left: put it on the tape, run what belongs to leaving."""
        event = self._event
        self._tell(
            "step",
            state=decision.state,
            event=event.name,
            cell=decision.kind,
            to=decision.target,
            guards=dict(self._guard_values),
            do=decision.actions,
            verdict=decision.verdict,
            because=decision.reason,
            cause=event.cause,
            data=event.data,
        )
        if decision.verdict is not None:
            self._verdict = (decision.verdict, decision.state)
        self._failed = False
        if decision.kind == GO:
            entry = 0 if decision.internal else len(self.definition.states[decision.target].entry)
            self._run(decision.actions[: len(decision.actions) - entry])
        elif decision.kind == DEFER:
            self._deferred.append(self._waiting)
        elif decision.kind in (REJECT, IMPOSSIBLE):
            self._refusal = decision

    def after(self, decision: Decision) -> None:
        """The new state is entered: run its entry actions, arm its deadlines, bring back what was deferred."""
        if decision.kind == GO and not decision.internal:
            self._run(self.definition.states[decision.target].entry)
            self._arrive(decision.state)

    def _run(self, actions: Iterable[str]) -> None:
        for name in actions:
            if self._failed:
                self._tell("action", name=name, result="skipped")
                continue
            try:
                self._actions[name](self._event)
            except Exception as error:  # whatever an action raises is the machine's to judge
                self._failed = True
                self._tell("action", name=name, result="failed", error=f"{type(error).__name__}: {error}")
                self.fault = error
                data = {"action": name, "error": f"{type(error).__name__}: {error}"}
                self._post(happened.Event(FAULT, data, f"action {name} failed"), 0)
            else:
                self._tell("action", name=name, result="done")

    def _arrive(self, came_from: str) -> None:
        self._entered += 1
        state = self.definition.states[self.state]
        now = self._clock()
        self._timers = []
        for name in state.deadlines:
            duration = self.definition.settings[self.definition.events[name].timer or ""]
            if duration is not None:
                self._timers.append((now + float(duration), name))
        for waiting in self._deferred:
            heapq.heappush(self._inbox, waiting)
        self._deferred = []
        if state.final is not None:
            outcome, noted_in = state.final, came_from
            if state.final == VERDICT and self._verdict is not None:
                outcome, noted_in = self._verdict
            self.ending = Ending(state.name, outcome, noted_in)
            self._tell("end", state=state.name, outcome=outcome, noted_in=noted_in)


def _machine(definition: Definition) -> Machine:
    """The transitions machine for `definition`: one transition for each branch of each cell, in order."""
    machine = Machine(
        model=None,
        states=list(definition.states),
        initial=definition.initial,
        auto_transitions=False,
        send_event=True,
        queued=False,
    )
    for (state, event), cell in definition.cells.items():
        for branch in cell:
            decision = branch.decision
            machine.add_transition(
                event,
                state,
                None if decision.internal else decision.target,
                conditions=[_condition(name, wanted) for name, wanted in branch.guards],
                before=[_before(decision)],
                after=[_after(decision)] if decision.kind == GO and not decision.internal else [],
            )
    return machine


def _condition(name: str, wanted: bool) -> Callable[[Any], bool]:
    return lambda data: bool(data.model.runtime.guard(name, wanted))


def _before(decision: Decision) -> Callable[[Any], None]:
    def run(data: Any) -> None:
        data.model.runtime.before(decision)

    return run


def _after(decision: Decision) -> Callable[[Any], None]:
    def run(data: Any) -> None:
        data.model.runtime.after(decision)

    return run

"""A definition in motion: one state, one inbox, its deadlines. No input, no output, no waiting of its own.

`transitions.Machine` carries the state, asks the guards and calls the actions (`machinery.py`). Around it stand the
inbox, ordered by rank, the deadlines of the present state, and what was deferred.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from . import events as happened
from .decision import stays_deferred
from .definition import BY_ACTION, DEFER, FAULT, GO, IMPOSSIBLE, REJECT, VERDICT, Decision, Definition
from .definition import Action as DeclaredAction
from .machinery import Model, build, trigger
from .problems import did_you_mean
from .snapshot import Snapshot, Waiting

Action = Callable[[happened.Event], None]
Guard = Callable[[happened.Event], bool]
Observer = Callable[[Mapping[str, Any]], None]

# A machine that posts to itself for ever would never let its driver wait again.
MAX_IMMEDIATE = 10_000


class MachineError(Exception):
    """The definition was contradicted by what happened: an `impossible` event came, or events never end."""


class UnknownName(KeyError):
    """A name that the definition does not have, or a callable that is missing for one that it has."""

    __str__ = Exception.__str__  # KeyError would quote the whole sentence


class PastFault(Exception):
    """The text of a failure that happened before the runtime was restored."""


class Refused(MachineError):
    """An event came that its cell rejects. Nothing was changed."""


@attrs.frozen
class Ending:
    """Where the machine ended and what came of it; `noted_in` is the state in which the outcome was settled."""

    state: str
    outcome: str
    noted_in: str


# Rank, number in the order of coming, the event, and for a deadline the entry that armed it. No two have the same
# number, so the heap never compares events.
_Waiting = tuple[int, int, happened.Event, int]


class Runtime:
    """One running machine.

    `actions` and `guards` hold a callable for every name that the definition declares, and no other: UnknownName
    tells what is missing and what is too much. `clock` gives monotonic seconds. `observer` is told of everything in
    order, as tape records. `fault` is the last exception of an action, a guard or an event source.
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
        _match("action", definition.actions, actions)
        _match("guard", definition.guards, guards)
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
        self._waiting: _Waiting = (0, 0, self._event, 0)
        # What every event is asked, looked up once.
        self._ranks = {event.name: event.rank for event in definition.events.values()}
        self._deadlines = frozenset(event.name for event in definition.events.values() if event.timer is not None)
        self._sources = {
            event.name: event.source for event in definition.events.values() if event.source in definition.sources
        }
        self._deferring = {
            event
            for (_, event), branches in definition.cells.items()
            if any(branch.decision.kind == DEFER for branch in branches)
        }
        self._said_by_actions = {event.name for event in definition.events.values() if event.source == BY_ACTION}
        self._acting: DeclaredAction | None = None
        self._said: str | None = None
        self._asking: str | None = None
        self._unanswered: list[tuple[str, Exception]] = []
        self._refusal: Decision | None = None
        self._failed = False
        self.fault: Exception | None = None
        self._immediate = 0
        self._model = Model(self)
        self._machine = build(definition)
        self._triggers = {name: self._machine.events[trigger(name)] for name in definition.events}
        self._machine.set_state(definition.initial, self._model)

    @property
    def state(self) -> str:
        """The name of the present state; before `start()` the initial one."""
        return self._model.state

    @property
    def entered(self) -> int:
        """How often a state was entered, the initial one included."""
        return self._entered

    @property
    def started(self) -> bool:
        """Whether `start()` or `restore()` has set it going."""
        return self._entered > 0

    # -- telling it --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Enter the initial state: its entry actions run, its deadlines are armed. Raises MachineError the second
        time."""
        if self._entered:
            raise MachineError("the machine runs already")
        self._tell("start", state=self.state, machine=self.definition.name, version=self.definition.version)
        self._run(self.definition.states[self.state].entry)
        self._arrive(self.state)

    def post(self, event: happened.Event) -> None:
        """Put an event in the inbox, behind those of lower or equal rank. Raises UnknownName for a name
        that is not declared, and for one of `source: action` that the action which posts it does not list;
        MachineError for a deadline, from a guard, and for the second event of one run of an action."""
        name = event.name
        if name in self._deadlines:
            raise MachineError(f"{name!r} is a deadline: expire() posts it when it is due")
        if self._asking is not None:
            raise MachineError(f"guard {self._asking!r} posts {name!r}: a guard only answers")
        if name not in self._ranks:
            raise UnknownName(f"no event {name!r} in machine {self.definition.name}{did_you_mean(name, self._ranks)}")
        if self._acting is not None and name in self._said_by_actions:
            if name not in self._acting.posts:
                raise UnknownName(f"action {self._acting.name!r} posts {name!r}, which its `posts` does not list")
            if self._said is not None:
                raise MachineError(f"action {self._acting.name!r} posts {name!r} after {self._said!r}: one in a run")
            self._said = name
        self._post(event, 0)

    def _post(self, event: happened.Event, armed_at: int) -> None:
        rank = self._ranks[event.name]
        self._order += 1
        heapq.heappush(self._inbox, (rank, self._order, event, armed_at))
        if self._observer is not None:
            self._tell("event", event=event.name, rank=rank, cause=event.cause, data=event.data)

    def handle(self, event: happened.Event) -> None:
        """Post one event and deliver all that waits: the whole of it, for a driver of your own. Raises what `post` and
        `deliver` raise."""
        self.post(event)
        self.deliver()

    def deliver(self) -> None:
        """Deliver what waits in the inbox, until nothing does. Raises MachineError or its subclass Refused; then what
        waits behind the refused event still waits, and the next call goes on. A deferred event that comes back where
        it is rejected is refused to whoever delivers, not to who sent it."""
        while self.deliver_one():
            pass

    def deliver_one(self) -> bool:
        """Deliver the first event that waits; False when there was none or the machine has ended. Raises MachineError
        and Refused as `deliver` does."""
        if self.ending is not None or not self._inbox:
            self._immediate = 0
            return False
        if self._entered == 0:
            raise MachineError("the machine has not been started: call start() first")
        self._immediate += 1
        if self._immediate > MAX_IMMEDIATE:
            self._immediate = 0
            raise MachineError(f"{MAX_IMMEDIATE} events in one go and no end, the last in state {self.state}")
        waiting = heapq.heappop(self._inbox)
        self._deliver(waiting)
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            kind, text = (Refused, "is refused") if refusal.kind == REJECT else (MachineError, "came, held impossible,")
            raise kind(f"event {refusal.event} {text} in state {refusal.state}: {refusal.reason}")
        return True

    # -- at rest -----------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """All that is needed to go on elsewhere: `json.dumps(runtime.snapshot().as_data())`.

        Raises MachineError while an action runs: half a transition can't be kept.
        """
        if self._acting is not None:
            raise MachineError(f"action {self._acting.name} is running: a snapshot is taken between events")
        now = self._clock()
        ending = self.ending
        return Snapshot(
            self.definition.name,
            self.definition.version,
            self.state,
            self._entered,
            self._order,
            tuple(Waiting(*waiting) for waiting in sorted(self._inbox)),
            tuple(Waiting(*waiting) for waiting in self._deferred),
            tuple((at - now, name) for at, name in self._timers),
            self._verdict,
            None if ending is None else (ending.state, ending.outcome, ending.noted_in),
            None if self.fault is None else str(self.fault),
        )

    def restore(self, snapshot: Snapshot, *, elapsed: float = 0.0) -> None:
        """Go on where `snapshot` was taken, instead of `start()`: no entry action runs. `elapsed` seconds are taken
        off every deadline; one that is over by now is due at once. Raises MachineError when it was started already.
        """
        if self._entered:
            raise MachineError("the machine runs already: restore a fresh runtime, instead of start()")
        self._tell("restore", elapsed=elapsed, snapshot=snapshot.as_data())
        now = self._clock()
        self._machine.set_state(snapshot.state, self._model)
        self._entered, self._order = snapshot.entered, snapshot.order
        self._inbox = [(w.rank, w.order, w.event, w.entry) for w in snapshot.inbox]
        heapq.heapify(self._inbox)
        self._deferred = [(w.rank, w.order, w.event, w.entry) for w in snapshot.deferred]
        self._timers = [(now + left - elapsed, name) for left, name in snapshot.deadlines]
        self._verdict = snapshot.verdict
        self.ending = None if snapshot.ending is None else Ending(*snapshot.ending)
        self.fault = None if snapshot.fault is None else PastFault(snapshot.fault)

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
        _, _, event, armed_at = waiting
        name = event.name
        if name in self._deadlines and armed_at != self._entered:
            self._tell("drop", state=self.state, event=name, because="its state has been left")
            return
        source = self._sources.get(name)
        if source is not None and source not in self.definition.states[self.state].sources:
            self._tell("drop", state=self.state, event=name, because="its source was closed meanwhile")
            return
        self._waiting, self._event, self._guard_values, self._unanswered = waiting, event, {}, []
        self._triggers[name].trigger(self._model)

    def guard(self, name: str, wanted: bool) -> bool:
        """One condition of a branch, asked once for each event however many branches name it. A guard that raises
        does not hold, and is a `fault`."""
        if name not in self._guard_values:
            self._asking = name
            try:
                value = bool(self._guards[name](self._event))
            except Exception as error:  # whatever a guard raises is the machine's to judge
                value = False
                self._unanswered.append((name, error))
                if FAULT not in self._ranks:
                    self.fault = error
                    self._tell("drop", state=self.state, event=self._event.name, because=f"guard {name} failed")
                    raise self._unheard("guard", name) from error
            finally:
                self._asking = None
            self._guard_values[name] = value
        return self._guard_values[name] is wanted

    def before(self, decision: Decision) -> None:
        """The branch is chosen, the state not yet left: put it on the tape, run what belongs to leaving."""
        now = self._clock() if decision.again else None
        if now is not None:
            self._arm(decision.event, now)
        if self._observer is not None:
            event = self._event
            self._tell(
                "step",
                **({} if now is None else {"t": now}),
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
        for name, error in self._unanswered:
            self._tell("guard", name=name, result="failed", error=f"{type(error).__name__}: {error}")
            self._fault("guard", name, error)
        if decision.verdict is not None:
            self._verdict = (decision.verdict, decision.state)
        self._failed = False
        if decision.kind == GO:
            if decision.actions:
                entry = 0 if decision.internal else len(self.definition.states[decision.target].entry)
                self._run(decision.actions[: len(decision.actions) - entry])
        elif decision.kind == DEFER:
            self._deferred.append(self._waiting)
        elif decision.kind in (REJECT, IMPOSSIBLE):
            self._refusal = decision

    def after(self, decision: Decision) -> None:
        """The new state is entered: run its entry actions, arm its deadlines, bring back what was deferred.

        What the state would only defer again stays deferred, and no record is made of it.
        """
        self._run(self.definition.states[decision.target].entry)
        self._arrive(decision.state)

    def _fault(self, kind: str, name: str, error: Exception) -> None:
        """Keep the exception and make an event of it, where the machine knows what to do with one."""
        self.fault = error
        if FAULT not in self._ranks:
            raise self._unheard(kind, name) from error
        data = {kind: name, "error": f"{type(error).__name__}: {error}"}
        self._post(happened.Event(FAULT, data, f"{kind} {name} failed"), 0)

    def _unheard(self, kind: str, name: str) -> MachineError:
        return MachineError(f"{kind} {name} failed, and the machine declares no event {FAULT!r}")

    def _run(self, actions: Iterable[str]) -> None:
        for name in actions:
            if self._failed:
                self._tell("action", name=name, result="skipped")
                continue
            self._acting, self._said = self.definition.actions[name], None
            try:
                self._actions[name](self._event)
            except Exception as error:  # whatever an action raises is the machine's to judge
                self._failed = True
                self._tell("action", name=name, result="failed", error=f"{type(error).__name__}: {error}")
                self._fault("action", name, error)
            else:
                self._tell("action", name=name, result="done")
            finally:
                self._acting = None

    def _arm(self, name: str, now: float) -> None:
        duration = self.definition.settings[self.definition.events[name].timer or ""]
        if duration is not None:
            self._timers.append((now + float(duration), name))

    @property
    def verdict(self) -> str | None:
        """The outcome that was noted so far; None before."""
        return None if self._verdict is None else self._verdict[0]

    def _arrive(self, came_from: str) -> None:
        self._entered += 1
        state = self.definition.states[self.state]
        self._timers = []
        if state.deadlines:
            now = self._clock()
            for name in state.deadlines:
                self._arm(name, now)
        if self._deferred:
            staying = {name for name in self._deferring if stays_deferred(self.definition, self.state, name)}
            for waiting in self._deferred:
                if waiting[2].name not in staying:
                    heapq.heappush(self._inbox, waiting)
            self._deferred = [waiting for waiting in self._deferred if waiting[2].name in staying]
        if state.final is not None:
            outcome, noted_in = state.final, came_from
            if state.final == VERDICT and self._verdict is not None:
                outcome, noted_in = self._verdict
            self.ending = Ending(state.name, outcome, noted_in)
            self._tell("end", state=state.name, outcome=outcome, noted_in=noted_in)


def _match(kind: str, declared: Mapping[str, object], given: Mapping[str, object]) -> None:
    """Raise UnknownName unless exactly the declared names are given: a misspelt one would never be called."""
    missing = sorted(declared.keys() - given.keys())
    if missing:
        raise UnknownName(f"no {kind} is given for {', '.join(missing)}")
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise UnknownName(f"{kind} {unknown[0]!r} is given and not declared{did_you_mean(unknown[0], declared)}")

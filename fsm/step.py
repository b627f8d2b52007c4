"""One step of a machine: all that follows from an event once its branch is chosen, and nothing that has an effect.

A `Status` is where a machine stands: its state, what waits and in which order, what is deferred, which deadlines are
armed, the verdict and the ending. It knows no clock, calls no action and asks no guard: its user chooses the
branch, gives the results of the actions, and gives the moments. There are three of these:

* `runtime` chooses with transitions and calls the actions;
* `replay` takes results and moments from a tape;
* the explorer of the lifecycle takes every result there can be.

A step goes like this:

1. `take` the first event that waits. `deaf` tells why the state does not hear it any more, if so; then it is dropped.
2. Choose the branch, and `step`: the verdict is noted, a deadline starts over, the event is deferred or refused.
3. `settle`. Then, as long as there are `actions`: run the first, say how it went with `acted`, and `settle` again.
   When the last is done with, the machine arrives: deadlines are armed, deferred events wait again, or it has ended.

An event that comes meanwhile is put in the inbox by `post`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Generic, NamedTuple, Protocol, TypeVar

from .definition import DEFER, FAULT, GO, IMPOSSIBLE, REJECT, VERDICT, Decision, Definition
from .events import Event
from .snapshot import Snapshot

#: Why an event is dropped.
LEFT, CLOSED = "its state has been left", "its source was closed meanwhile"


class Letter(Protocol):
    """An event as its user keeps it."""

    @property
    def name(self) -> str: ...


L = TypeVar("L", bound=Letter)
#: An event that waits: its rank, its number in the order of coming, the event, and for a deadline how many states had
#: been entered when it was armed (0 for other events). No two have the same number, so a heap never compares events.
Waiting = tuple[int, int, L, int]


class Heard(NamedTuple):
    """What every event is asked about its name: its rank, the setting of a deadline, and its source if a state has to
    list it."""

    rank: int
    timer: str | None
    source: str | None


class Rules:
    """What steps look up in a definition, gathered once. It holds for every definition that shares the cells."""

    def __init__(self, definition: Definition) -> None:
        self.states, self.events = definition.states, definition.events
        self.sources = frozenset(definition.sources)
        self.heard = {
            event.name: Heard(event.rank, event.timer, event.source if event.source in self.sources else None)
            for event in definition.events.values()
        }
        #: The events that every state hears: `deaf` need not be asked about them.
        self.everywhere = frozenset(name for name, (_, timer, source) in self.heard.items() if timer is source is None)
        #: By state, the deferred events that stay so when it is entered.
        self.staying: Mapping[str, frozenset[str]] = self._staying(definition)
        #: What `machinery` has built for the choice of a branch, by event.
        self.choices: Mapping[str, Callable[[str, Callable[[str], bool]], Decision]] | None = None

    def _staying(self, definition: Definition) -> dict[str, frozenset[str]]:
        staying: dict[str, set[str]] = {state: set() for state in self.states}
        for (state, event), cell in definition.cells.items():
            if cell[0].decision.kind == DEFER and not cell[0].guards and state in staying:
                timer, source = self.heard[event].timer, self.heard[event].source
                # A deadline, or an event whose source is closed, comes back all the same: to be dropped.
                if timer is None and (source is None or source in self.states[state].sources):
                    staying[state].add(event)
        return {state: frozenset(events) for state, events in staying.items()}


def rules_of(definition: Definition) -> Rules:
    """The rules of `definition`, kept with its cells."""
    kept: Rules | None = definition.cells.built
    if (
        kept is None
        or kept.states is not definition.states
        or kept.events is not definition.events
        or kept.sources != definition.sources.keys()
    ):
        kept = definition.cells.built = Rules(definition)
    return kept


def failure(kind: str, name: str, said: str) -> Event:
    """The event that tells of an action or a guard (`kind`) that has failed; `said` is its error as text."""
    return Event(FAULT, {kind: name, "error": said}, f"{kind} {name} failed")


class Status(Generic[L]):
    """Where a machine stands; see the module for how a step goes.

    Moments are seconds of one clock. `clock` is called when a moment is needed: for a deadline that is armed.
    """

    __slots__ = (
        "_came_from",
        "_entering",
        "_heard",
        "_states",
        "actions",
        "armed",
        "deferred",
        "definition",
        "ending",
        "entered",
        "failed",
        "inbox",
        "order",
        "refused",
        "rules",
        "state",
        "staying",
        "verdict",
    )

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.rules = rules_of(definition)
        self.staying = self.rules.staying
        self._heard, self._states = self.rules.heard, self.rules.states
        self.state = definition.initial
        #: How often a state was entered; 0 before the start.
        self.entered = 0
        #: How many events have come.
        self.order = 0
        #: A heap: `first` is what is delivered next.
        self.inbox: list[Waiting[L]] = []
        self.deferred: list[Waiting[L]] = []
        #: The deadlines of the present state: the moment each is due, and its event.
        self.armed: list[tuple[float, str]] = []
        #: The outcome that was noted last, and the state in which it was.
        self.verdict: tuple[str, str] | None = None
        #: Once the machine has ended: the state, the outcome, and the state in which that was settled.
        self.ending: tuple[str, str, str] | None = None
        #: What is still to be run of the step, and whether one of its actions has failed: then the others are skipped.
        self.actions: deque[str] = deque()
        self.failed = False
        #: What the last step refused: it was rejected or held impossible.
        self.refused: Decision | None = None
        self._entering: str | None = None
        self._came_from = ""

    # -- the inbox ---------------------------------------------------------------------------------------------

    def post(self, letter: L) -> int:
        """Put an event in the inbox, behind those of lower or equal rank. Its rank."""
        rank, timer, _ = self._heard[letter.name]
        self.order = order = self.order + 1
        heappush(self.inbox, (rank, order, letter, 0 if timer is None else self.entered))
        return rank

    @property
    def first(self) -> Waiting[L]:
        """What is delivered next. Raises IndexError when nothing waits."""
        return self.inbox[0]

    def take(self) -> Waiting[L]:
        """Take what is delivered next out of the inbox. Raises IndexError when nothing waits."""
        return heappop(self.inbox)

    def deaf(self, waiting: Waiting[L]) -> str | None:
        """Why the present state does not hear this event any more, or None when it does."""
        _, timer, source = self.rules.heard[waiting[2].name]
        if timer is not None and waiting[3] != self.entered:
            return LEFT
        if source is not None and source not in self.rules.states[self.state].sources:
            return CLOSED
        return None

    def restore(self, snapshot: Snapshot, letters: Sequence[L], now: float, elapsed: float) -> None:
        """Stand where `snapshot` was taken. `letters` has its events, those in the inbox and then the deferred ones;
        `elapsed` seconds of its deadlines are over at `now`."""
        self.state, self.entered, self.order = snapshot.state, snapshot.entered, snapshot.order
        kept = [*snapshot.inbox, *snapshot.deferred]
        waiting = [(each.rank, each.order, letter, each.entry) for each, letter in zip(kept, letters, strict=True)]
        self.inbox, self.deferred = waiting[: len(snapshot.inbox)], waiting[len(snapshot.inbox) :]
        heapify(self.inbox)
        self.armed = [(now + left - elapsed, name) for left, name in snapshot.deadlines]
        self.verdict, self.ending = snapshot.verdict, snapshot.ending

    # -- a step ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Enter the initial state: `settle`, and its entry actions, come next."""
        self._entering = self._came_from = self.state
        self.actions.extend(self._states[self.state].entry)

    def step(self, waiting: Waiting[L], decision: Decision, now: float = 0.0) -> None:
        """What was taken has this decision; `now` counts where a deadline starts over (`again`)."""
        self.failed = False
        self.refused = None
        if decision.verdict is not None:
            self.verdict = (decision.verdict, decision.state)
        kind = decision.kind
        if kind == GO:
            if not decision.internal:
                self._entering = decision.target
                self._came_from = decision.state
            if decision.actions:
                self.actions.extend(decision.actions)
            if decision.again:
                self._arm(decision.event, now)
        elif kind == DEFER:
            self.deferred.append(waiting)
        elif kind in (REJECT, IMPOSSIBLE):
            self.refused = decision

    def acted(self, *, failed: bool) -> None:
        """The first of `actions` is done with."""
        self.actions.popleft()
        if failed:
            self.failed = True

    def settle(self, clock: Callable[[], float]) -> None:
        """Go on as far as no action has to run first: into the state that is entered, and to arrive there."""
        target = self._entering
        if target is None:
            return
        state = self._states[target]
        if self.actions:
            if len(self.actions) <= len(state.entry):
                self.state = target
            return
        self.state = target
        self._entering = None
        self.entered += 1
        if self.armed:
            self.armed = []
        if state.deadlines:
            now = clock()
            for name in state.deadlines:
                self._arm(name, now)
        if self.deferred:
            self._return()
        if state.final is not None:
            outcome, noted_in = state.final, self._came_from
            if state.final == VERDICT and self.verdict is not None:
                outcome, noted_in = self.verdict
            self.ending = (target, outcome, noted_in)

    def abandon(self) -> None:
        """Leave the step as it is: something was raised in the middle of it."""
        self.actions.clear()
        self._entering = None

    def _return(self) -> None:
        """Deferred events wait again, each in its old place; those that would only be deferred again stay."""
        staying, deferred = self.staying[self.state], self.deferred
        self.deferred = [waiting for waiting in deferred if waiting[2].name in staying]
        for waiting in deferred:
            if waiting[2].name not in staying:
                heappush(self.inbox, waiting)

    # -- deadlines ---------------------------------------------------------------------------------------------

    def _arm(self, name: str, now: float) -> None:
        duration = self.definition.settings[self.rules.heard[name].timer or ""]
        if duration is not None:
            self.armed.append((now + float(duration), name))

    def expire(self, now: float) -> list[tuple[float, str]]:
        """Take the deadlines that are due at `now`, the earliest first: their events are to be posted."""
        due = sorted(deadline for deadline in self.armed if deadline[0] <= now)
        if due:
            self.armed = [deadline for deadline in self.armed if deadline[0] > now]
        return due

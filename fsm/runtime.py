"""A definition in motion: one state, one inbox, its deadlines. No input, no output, no waiting of its own.

`transitions.Machine` chooses the branch (`machinery.py`), and `step.py` has all that follows from it. Here stands what
has an effect: asking the guards, calling the actions, looking at the clock, telling the observer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .definition import BY_ACTION, FAULT, GO, REJECT, Definition
from .definition import Action as DeclaredAction
from .events import NOTHING, Event
from .machinery import build
from .misuse import Misuse, expect, is_seconds
from .problems import did_you_mean
from .snapshot import Snapshot, SnapshotError, from_data
from .snapshot import Waiting as Kept
from .step import Status, Waiting, failure

Action = Callable[[Event], None]
Guard = Callable[[Event], bool]
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
        expect(isinstance(definition, Definition), "Runtime() wants a Definition, as load() gives it", definition)
        expect(callable(clock), "clock= is a function that gives monotonic seconds, such as time.monotonic", clock)
        expect(observer is None or callable(observer), "observer= is a function that is called with records", observer)
        _match("action", definition.actions, actions)
        _match("guard", definition.guards, guards)
        self.definition = definition
        self.ending: Ending | None = None
        #: The last exception of an action, a guard or an event source.
        self.fault: Exception | None = None
        self._actions = actions
        self._guards = guards
        self._clock = clock
        #: Called after each `post`: by it a loop that waits hears of an event from elsewhere.
        self.wake: Callable[[], object] | None = None
        self._observer = observer
        self._choices = build(definition)
        self._status: Status[Event] = Status(definition)
        self._heard = self._status.rules.heard
        self._everywhere = self._status.rules.everywhere
        # While an event is delivered, or the machine starts: nothing else is begun then.
        self._busy = False
        self._immediate = 0
        # Of the event that is being delivered.
        self._event = Event("")
        self._answers: dict[str, bool] = {}
        self._unanswered: list[tuple[str, Exception]] = []
        self._acting: DeclaredAction | None = None
        self._said: str | None = None
        self._asking: str | None = None

    @property
    def state(self) -> str:
        """The name of the present state; before `start()` the initial one."""
        return self._status.state

    def now(self) -> float:
        """Seconds of the runtime's clock."""
        return self._clock()

    @property
    def entered(self) -> int:
        """How often a state was entered, the initial one included."""
        return self._status.entered

    @property
    def started(self) -> bool:
        """Whether `start()` or `restore()` has set it going."""
        return self._status.entered > 0

    @property
    def verdict(self) -> str | None:
        """The outcome that was noted so far; None before."""
        return None if self._status.verdict is None else self._status.verdict[0]

    # -- telling it --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Enter the initial state: its entry actions run, its deadlines are armed. Raises MachineError the second
        time, and inside an action, a guard or an observer."""
        self._free("start()")
        if self.started:
            raise MachineError("the machine runs already")
        self._busy = True
        try:
            self._tell("start", state=self.state, machine=self.definition.name, version=self.definition.version)
            self._status.start()
            self._status.settle(self._clock)
            self._go_on()
        except BaseException:
            self._status.abandon()
            raise
        finally:
            self._busy = False

    def post(self, event: Event) -> None:
        """Put an event in the inbox, behind those of lower or equal rank. Raises UnknownName for a name
        that is not declared, and for one of `source: action` that the action which posts it does not list;
        MachineError for a deadline, from a guard, and for the second event of one run of an action; Misuse for what is
        no Event."""
        if type(event) is not Event:
            expect(isinstance(event, Event), _wants_event("post", event), event)
        name, data = event.name, event.data
        if data is not NOTHING and type(data) is not dict:
            expect(isinstance(data, Mapping), f"the data of event {name!r} is a mapping of facts", data)
        if type(name) is not str:
            expect(isinstance(name, str), "the name of an event is a text", name)
        heard = self._heard.get(name)
        if heard is None or heard.timer is not None or self._busy:
            self._may_be_posted(name)
        if self._observer is None:
            self._status.post(event)
        else:
            self._post(event)
        if self.wake is not None:
            self.wake()

    def _may_be_posted(self, name: str) -> None:
        declared = self.definition.events.get(name)
        if declared is not None and declared.timer is not None:
            raise MachineError(f"{name!r} is a deadline: expire() posts it when it is due")
        if self._asking is not None:
            raise MachineError(f"guard {self._asking!r} posts {name!r}: a guard only answers")
        if declared is None:
            hint = did_you_mean(name, self._heard)
            raise UnknownName(f"no event {name!r} in machine {self.definition.name}{hint}")
        if self._acting is not None and declared.source == BY_ACTION:
            if name not in self._acting.posts:
                raise UnknownName(f"action {self._acting.name!r} posts {name!r}, which its `posts` does not list")
            if self._said is not None:
                raise MachineError(f"action {self._acting.name!r} posts {name!r} after {self._said!r}: one in a run")
            self._said = name

    def _post(self, event: Event) -> None:
        rank = self._status.post(event)
        if self._observer is not None:
            self._observer(
                {
                    "kind": "event",
                    "t": self._clock(),
                    "event": event.name,
                    "rank": rank,
                    "cause": event.cause,
                    "data": event.data,
                }
            )

    def handle(self, event: Event) -> None:
        """Post one event and deliver all that waits: the whole of it, for a driver of your own. Raises what `post` and
        `deliver` raise. An action posts instead: what it posts is delivered behind the present event."""
        if self._busy:
            self._free("handle()")
        self.post(event)
        self.deliver()

    def deliver(self) -> None:
        """Deliver what waits in the inbox, until nothing does. Raises MachineError or its subclass Refused; then what
        waits behind the refused event still waits, and the next call goes on. A deferred event that comes back where
        it is rejected is refused to whoever delivers, not to who sent it."""
        if self._busy:
            self._free("deliver()")
        inbox = self._status.inbox
        while inbox and self.deliver_one():
            pass
        self._immediate = 0

    def deliver_one(self) -> bool:
        """Deliver the first event that waits; False when there was none or the machine has ended. Raises MachineError
        and Refused as `deliver` does."""
        status = self._status
        if self._busy:
            self._free("deliver()")
        if not status.inbox or self.ending is not None:
            self._immediate = 0
            return False
        if status.entered == 0:
            raise MachineError("the machine has not been started: call start() first")
        self._immediate += 1
        if self._immediate > MAX_IMMEDIATE:
            self._immediate = 0
            raise MachineError(f"{MAX_IMMEDIATE} events in one go and no end, the last in state {self.state}")
        self._busy = True
        try:
            waiting = status.take()
            name = waiting[2].name
            because = None if name in self._everywhere else status.deaf(waiting)
            if because is None:
                self._deliver(waiting)
            else:
                self._tell("drop", state=status.state, event=name, because=because)
        except BaseException:
            status.abandon()
            raise
        finally:
            self._busy = False
        refusal = status.refused
        if refusal is not None:
            status.refused = None
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
        now, status = self._clock(), self._status
        return Snapshot(
            self.definition.name,
            self.definition.version,
            status.state,
            status.entered,
            status.order,
            tuple(Kept(*waiting) for waiting in sorted(status.inbox)),
            tuple(Kept(*waiting) for waiting in status.deferred),
            tuple((at - now, name) for at, name in status.armed),
            status.verdict,
            status.ending,
            None if self.fault is None else str(self.fault),
        )

    def restore(self, snapshot: Snapshot, *, elapsed: float = 0.0) -> None:
        """Go on where `snapshot` was taken, instead of `start()`: no entry action runs. `elapsed` seconds are taken
        off every deadline; one that is over by now is due at once. Raises MachineError when it was started already,
        Misuse for what is no Snapshot (`from_data` makes one of data), SnapshotError for one of another definition.
        """
        self._free("restore()")
        wanted = "restore() wants a Snapshot; of data that was kept, snapshot.from_data(data, definition) makes one"
        expect(isinstance(snapshot, Snapshot), wanted, snapshot)
        expect(is_seconds(elapsed), "elapsed= is the number of seconds that went by", elapsed)
        if self.started:
            raise MachineError("the machine runs already: restore a fresh runtime, instead of start()")
        try:
            data = snapshot.as_data()
        except (AttributeError, TypeError, ValueError) as error:
            raise SnapshotError(f"it was not made by snapshot() or from_data(): {error}") from error
        from_data(data, self.definition)
        self._tell("restore", elapsed=elapsed, snapshot=data)
        self._status.restore(
            snapshot, [kept.event for kept in (*snapshot.inbox, *snapshot.deferred)], self._clock(), elapsed
        )
        self.ending = None if snapshot.ending is None else Ending(*snapshot.ending)
        self.fault = None if snapshot.fault is None else PastFault(snapshot.fault)

    # -- deadlines ---------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the earliest armed deadline, or None."""
        armed = self._status.armed
        return min(armed)[0] if armed else None

    def expire(self, now: float) -> bool:
        """Post the events of the deadlines that are due at `now`, the earliest first. Whether any was. Raises
        MachineError inside an action, a guard or an observer."""
        if self._busy:
            self._free("expire()")
        expect(is_seconds(now), "expire() wants the present moment in monotonic seconds", now)
        due = self._status.expire(now)
        for at, name in due:
            late = now - at
            cause = "deadline" if late < 0.5 else f"deadline, noticed {late:.1f} s late"
            self._post(Event(name, cause=cause))
        return bool(due)

    # -- inside ------------------------------------------------------------------------------------------------

    def _free(self, what: str) -> None:
        """Raise MachineError inside a delivery: a step that is begun there would find half of another."""
        if not self._busy:
            return
        if self._acting is not None:
            where = f"action {self._acting.name!r}"
        else:
            where = "an observer" if self._asking is None else f"guard {self._asking!r}"
        raise MachineError(
            f"{where} calls {what} while an event is delivered: an action calls post(), and what it posts "
            "is delivered next"
        )

    def _tell(self, kind: str, **facts: Any) -> None:
        if self._observer is not None:
            self._observer({"kind": kind, "t": self._clock(), **facts})

    def _deliver(self, waiting: Waiting[Event]) -> None:
        status, event = self._status, waiting[2]
        self._event = event
        if self._answers:
            self._answers = {}
        decision = self._choices[event.name](status.state, self._ask)
        now = self._clock() if decision.again else 0.0
        status.step(waiting, decision, now)
        if self._observer is not None:
            self._observer(
                {
                    "kind": "step",
                    "t": now if decision.again else self._clock(),
                    "state": decision.state,
                    "event": event.name,
                    "cell": decision.kind,
                    "to": decision.target,
                    "guards": self._answers,
                    "do": decision.actions,
                    "verdict": decision.verdict,
                    "because": decision.reason,
                    "cause": event.cause,
                    "data": event.data,
                }
            )
        if self._unanswered:
            unanswered, self._unanswered = self._unanswered, []
            for name, error in unanswered:
                self._failed("guard", name, error)
        if decision.kind == GO:
            status.settle(self._clock)
            if status.actions or status.ending is not None:
                self._go_on()

    def _ask(self, name: str) -> bool:
        """The answer of a guard, which is asked once for each event however many branches name it. A guard that raises
        does not hold, and is a `fault`."""
        answer = self._answers.get(name)
        if answer is None:
            self._asking = name
            try:
                answer = _answer(self._guards[name](self._event))
            except Exception as error:  # whatever a guard raises is the machine's to judge
                answer = False
                if FAULT not in self._heard:
                    self.fault, self._unanswered = error, []
                    self._tell("drop", state=self.state, event=self._event.name, because=f"guard {name} failed")
                    raise self._unheard("guard", name) from error
                self._unanswered.append((name, error))
            finally:
                self._asking = None
            if not self._answers:
                self._answers = {}
            self._answers[name] = answer
        return answer

    def _go_on(self) -> None:
        """Run the actions of the step, up to the state that it leads to."""
        status = self._status
        while status.actions:
            self._act(status.actions[0])
            status.settle(self._clock)
        if status.ending is not None:
            state, outcome, noted_in = status.ending
            self.ending = Ending(state, outcome, noted_in)
            self._tell("end", state=state, outcome=outcome, noted_in=noted_in)

    def _act(self, name: str) -> None:
        status = self._status
        if status.failed:
            status.acted(failed=True)
            self._tell("action", name=name, result="skipped")
            return
        self._acting, self._said = self.definition.actions[name], None
        try:
            result = self._actions[name](self._event)
            if result is not None:
                _awaits(result)
        except Exception as error:  # whatever an action raises is the machine's to judge
            self._acting = None
            status.acted(failed=True)
            self._failed("action", name, error)
        else:
            status.acted(failed=False)
            if self._observer is not None:
                self._observer({"kind": "action", "t": self._clock(), "name": name, "result": "done"})
        finally:
            self._acting = None

    def _failed(self, kind: str, name: str, error: Exception) -> None:
        """Tell of it, keep the exception, and make an event of it where the machine knows what to do with one."""
        said = f"{type(error).__name__}: {error}"
        self._tell(kind, name=name, result="failed", error=said)
        self.fault = error
        if FAULT not in self._heard:
            raise self._unheard(kind, name) from error
        self._post(failure(kind, name, said))

    def _unheard(self, kind: str, name: str) -> MachineError:
        return MachineError(f"{kind} {name} failed, and the machine declares no event {FAULT!r}")


def _wants_event(what: str, found: object) -> str:
    example = f"Event({found!r})" if isinstance(found, str) else 'Event("name")'
    return f"{what}() wants an Event: {what}({example})"


def _answer(result: object) -> bool:
    if result is True or result is False:
        return result is True
    _awaits(result)
    return bool(result)


def _awaits(result: object) -> None:
    """Raise Misuse for what a caller would have to await: it would never run."""
    if hasattr(result, "__await__"):
        close = getattr(result, "close", None)
        if close is not None:
            close()
        raise Misuse("it gives something to await, and nobody does: actions and guards are plain functions")


# Flags of a code object (`inspect` has them by name): calling it runs nothing.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def _runs_later(function: Any) -> bool:
    """Whether a call only makes a coroutine or a generator, and runs nothing of the function."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None and callable(function):
        code = getattr(type(function).__call__, "__code__", None)
    return bool(getattr(code, "co_flags", 0) & (_GENERATOR | _COROUTINE | _ASYNC_GENERATOR))


def _match(kind: str, declared: Mapping[str, object], given: Mapping[str, object]) -> None:
    """Raise UnknownName unless exactly the declared names are given (a misspelt one would never be called), and Misuse
    for what is no plain function."""
    expect(isinstance(given, Mapping), f"{kind}s= maps each name to its function", given)
    missing = sorted(declared.keys() - given.keys())
    if missing:
        raise UnknownName(f"no {kind} is given for {', '.join(missing)}")
    unknown = sorted(map(str, given.keys() - declared.keys()))
    if unknown:
        raise UnknownName(f"{kind} {unknown[0]!r} is given and not declared{did_you_mean(unknown[0], declared)}")
    for name, function in given.items():
        expect(callable(function), f"{kind} {name!r} is to be a function of an event", function)
        if _runs_later(function):
            raise Misuse(
                f"{kind} {name!r} is an `async def` or a generator, which a call does not run: make it a plain "
                "function, which may start a task and let that post an event"
            )

"""Where a machine stands, and where a step leads it: `fsm.step` as a function from tuple to tuple.

A machine is a small tuple, equal for all that go on alike. Nothing here knows of a world: a step comes with its
decision, and with what was posted and told on the way.
"""

from __future__ import annotations

from typing import NamedTuple

from scxlife.fsm.definition import FAULT, GO, IGNORE, Decision, Definition
from scxlife.fsm.step import CLOSED, LEFT, Status, Waiting

# Of one deferred event this many are kept: a third does what the second does.
SAME = 2


class Machine(NamedTuple):
    """Where the machine stands. `inbox` is in the order of delivery; an event is its name, or name and what it says.
    `armed` has the seconds that are left until each deadline, were nothing else to take time, the nearest first.
    `wrong` is the property that its last step has broken."""

    state: str
    inbox: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    armed: tuple[tuple[float, str], ...] = ()
    verdict: str = ""
    broken: tuple[str, ...] = ()
    wrong: str = ""


class Turn(NamedTuple):
    """What a step means for the machine, whatever its inbox holds besides. `delivers` tells a delivery, with its
    decision (None: nobody hears the event any more), from a look at the sources; `fires` is how many deadlines a look
    finds to be over: `due` the first, `late` all."""

    delivers: bool
    decision: Decision | None
    posted: tuple[str, ...]
    told: tuple[str, ...]
    broken: tuple[str, ...]
    faults: int
    fires: str = ""


class _Letter(NamedTuple):
    """A token as `Status` takes it."""

    name: str
    token: str


class Rules:
    """What a definition makes of a machine's steps."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._letters: dict[str, _Letter] = {}
        #: The events that a state does not hear, for their source is closed there: (state, event).
        self.unheard = {
            (state, event)
            for state in definition.states
            for event in definition.events
            if self._is_closed(state, event)
        }
        self._idle = self.unheard | {
            key
            for key, branches in definition.cells.items()
            if len(branches) == 1 and branches[0].decision.kind == IGNORE
        }

    def after(self, machine: Machine, turn: Turn) -> Machine:
        """The machine behind a step, and behind the deliveries after it that nothing comes of whatever happens."""
        after = self.step(machine, turn)
        inbox = after.inbox
        if self.is_final(after):
            return after
        while inbox and (after.state, name_of(inbox[0])) in self._idle:
            inbox = inbox[1:]
        return after if inbox is after.inbox else after._replace(inbox=inbox)

    def step(self, machine: Machine, turn: Turn) -> Machine:
        """The machine behind a step and nothing else."""
        status = self._status(machine)
        if not turn.delivers:
            return self._woken(machine, status, turn)
        waiting, decision = status.take(), turn.decision
        if decision is None:
            return self._machine(status, turn)
        status.step(waiting, decision)
        self._post(status, turn.posted)
        # How an action goes makes no other difference to the machine than by what it posts.
        while status.actions:
            status.acted(failed=False)
        status.settle(lambda: 0.0)
        wrong = "possible" if status.refused is not None else ""
        if decision.kind == GO and self._jumps_ahead(machine.inbox):
            wrong = "order"
        if status.ending is not None:
            # Nobody hears a fault of the last step; the reason in the outcome tells it.
            unheard = (FAULT,) if FAULT in turn.posted else ()
            return Machine(status.state, unheard, verdict=status.ending[1], wrong=wrong)
        self._post(status, turn.told)
        return self._machine(status, turn, wrong)

    def posted(self, machine: Machine, tokens: tuple[str, ...]) -> Machine:
        """The machine when these have come."""
        status = self._status(machine)
        self._post(status, tokens)
        return machine._replace(inbox=_tokens(sorted(status.inbox)))

    def _woken(self, machine: Machine, status: Status[_Letter], turn: Turn) -> Machine:
        self._post(status, turn.told)
        if turn.fires:
            now = machine.armed[0 if turn.fires == "due" else -1][0]
            self._post(status, tuple(name for _, name in status.expire(now)))
            status.armed = [(at - now, name) for at, name in status.armed]
        return self._machine(status, turn)

    def is_final(self, machine: Machine) -> bool:
        """Whether its run is over."""
        return self.definition.states[machine.state].final is not None

    def deadlines_of(self, machine: Machine) -> list[str]:
        """Those that are armed, and those that are over and not yet delivered."""
        return [name for _, name in machine.armed] + [name for name in machine.inbox if self._is_deadline(name)]

    def _is_deadline(self, token: str) -> bool:
        return self.definition.events[name_of(token)].timer is not None

    def _is_closed(self, state: str, event: str) -> bool:
        status = self._status(Machine(state, (event,)))
        return status.deaf(status.first) == CLOSED

    # -- from tuple to tuple -----------------------------------------------------------------------------------

    def _status(self, machine: Machine) -> Status[_Letter]:
        """As if its state were the first that was entered. What is deferred came before all that waits."""
        status: Status[_Letter] = Status(self.definition)
        status.state, status.entered = machine.state, 1
        self._post(status, machine.deferred)
        status.deferred, status.inbox = sorted(status.inbox, key=lambda waiting: waiting[1]), []
        self._post(status, machine.inbox)
        status.armed = list(machine.armed)
        status.verdict = (machine.verdict, "") if machine.verdict else None
        return status

    def _post(self, status: Status[_Letter], tokens: tuple[str, ...]) -> None:
        for token in tokens:
            letter = self._letters.get(token)
            if letter is None:
                letter = self._letters[token] = _Letter(name_of(token), token)
            status.post(letter)

    def _machine(self, status: Status[_Letter], turn: Turn, wrong: str = "") -> Machine:
        verdict = "" if status.verdict is None else status.verdict[0]
        waiting = [each for each in sorted(status.inbox) if each[3] == 0 or status.deaf(each) != LEFT]
        deferred: tuple[str, ...] = _tokens(status.deferred)
        if deferred and deferred.count(deferred[-1]) > SAME:
            deferred = deferred[:-1]
        armed = tuple(sorted(status.armed))
        return Machine(status.state, _tokens(waiting), deferred, armed, verdict, turn.broken, wrong)

    def _jumps_ahead(self, inbox: tuple[str, ...]) -> bool:
        """Death beats ready, ready beats deadline."""
        token, rest = inbox[0], inbox[1:]
        late = self._is_deadline(token)
        return ((late or token == "ready") and "exited" in rest) or (late and "ready" in rest)


def _tokens(waiting: list[Waiting[_Letter]]) -> tuple[str, ...]:
    return tuple(letter.token for _, _, letter, _ in waiting)


def name_of(token: str) -> str:
    """The event's name without what it says."""
    return token.partition(":")[0]

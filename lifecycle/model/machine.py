"""Where a machine stands, and where a step leads it: what `fsm.runtime` does with its inbox, as a function.

A machine is a small tuple. Nothing here knows of a world: a step comes with its decision, and with what was posted and
told on the way.
"""

from __future__ import annotations

from typing import NamedTuple

from scxlife.fsm.decision import stays_deferred
from scxlife.fsm.definition import (
    DEFER,
    FAULT,
    GO,
    IGNORE,
    IMPOSSIBLE,
    REJECT,
    VERDICT,
    Decision,
    Definition,
    Event,
    State,
)

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


class Rules:
    """What a definition makes of a machine's steps."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.timers = {event.name: event.timer for event in definition.events.values() if event.timer is not None}
        self._ranks = {event.name: event.rank for event in definition.events.values()}
        self._idle = {
            (state.name, event.name)
            for state in definition.states.values()
            for event in definition.events.values()
            if _is_idle(definition, state, event)
        }

        self._staying = {key for key in definition.cells if stays_deferred(definition, *key)}

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
        if not turn.delivers:
            return self._woken(machine, turn)
        token, rest, decision = machine.inbox[0], machine.inbox[1:], turn.decision
        if decision is None:
            return machine._replace(inbox=rest)
        if decision.kind in (REJECT, IMPOSSIBLE):
            return machine._replace(inbox=rest, wrong="possible")
        if decision.kind != GO:
            deferred = machine.deferred
            if decision.kind == DEFER and deferred.count(token) < SAME:
                deferred = (*deferred, token)
            return machine._replace(inbox=self.waiting(rest, turn.posted), deferred=deferred)
        verdict = machine.verdict if decision.verdict is None else decision.verdict
        wrong = "order" if self._jumps_ahead(token, rest) else ""
        if decision.internal:
            armed = self._armed(machine.armed, (decision.event,)) if decision.again else machine.armed
            inbox = self.waiting(rest, turn.posted)
            return machine._replace(inbox=inbox, armed=armed, verdict=verdict, wrong=wrong)
        state = self.definition.states[decision.target]
        if state.final is not None:
            # Nobody hears a fault of the last step; the reason in the outcome tells it.
            unheard = (FAULT,) if FAULT in turn.posted else ()
            outcome = verdict if state.final == VERDICT else state.final
            return Machine(state.name, unheard, verdict=outcome, wrong=wrong)
        current = tuple(token for token in rest if token not in self.timers)
        staying = tuple(token for token in machine.deferred if (state.name, name_of(token)) in self._staying)
        back = tuple(token for token in machine.deferred if (state.name, name_of(token)) not in self._staying)
        returned = self._returned(self.waiting(current, turn.posted), back)
        inbox = self.waiting(returned, turn.told)
        return Machine(state.name, inbox, staying, self._armed((), state.deadlines), verdict, turn.broken, wrong)

    def _woken(self, machine: Machine, turn: Turn) -> Machine:
        armed = machine.armed
        due: tuple[str, ...] = ()
        if turn.fires:
            now = armed[0][0] if turn.fires == "due" else armed[-1][0]
            due = tuple(name for at, name in armed if at <= now)
            armed = tuple((at - now, name) for at, name in armed if at > now)
        return machine._replace(inbox=self.waiting((), turn.told + due), armed=armed, broken=turn.broken)

    def is_final(self, machine: Machine) -> bool:
        """Whether its run is over."""
        return self.definition.states[machine.state].final is not None

    def deadlines_of(self, machine: Machine) -> list[str]:
        """Those that are armed, and those that are over and not yet delivered."""
        return [name for _, name in machine.armed] + [name for name in machine.inbox if name in self.timers]

    def _armed(self, armed: tuple[tuple[float, str], ...], names: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
        durations = [(self.definition.settings[self.timers[name]], name) for name in names]
        new = [(float(duration), name) for duration, name in durations if duration is not None]
        return tuple(sorted((*armed, *new)))

    def waiting(self, inbox: tuple[str, ...], tokens: tuple[str, ...]) -> tuple[str, ...]:
        """Behind those of lower or equal rank."""
        return tuple(sorted((*inbox, *tokens), key=self._rank)) if tokens else inbox

    def _returned(self, inbox: tuple[str, ...], deferred: tuple[str, ...]) -> tuple[str, ...]:
        """Deferred events come back before those of their rank, for they came first."""
        return tuple(sorted((*deferred, *inbox), key=self._rank)) if deferred else inbox

    def _rank(self, token: str) -> int:
        return self._ranks[name_of(token)]

    def _jumps_ahead(self, token: str, rest: tuple[str, ...]) -> bool:
        """Death beats ready, ready beats deadline."""
        late = token in self.timers
        return ((late or token == "ready") and "exited" in rest) or (late and "ready" in rest)


def name_of(token: str) -> str:
    """The event's name without what it says."""
    return token.partition(":")[0]


def _is_idle(definition: Definition, state: State, event: Event) -> bool:
    """Whether nothing comes of the event in that state: it is ignored, or nobody hears it."""
    if event.source in definition.sources and event.source not in state.sources:
        return True
    branches = definition.cells[state.name, event.name]
    return len(branches) == 1 and branches[0].decision.kind == IGNORE

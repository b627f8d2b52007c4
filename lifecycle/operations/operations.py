"""The machine of operations.yaml set going: schedulers come and go inside it, each with a machine of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scxlife import __version__
from scxlife.fsm.driver import Sources, wait
from scxlife.fsm.registry import sources_for
from scxlife.fsm.runtime import Runtime
from scxlife.lifecycle.facts import Facts
from scxlife.lifecycle.operations_names import EventName, actions_of, guards_of, happened
from scxlife.lifecycle.outcomes import INTERNAL, as_json
from scxlife.lifecycle.payload import Payload
from scxlife.lifecycle.processes import end_of
from scxlife.platform.sources.remains import RemainsSource
from scxlife.platform.sources.signals import SignalSource
from scxlife.platform.sources.slot import SlotSource

from .actions import Actions
from .answers import Closed, Desk
from .backoff import BackoffSource
from .guards import Guards
from .restart_policy import Policy
from .standing import Standing, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scxlife.fsm.definition import Definition
    from scxlife.fsm.registry import SourceMaker
    from scxlife.fsm.sources import EventSource, Waiter
    from scxlife.lifecycle.plan import Plan
    from scxlife.lifecycle.supervision import Supervision
    from scxlife.platform.kernel import Kernel

    from .answers import Reply

    # A life of the scheduler with that name, the so-many-th: set up, not begun.
    Prepare = Callable[[str, int, "Announce"], Supervision]
    Announce = Callable[[str, Mapping[str, Any]], None]
    News = Callable[[Mapping[str, Any]], object]

# What a life announces, as this machine hears it.
HEARD = {"attached": EventName.READY, "reattached": EventName.READY, "lost": EventName.LOST}


def _nobody(told: Mapping[str, Any]) -> None:
    """Nobody listens."""


class Operations:
    """`prepare` sets up the life of a named scheduler, from whose definition the source `signals` has to be silent;
    `command` tells its file. `request` asks for something, at any time on this thread; `run` goes on until all has
    ended. `news` is told of what has become of it, after it has: changes of state, and what each life announces. `draw`
    gives chance, from [0, 1). `plan` is asked for the payload only. `control` is an event source of somebody else's
    that calls `request`. `waiter` waits in place of the kernel.
    """

    def __init__(
        self,
        kernel: Kernel,
        definition: Definition,
        prepare: Prepare,
        *,
        command: Callable[[str], str],
        draw: Callable[[], float],
        observer: Callable[[Mapping[str, Any]], None],
        news: News = _nobody,
        plan: Plan | None = None,
        control: Callable[[], EventSource] | None = None,
        waiter: Waiter | None = None,
    ) -> None:
        self.kernel = kernel
        self._waiter = waiter or kernel
        self.definition = definition
        self.desk = Desk()
        self.standing = Standing()
        self.last_status = 0
        self._observer = observer
        self._news = news
        self._unpublished: list[Mapping[str, Any]] = []
        self._prepare = prepare
        self._control = control
        policy = Policy.of(definition.settings)
        self._facts = Facts()
        self._payload = None if plan is None else Payload(kernel, plan, self._facts, self._no_payload)
        actions = Actions(self, policy, draw, self._payload)
        self.runtime = Runtime(
            definition,
            actions=actions_of(actions),
            guards=guards_of(Guards(kernel, self.standing, policy, command)),
            clock=kernel.monotonic,
            observer=self._observe,
        )
        self.sources = Sources(self.runtime, self._sources(), delivered=self._hand_out)

    # -- for whoever asks

    def request(self, what: EventName, name: str | None, reply: Reply) -> None:
        """Ask for `attach`, `detach`, `restart`, `replace` or `close`; `reply` is given the answer, once, perhaps at
        once. Must not be called while the machine is at work (by an action, a guard or `news`)."""
        if self.runtime.ending is not None:
            reply(Closed(reason="all has ended"))
            return
        number = self.desk.take(reply)
        self.post(what, {"request": number, "name": name}, "asked")

    def status(self) -> dict[str, Any]:
        """What is wanted, what the kernel says at this moment, and whether they differ."""
        return status(self.kernel, self.runtime.state, self.standing)

    @property
    def payload_outcome(self) -> Mapping[str, Any] | None:
        """How the payload ended; None while it runs, and where there was none."""
        return self._facts.payload

    def pids(self) -> tuple[int, ...]:
        """The processes whose statuses this takes itself."""
        payload = None if self._payload is None else self._payload.process.child
        life = self.standing.life
        return (*(() if life is None else life.pids()), *(() if payload is None else (payload.pid,)))

    # -- the loop

    def run(self, first: str | None = None) -> int:
        """Begin with the scheduler `first`, or none, and go on until all has ended. The exit code: that of the last
        life, or 0 when nothing ran and it was asked to end. Every request has its answer by then."""
        try:
            self.sources.begin(
                happened(EventName.OPEN, cause="begun with none")
                if first is None
                else happened(EventName.ATTACH, {"request": None, "name": first}, "begun with")
            )
            self._go_on()
            while self.runtime.ending is None:
                wait(self._waiter, [*self._lives(), self.sources])
                self._go_on()
        finally:
            self._end()
        return {"closed": 0, "fault": INTERNAL, "over": self.last_status}[self.runtime.ending.outcome]

    def _lives(self) -> Iterable[Sources]:
        life = self.standing.life
        return () if life is None else (life.driver,)

    def _go_on(self) -> None:
        """What one machine says to the other, until neither has anything to say."""
        self.sources.settle()
        while (life := self.standing.life) is not None and life.runtime.ending is not None:
            self._ended(life)
            self.sources.settle()
        self._hand_out()

    def _hand_out(self) -> None:
        """Who is told of a state has to see that state: so behind each event, not while it is worked on."""
        self.desk.hand_out()
        news, self._unpublished = self._unpublished, []
        for told in news:
            self._news(told)

    def _ended(self, life: Supervision) -> None:
        outcome = life.end()
        self.standing.remains = (None if life.process.reaped else life.facts.pid, life.facts.rest)
        self.standing.over(outcome)
        self.last_status = outcome.status
        data = {"outcome": outcome.name, "status": outcome.status, "reason": outcome.reason}
        whole = as_json(outcome, life.definition.name, __version__)
        self._tell({"event": "ended", "name": self.standing.running, "run": self.standing.runs, "outcome": whole})
        self.post(EventName.ENDED, data, f"{outcome.name}: {outcome.reason}")

    def _end(self) -> None:
        life = self.standing.life
        if life is not None:
            # An exception goes through here: its own machine ends it all the same, and bounds that.
            life.interrupt("its supervisor failed")
            while life.runtime.ending is None:
                wait(self.kernel, (life.driver,))
            self.standing.over(life.end())
        for number in self.desk.waiting:
            self.desk.answer(number, Closed(reason="all has ended"))
        self._hand_out()
        self.sources.close()

    # -- for the actions

    def post(self, name: EventName, data: Mapping[str, Any], cause: str) -> None:
        self.runtime.post(happened(name, data, cause))

    def begin(self, name: str) -> None:
        """The life of the scheduler `name`."""
        self.standing.begins(name)
        life = self._prepare(name, self.standing.runs, self._announced)
        self.standing.life = life
        life.begin()

    def _announced(self, name: str, facts: Mapping[str, Any]) -> None:
        self._tell({"event": name, "name": self.standing.running, "run": self.standing.runs, **facts})
        if name in HEARD:
            self.post(HEARD[name], facts, name)

    def _no_payload(self, cause: str) -> None:
        self.post(EventName.PAYLOAD_ENDED, {"exit": None}, cause)

    def no_life(self) -> None:
        """For whoever waits for the end of one that could not be set up."""
        reason = "it could not be set up"
        self.post(EventName.ENDED, {"outcome": "fault", "status": INTERNAL, "reason": reason}, reason)

    def no_payload(self) -> None:
        self._no_payload("no payload")

    def _observe(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "step" and record["to"] != record["state"]:
            told = {"event": "state", "from": record["state"], "state": record["to"], "cause": record["cause"]}
            self._tell({**told, "name": self.standing.desired})
        self._observer(record)

    def _tell(self, told: Mapping[str, Any]) -> None:
        self._unpublished.append({"t": self.kernel.monotonic(), **told})

    # -- sources

    def _sources(self) -> dict[str, Any]:
        own: dict[str, SourceMaker] = {
            "control": lambda _: self._control or (lambda: None),
            "slot": lambda _: lambda: SlotSource(self.kernel, cadence=self._seconds("cadence")),
            "remains": lambda _: self._remains_source,
            "backoff": lambda _: lambda: BackoffSource(self.kernel, self.standing.pause_until),
            "payload": lambda _: self._payload_source,
            "signals": lambda _: self._signal_source,
        }
        return dict(sources_for(self.definition, own, clock=self.kernel.monotonic))

    def _seconds(self, setting: str) -> float:
        value = self.definition.settings[setting]
        assert isinstance(value, (int, float))
        return float(value)

    def _payload_source(self) -> EventSource | None:
        child = None if self._payload is None else self._payload.process.child
        return None if child is None else end_of(self.kernel, child, "payload_ended")

    def _remains_source(self) -> EventSource:
        pid, others = self.standing.remains
        return RemainsSource(self.kernel, pid, others, cadence=self._seconds("cadence"))

    def _signal_source(self) -> EventSource:
        return SignalSource.of_supervisor(self.kernel, EventName.INTERRUPT)

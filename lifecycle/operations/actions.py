"""The actions of operations.yaml. None of them asks in which state the machine is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scxlife import __version__
from scxlife.lifecycle.operations_names import EventName
from scxlife.lifecycle.outcomes import as_json
from scxlife.platform.sched_ext import link_holders

from .answers import Answer, Attached, Busy, Cancelled, Detached, Failed, Refused
from .restart_policy import History, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scxlife.fsm.events import Event
    from scxlife.lifecycle.payload import Payload

    from .operations import Operations
    from .restart_policy import Policy


class Actions:
    """`draw` gives chance, from [0, 1)."""

    def __init__(
        self, operations: Operations, policy: Policy, draw: Callable[[], float], payload: Payload | None
    ) -> None:
        self._operations = operations
        self._standing = operations.standing
        self._policy = policy
        self._draw = draw
        self._payload = payload

    # -- what is wanted

    def take(self, event: Event) -> None:
        number = event.data["request"]
        assert number is None or isinstance(number, int)
        self._standing.request = number

    def choose(self, event: Event) -> None:
        self._standing.desired = str(event.data["name"])
        self._standing.history = History()

    def choose_last(self, event: Event) -> None:
        self._standing.desired = self._standing.running
        self._standing.history = History()

    def choose_none(self, event: Event) -> None:
        self._standing.desired = None

    # -- the scheduler

    def start(self, event: Event) -> None:
        assert self._standing.desired is not None
        self._operations.begin(self._standing.desired)

    def ask_stop(self, event: Event) -> None:
        if self._standing.life is None:
            self._operations.no_life()
        else:
            self._standing.life.interrupt(event.cause or event.name)

    def plan_pause(self, event: Event) -> None:
        standing = self._standing
        standing.history = standing.history.failed()
        standing.pause_until = self._operations.kernel.monotonic() + pause(self._policy, standing.history, self._draw())

    def count_restart(self, event: Event) -> None:
        standing = self._standing
        standing.restarts += 1
        standing.history = standing.history.restarted(self._policy, self._operations.kernel.monotonic())

    def forget_failures(self, event: Event) -> None:
        self._standing.history = History()

    def look_around(self, event: Event) -> None:
        operations = self._operations
        lingers = operations.definition.settings["linger"] is True
        payload_runs = self._payload is not None and self._payload.process.child is not None
        if not lingers and not payload_runs and not operations.desk.waiting:
            operations.post(EventName.UNATTENDED, {}, "nothing runs and nobody can ask")

    # -- answers

    def answer_attached(self, event: Event) -> None:
        standing = self._standing
        instance, seq = _number(event, "instance"), _number(event, "enable_seq")
        self._answer(Attached(name=standing.running, run=standing.runs, instance=instance, enable_seq=seq))

    def answer_detached(self, event: Event) -> None:
        self._answer(Detached(name=self._standing.running, outcome=self._outcome(), reason=self._last_reason()))

    def answer_failed(self, event: Event) -> None:
        reason = event.cause if event.name == EventName.FAULT else self._last_reason()
        self._answer(Failed(name=self._standing.running, outcome=self._outcome(), reason=reason))

    def answer_busy(self, event: Event) -> None:
        owner = next(iter(link_holders(self._operations.kernel).found), None)
        who = None if owner is None else {"pid": owner.pid, "command": owner.command}
        words = "" if owner is None else f": {owner.command}, pid {owner.pid}"
        reason = f"the kernel runs another scheduler{words}"
        self._answer(Busy(name=self._standing.desired, owner=who, reason=reason))

    def answer_cancelled(self, event: Event) -> None:
        self._answer(Cancelled(name=self._standing.desired, reason=f"given up: {event.name} came meanwhile"))

    def refuse_nothing_ran(self, event: Event) -> None:
        self._refuse(event, "nothing ran before: attach one by its name")

    def refuse_attached(self, event: Event) -> None:
        self._refuse(event, f"{self._standing.running} is there: replace it, or detach it first")

    def refuse_missing(self, event: Event) -> None:
        self._refuse(event, f"there is no file for {event.data['name']}: {self._standing.running} is left as it is")

    def refuse_left(self, event: Event) -> None:
        self._refuse(
            event, f"something of {self._standing.running} is still there after SIGKILL: ask again when it is gone"
        )

    def refuse_closing(self, event: Event) -> None:
        self._refuse(event, "it is closing")

    def _answer(self, answer: Answer) -> None:
        """To the request that is worked on, if somebody made one."""
        number, self._standing.request = self._standing.request, None
        if number is not None:
            self._operations.desk.answer(number, answer)

    def _refuse(self, event: Event, reason: str) -> None:
        number = event.data["request"]
        if isinstance(number, int):
            self._operations.desk.answer(number, Refused(name=self._standing.running, reason=reason))

    def _outcome(self) -> Mapping[str, Any] | None:
        outcome = self._standing.outcome
        return None if outcome is None else as_json(outcome, "scheduler", __version__)

    def _last_reason(self) -> str:
        return "" if self._standing.outcome is None else self._standing.outcome.reason

    # -- the payload

    def start_payload(self, event: Event) -> None:
        if self._payload is not None and self._payload.process.generation == 0:
            self._payload.start(event)

    def stop_payload(self, event: Event) -> None:
        if self._payload is None:
            self._operations.no_payload()
        else:
            self._payload.stop(event)

    def kill_payload(self, event: Event) -> None:
        if self._payload is not None:
            self._payload.kill(event)

    def reap_payload(self, event: Event) -> None:
        if self._payload is not None:
            self._payload.reap(event)


def _number(event: Event, name: str) -> int | None:
    value = event.data.get(name)
    return value if isinstance(value, int) else None

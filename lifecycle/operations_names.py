"""The names of the machine `operations`, version 1.

Made by `scxlife names lifecycle/operations.yaml`: to change it, change the definition and make it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from scxlife.fsm.events import NOTHING, Event
from scxlife.fsm.runtime import Action, Guard


class State(StrEnum):
    """The states of `operations`."""

    OPENING = "opening"
    """Not told yet what to begin with."""
    IDLE = "idle"
    """None is wanted, or what was wanted is over."""
    LEFT = "left"
    """Something of the last scheduler is still there, though SIGKILL was sent."""
    VACATING = "vacating"
    """One is wanted, and the kernel may still run another."""
    STARTING = "starting"
    """It is on its way."""
    RUNNING = "running"
    """It is attached."""
    UNATTACHED = "unattached"
    """It lives and the kernel does not run it; it may attach again."""
    EXCHANGING = "exchanging"
    """It was asked to end, and one is wanted after it."""
    DETACHING = "detaching"
    """It was asked to end."""
    BACKING_OFF = "backing_off"
    """It ended unasked, and is started again after a pause."""
    GIVEN_UP = "given_up"
    """It ended unasked too often."""
    CLOSING = "closing"
    """All is to end, and the scheduler was asked to."""
    DISMISSING = "dismissing"
    """No scheduler of ours is there, and the payload was asked to end."""
    DISCARDING = "discarding"
    """SIGKILL was sent to the payload."""
    CLOSED = "closed"
    """Nothing is left to be asked for."""


class EventName(StrEnum):
    """The events of `operations`."""

    FAULT = "fault"
    """An action or a source failed."""
    UNATTENDED = "unattended"
    """Nobody can ask for anything any more."""
    ENDED = "ended"
    """The scheduler's own machine has ended; its outcome is known."""
    READY = "ready"
    """The scheduler is attached."""
    LOST = "lost"
    """The kernel does not run it any more."""
    VACANT = "vacant"
    """The kernel runs no scheduler."""
    GONE = "gone"
    """What was left of the last scheduler has ended after all."""
    BACKOFF_OVER = "backoff_over"
    """The pause before a restart is over."""
    PAYLOAD_ENDED = "payload_ended"
    """The payload is over, or there is none."""
    INTERRUPT = "interrupt"
    """A signal asks for the end and may ask twice."""
    OPEN = "open"
    """Begin with nothing attached."""
    ATTACH = "attach"
    """A scheduler is wanted, where there is none."""
    DETACH = "detach"
    """None is wanted."""
    RESTART = "restart"
    """The same one is wanted anew."""
    REPLACE = "replace"
    """Another one is wanted, or the first."""
    CLOSE = "close"
    """None is wanted and nobody will ask again."""
    HEALTHY = "healthy"
    VACATE_LATE = "vacate_late"
    PAYLOAD_LATE = "payload_late"
    PAYLOAD_STAYS = "payload_stays"


class Outcome(StrEnum):
    """How `operations` can end."""

    CLOSED = "closed"
    """It was asked to end where nothing ran, or was about to."""
    FAULT = "fault"
    """Scxlife itself failed."""
    OVER = "over"
    """The last scheduler has ended, asked or not; its outcome is ours."""


def happened(name: EventName, data: Mapping[str, object] = NOTHING, cause: str = "") -> Event:
    """An event of this machine."""
    return Event(name.value, data, cause)


class Actions(Protocol):
    """What it does, each when the table says so."""

    def take(self, event: Event, /) -> None:
        """The request is the one that is worked on."""

    def choose(self, event: Event, /) -> None:
        """The scheduler that the request names is wanted."""

    def choose_last(self, event: Event, /) -> None:
        """The scheduler that ran last is wanted."""

    def choose_none(self, event: Event, /) -> None:
        """None is wanted."""

    def start(self, event: Event, /) -> None:
        """Begin the life of the wanted scheduler."""

    def ask_stop(self, event: Event, /) -> None:
        """Have the scheduler's machine end it; tells ended when there is none."""

    def plan_pause(self, event: Event, /) -> None:
        """How long it is before the restart."""

    def count_restart(self, event: Event, /) -> None:
        """Remember that it was started again by itself."""

    def forget_failures(self, event: Event, /) -> None:
        """What was before does not count any more."""

    def look_around(self, event: Event, /) -> None:
        """Is anybody there who could ask."""

    def answer_attached(self, event: Event, /) -> None:
        """The request that is worked on is done; the scheduler is attached."""

    def answer_detached(self, event: Event, /) -> None:
        """The request that is worked on is done; none is attached."""

    def answer_failed(self, event: Event, /) -> None:
        """What is worked on came to nothing, as the last outcome says."""

    def answer_busy(self, event: Event, /) -> None:
        """What is worked on came to nothing, as the kernel runs somebody else's."""

    def answer_cancelled(self, event: Event, /) -> None:
        """What is worked on is given up for this request."""

    def refuse_nothing_ran(self, event: Event, /) -> None:
        """This request can't be done as nothing ran before."""

    def refuse_attached(self, event: Event, /) -> None:
        """This request can't be done as a scheduler is attached."""

    def refuse_missing(self, event: Event, /) -> None:
        """This request can't be done as there is no such file."""

    def refuse_left(self, event: Event, /) -> None:
        """This request can't be done as something of the last one is still there."""

    def refuse_closing(self, event: Event, /) -> None:
        """This request can't be done as it is closing."""

    def start_payload(self, event: Event, /) -> None:
        """Start the payload, if there is one, the first time."""

    def stop_payload(self, event: Event, /) -> None:
        """Ask the payload to end; tells payload_ended when there is none."""

    def kill_payload(self, event: Event, /) -> None:
        """SIGKILL to the payload and its group."""

    def reap_payload(self, event: Event, /) -> None:
        """Take the payload's status."""


def actions_of(given: Actions) -> dict[str, Action]:
    """`given` as the mapping that `Runtime` takes for its actions."""
    return {
        "take": given.take,
        "choose": given.choose,
        "choose_last": given.choose_last,
        "choose_none": given.choose_none,
        "start": given.start,
        "ask_stop": given.ask_stop,
        "plan_pause": given.plan_pause,
        "count_restart": given.count_restart,
        "forget_failures": given.forget_failures,
        "look_around": given.look_around,
        "answer_attached": given.answer_attached,
        "answer_detached": given.answer_detached,
        "answer_failed": given.answer_failed,
        "answer_busy": given.answer_busy,
        "answer_cancelled": given.answer_cancelled,
        "refuse_nothing_ran": given.refuse_nothing_ran,
        "refuse_attached": given.refuse_attached,
        "refuse_missing": given.refuse_missing,
        "refuse_left": given.refuse_left,
        "refuse_closing": given.refuse_closing,
        "start_payload": given.start_payload,
        "stop_payload": given.stop_payload,
        "kill_payload": given.kill_payload,
        "reap_payload": given.reap_payload,
    }


class Guards(Protocol):
    """What it asks before it takes a row."""

    def can_start(self, event: Event, /) -> bool:
        """The scheduler that the request names is a file."""

    def ran_before(self, event: Event, /) -> bool:
        """There is a scheduler that ran last."""

    def remains(self, event: Event, /) -> bool:
        """Something of the last scheduler may still be there."""

    def restart_wanted(self, event: Event, /) -> bool:
        """The policy wants it started again after such an end."""

    def limit_reached(self, event: Event, /) -> bool:
        """It was started again too often in too short a time."""


def guards_of(given: Guards) -> dict[str, Guard]:
    """`given` as the mapping that `Runtime` takes for its guards."""
    return {
        "can_start": given.can_start,
        "ran_before": given.ran_before,
        "remains": given.remains,
        "restart_wanted": given.restart_wanted,
        "limit_reached": given.limit_reached,
    }

"""The names of the machine `boot`, version 1.

Made by `scxlife names lifecycle/boot.yaml`: to change it, change the definition and make it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from scxlife.fsm.events import NOTHING, Event
from scxlife.fsm.runtime import Action


class State(StrEnum):
    """The states of `boot`."""

    SUPERVISING = "supervising"
    """The scheduler's own machine runs."""
    BARE = "bare"
    """The payload runs, without a scheduler of ours."""
    DISMISSING = "dismissing"
    """The payload was asked to end."""
    DISCARDING = "discarding"
    """SIGKILL was sent to the payload."""
    FAILED = "failed"
    """The host is told that the start failed."""
    DRAINING = "draining"
    """The host knows all there is of the start; the probe is drained."""
    RELAYING = "relaying"
    """What the payload has written goes to the host before the last word."""
    ENDED = "ended"
    """The probe is drained before the last word."""
    DONE = "done"
    """Nothing is left to be said."""


class EventName(StrEnum):
    """The events of `boot`."""

    FAULT = "fault"
    """An action or a source failed."""
    TOLD = "told"
    """The host has the outcome and the exit frame."""
    NO_SCHEDULER = "no_scheduler"
    """No scheduler was asked for."""
    NOT_CONFIGURED = "not_configured"
    """There was no scheduler to start."""
    SPAWN_FAILED = "spawn_failed"
    """It could not be executed."""
    STARTUP_DIED = "startup_died"
    """It died before it was ready."""
    NOT_ATTACHED = "not_attached"
    """It lived and was not ready."""
    ATTACHED = "attached"
    """It was ready, or not yet; how it ended is in the outcome."""
    DUMPED = "dumped"
    """The probe has produced something; it is on its way."""
    DRAINED = "drained"
    """Nothing more will come from the probe."""
    RELAYED = "relayed"
    """The host has all that the payload has written."""
    PAYLOAD_ENDED = "payload_ended"
    """The payload is over, or there is none."""
    INTERRUPT = "interrupt"
    """Somebody asks for the end."""
    RELAY_LATE = "relay_late"
    DRAIN_LATE = "drain_late"
    PAYLOAD_LATE = "payload_late"
    PAYLOAD_STAYS = "payload_stays"


class Outcome(StrEnum):
    """How `boot` can end."""

    TOLD = "told"
    """The host was told all there is, with the outcome of the scheduler's run."""
    NO_SCHEDULER = "no-scheduler"
    """No scheduler was asked for; the payload ran on the kernel's own."""


def happened(name: EventName, data: Mapping[str, object] = NOTHING, cause: str = "") -> Event:
    """An event of this machine."""
    return Event(name.value, data, cause)


class Actions(Protocol):
    """What it does, each when the table says so."""

    def show_failure(self, event: Event, /) -> None:
        """Why it could not be executed, on the console between markers."""

    def show_log(self, event: Event, /) -> None:
        """The end of its log, on the console between markers."""

    def send_files(self, event: Event, /) -> None:
        """The files that the host asked for, in frames."""

    def tell_died(self, event: Event, /) -> None:
        """The lifecycle frame SchedulerDied."""

    def tell_not_attached(self, event: Event, /) -> None:
        """The lifecycle frame SchedulerNotAttached."""

    def tell_outcome(self, event: Event, /) -> None:
        """The frame with the whole outcome."""

    def tell_exit(self, event: Event, /) -> None:
        """The exit frame."""

    def stop_probe(self, event: Event, /) -> None:
        """Have the probe produce no more; posts drained when there is none."""

    def finish_output(self, event: Event, /) -> None:
        """Have the rest of the payload's output relayed; posts relayed when there is none."""

    def note_unread(self, event: Event, /) -> None:
        """Keep that the host did not take all of the payload's output."""

    def start_payload(self, event: Event, /) -> None:
        """Start the payload, if there is one."""

    def stop_payload(self, event: Event, /) -> None:
        """Ask the payload to end."""

    def kill_payload(self, event: Event, /) -> None:
        """SIGKILL to the payload and its group."""

    def reap_payload(self, event: Event, /) -> None:
        """Take the payload's status."""

    def note_stays(self, event: Event, /) -> None:
        """Keep that the payload could not be ended."""


def actions_of(given: Actions) -> dict[str, Action]:
    """`given` as the mapping that `Runtime` takes for its actions."""
    return {
        "show_failure": given.show_failure,
        "show_log": given.show_log,
        "send_files": given.send_files,
        "tell_died": given.tell_died,
        "tell_not_attached": given.tell_not_attached,
        "tell_outcome": given.tell_outcome,
        "tell_exit": given.tell_exit,
        "stop_probe": given.stop_probe,
        "finish_output": given.finish_output,
        "note_unread": given.note_unread,
        "start_payload": given.start_payload,
        "stop_payload": given.stop_payload,
        "kill_payload": given.kill_payload,
        "reap_payload": given.reap_payload,
        "note_stays": given.note_stays,
    }

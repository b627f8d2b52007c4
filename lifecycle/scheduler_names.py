"""The names of the machine `scheduler`, version 1.

Made by `scxlife names lifecycle/scheduler.yaml`: to change it, change the definition and make it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from scxlife.fsm.events import NOTHING, Event
from scxlife.fsm.runtime import Action, Guard


class State(StrEnum):
    """The states of `scheduler`."""

    IDLE = "idle"
    """Nothing was started."""
    EVICTING = "evicting"
    """What a dead supervisor of the same socket or unit has left is being ended."""
    LOCATING = "locating"
    """Is there anything to start?"""
    SPAWNING = "spawning"
    """The command is being executed."""
    STARTUP = "startup"
    """Spawned, not yet believed."""
    UNSUPPORTED = "unsupported"
    """The kernel has no sched_ext; a command that can't even start is told apart from one that could."""
    ATTACHING = "attaching"
    """Alive, not yet ready."""
    RUNNING = "running"
    """Ready, and watched."""
    DETACHED = "detached"
    """The kernel no longer runs it while its process lives; it may attach again."""
    FINISHING = "finishing"
    """The payload is over while the kernel does not run it; it may still attach again, and is stopped then."""
    STOPPING = "stopping"
    """Asked to end."""
    EMPTYING = "emptying"
    """Exited after it was asked to; the rest of its tree was asked too."""
    KILLING = "killing"
    """SIGKILL was sent."""
    REAPING = "reaping"
    """Dead; buried when the kernel has let go of it too."""
    SETTLING = "settling"
    """Dead; the kernel runs one that is on its way out, or was seen too late to tell yet whose it is."""
    SWEEPING = "sweeping"
    """Buried; the last of its tree are dying."""
    DISMISSING = "dismissing"
    """The payload has no scheduler to run on any more."""
    DISCARDING = "discarding"
    """SIGKILL was sent to the payload."""
    DONE = "done"
    """All of ours is gone."""
    NOT_CONFIGURED = "not_configured"
    SPAWN_FAILED = "spawn_failed"
    LEFT_RUNNING = "left_running"
    """Something of ours may still be there."""


class EventName(StrEnum):
    """The events of `scheduler`."""

    FAULT = "fault"
    """An action or a source failed."""
    LOCATED = "located"
    """The command is a file that may be executed."""
    MISSING = "missing"
    """There is no such file."""
    SPAWNED = "spawned"
    """The process runs; its pid is published."""
    UNWATCHED = "unwatched"
    """The process runs, and no pidfd can be had: SIGKILL was sent."""
    SPAWN_FAILED = "spawn_failed"
    """The command could not be executed."""
    START = "start"
    """Begin."""
    KERNEL_SAYS = "kernel_says"
    """The kernel logged that a scheduler was enabled or disabled, and why."""
    EXITED = "exited"
    """The process is dead; its status is known, or known to be unknown."""
    READY = "ready"
    """Proven ready at this moment."""
    LOST = "lost"
    """Was ready and is not any more."""
    REFUSED = "refused"
    """The kernel began to enable it and fell back to disabled."""
    FOREIGN = "foreign"
    """The kernel runs a scheduler that is not ours."""
    ABSENT = "absent"
    """This kernel has no sched_ext."""
    ENABLING = "enabling"
    """A progress mark; the kernel is enabling a scheduler."""
    CLEAR = "clear"
    """The kernel does not run an instance of ours."""
    DESERTED = "deserted"
    """No process is left in its cgroup, or in its group where it has none."""
    VACATED = "vacated"
    """No process of the dead supervisor is left."""
    DUMPED = "dumped"
    """The kernel wrote down what it knew at an ejection; it is on its way."""
    DRAINED = "drained"
    """Nothing more will come from the probe."""
    LOG_FULL = "log_full"
    """A log has grown by more than is kept of it."""
    PAYLOAD_ENDED = "payload_ended"
    """The payload is over, or there is none."""
    INTERRUPT = "interrupt"
    """Somebody asks for the end and may ask twice."""
    LIVENESS_OVER = "liveness_over"
    ABSENT_OVER = "absent_over"
    ATTACH_LATE = "attach_late"
    ATTACH_OVER = "attach_over"
    RUN_OVER = "run_over"
    REATTACH_LATE = "reattach_late"
    DETACHED_OVER = "detached_over"
    EVICTION_LATE = "eviction_late"
    STOP_LATE = "stop_late"
    REST_LATE = "rest_late"
    KILL_LATE = "kill_late"
    RELEASE_LATE = "release_late"
    SWEEP_LATE = "sweep_late"
    PAYLOAD_LATE = "payload_late"
    PAYLOAD_STAYS = "payload_stays"


class Outcome(StrEnum):
    """How `scheduler` can end."""

    NOT_CONFIGURED = "not-configured"
    """There is no such command; nothing was touched."""
    SPAWN_FAILED = "spawn-failed"
    """The command could not be started."""
    STARTUP_DIED = "startup-died"
    """It died before it was ready."""
    EXITED = "exited"
    """It was ready and ended by itself."""
    STOPPED = "stopped"
    """It was ready, or not yet, and ended as asked."""
    FAULT = "fault"
    """Scxlife itself failed; what it had started was ended."""
    NOT_ATTACHED_TIMEOUT = "not-attached/timeout"
    """Not ready in time."""
    NOT_ATTACHED_ABSENT = "not-attached/absent"
    """Sched_ext sysfs absent."""
    NOT_ATTACHED_REJECTED = "not-attached/rejected"
    """The kernel began to enable it and refused."""
    NOT_ATTACHED_FOREIGN = "not-attached/foreign"
    """Owned by another scheduler."""
    NOT_ATTACHED_DIED = "not-attached/died"
    """Died while attaching."""
    EJECTED_KERNEL = "ejected/kernel"
    """The kernel threw it out."""
    EJECTED_DETACHED = "ejected/detached"
    """Somebody else detached its link."""
    EJECTED_UNREGISTERED = "ejected/unregistered"
    """It let go of its own link and did not end."""
    EJECTED_REPLACED = "ejected/replaced"
    """Another scheduler has taken its place."""
    EJECTED_UNKNOWN = "ejected/unknown"
    """The kernel no longer ran it, and why is not known."""
    LEFT_RUNNING_UNKILLABLE = "left-running/unkillable"
    """Still there after SIGKILL."""
    LEFT_RUNNING_HELD = "left-running/held"
    """The process is gone and the kernel still runs its instance."""
    LEFT_RUNNING_TREE = "left-running/tree"
    """The process is gone and others of its tree do not end."""
    LEFT_RUNNING_PAYLOAD = "left-running/payload"
    """The payload is still there after SIGKILL."""
    LEFT_RUNNING_FAULT = "left-running/fault"
    """An action failed while it was being ended."""


def happened(name: EventName, data: Mapping[str, object] = NOTHING, cause: str = "") -> Event:
    """An event of this machine."""
    return Event(name.value, data, cause)


class Actions(Protocol):
    """What it does, each when the table says so."""

    def note_leftovers(self, event: Event, /) -> None:
        """Keep which processes a dead supervisor has left."""

    def kill_leftovers(self, event: Event, /) -> None:
        """SIGKILL to each of them."""

    def note_unevicted(self, event: Event, /) -> None:
        """Keep that they do not end, so that nothing can be started."""

    def remove_leftovers(self, event: Event, /) -> None:
        """Remove their cgroups."""

    def take_baseline(self, event: Event, /) -> None:
        """Note what the kernel or the file says before there is a process of ours."""

    def locate(self, event: Event, /) -> None:
        """Find the command."""

    def open_log(self, event: Event, /) -> None:
        """Make the log; when that is impossible the process writes to /dev/null and the outcome says why."""

    def remove_abandoned(self, event: Event, /) -> None:
        """Remove the empty cgroups of dead supervisors, and report those that are not and that no other supervisor
        will look for.
        """

    def make_cgroup(self, event: Event, /) -> None:
        """Make a cgroup for the process; where that is impossible its process group has to do, and the outcome says
        so.
        """

    def spawn(self, event: Event, /) -> None:
        """Start the process in its cgroup and publish it."""

    def announce_attached(self, event: Event, /) -> None:
        """Tell whoever listens that it is ready, and which instance."""

    def announce_reattached(self, event: Event, /) -> None:
        """Tell that the same process is ready again, as a new generation."""

    def announce_lost(self, event: Event, /) -> None:
        """Tell that the kernel no longer runs it."""

    def announce_exit(self, event: Event, /) -> None:
        """Tell that it died, and how."""

    def note_loss(self, event: Event, /) -> None:
        """Keep whether it still held its link when the kernel let go of it."""

    def note_kernel_reason(self, event: Event, /) -> None:
        """Keep what the kernel said."""

    def note_owner(self, event: Event, /) -> None:
        """Keep which instance is ours, and which of our processes owns it."""

    def note_stranger(self, event: Event, /) -> None:
        """Keep who owns the kernel's scheduler in place of ours."""

    def note_holder(self, event: Event, /) -> None:
        """Keep who holds the link of the kernel's scheduler, a process or a pin."""

    def note_survivors(self, event: Event, /) -> None:
        """Keep who of its tree is left."""

    def trim_log(self, event: Event, /) -> None:
        """Give up the oldest part of the log."""

    def start_payload(self, event: Event, /) -> None:
        """Start the payload, if there is one."""

    def signal_stop(self, event: Event, /) -> None:
        """The stop signal to each process of its cgroup, or of its group where it has none, and SIGCONT so that a
        stopped one hears it.
        """

    def kill_tree(self, event: Event, /) -> None:
        """SIGKILL to the process through its pidfd, to its group and its cgroup."""

    def note_exit(self, event: Event, /) -> None:
        """Keep how it died."""

    def kill_rest(self, event: Event, /) -> None:
        """SIGKILL to what is left of its cgroup, and of its process group while its zombie still holds the number;
        keep who that is.
        """

    def reap(self, event: Event, /) -> None:
        """Take the exit status; the zombie is gone."""

    def clear_pid(self, event: Event, /) -> None:
        """Withdraw the published process."""

    def look_again(self, event: Event, /) -> None:
        """Have the readiness source tell the present fact."""

    def remove_cgroup(self, event: Event, /) -> None:
        """Remove the cgroup."""

    def stop_payload(self, event: Event, /) -> None:
        """Ask the payload to end; posts payload_ended when there is none."""

    def kill_payload(self, event: Event, /) -> None:
        """SIGKILL to the payload and its group."""

    def reap_payload(self, event: Event, /) -> None:
        """Take the payload's status."""


def actions_of(given: Actions) -> dict[str, Action]:
    """`given` as the mapping that `Runtime` takes for its actions."""
    return {
        "note_leftovers": given.note_leftovers,
        "kill_leftovers": given.kill_leftovers,
        "note_unevicted": given.note_unevicted,
        "remove_leftovers": given.remove_leftovers,
        "take_baseline": given.take_baseline,
        "locate": given.locate,
        "open_log": given.open_log,
        "remove_abandoned": given.remove_abandoned,
        "make_cgroup": given.make_cgroup,
        "spawn": given.spawn,
        "announce_attached": given.announce_attached,
        "announce_reattached": given.announce_reattached,
        "announce_lost": given.announce_lost,
        "announce_exit": given.announce_exit,
        "note_loss": given.note_loss,
        "note_kernel_reason": given.note_kernel_reason,
        "note_owner": given.note_owner,
        "note_stranger": given.note_stranger,
        "note_holder": given.note_holder,
        "note_survivors": given.note_survivors,
        "trim_log": given.trim_log,
        "start_payload": given.start_payload,
        "signal_stop": given.signal_stop,
        "kill_tree": given.kill_tree,
        "note_exit": given.note_exit,
        "kill_rest": given.kill_rest,
        "reap": given.reap,
        "clear_pid": given.clear_pid,
        "look_again": given.look_again,
        "remove_cgroup": given.remove_cgroup,
        "stop_payload": given.stop_payload,
        "kill_payload": given.kill_payload,
        "reap_payload": given.reap_payload,
    }


class Guards(Protocol):
    """What it asks before it takes a row."""

    def leftovers(self, event: Event, /) -> bool:
        """A dead supervisor of the same socket or unit has left processes."""

    def leftovers_kept(self, event: Event, /) -> bool:
        """The setting keep_leftovers is on."""

    def tree_alive(self, event: Event, /) -> bool:
        """A process of its tree lives, other than itself."""

    def confirmed(self, event: Event, /) -> bool:
        """The readiness source, asked again at this moment, says ready."""

    def undecided(self, event: Event, /) -> bool:
        """The kernel runs one that the readiness source has seen for too short a time to tell whose it is."""

    def early_ready(self, event: Event, /) -> bool:
        """The setting early_ready is on."""

    def progressing(self, event: Event, /) -> bool:
        """The kernel is enabling a scheduler, or was at work on the process's behalf since this was last asked."""

    def hotplugged(self, event: Event, /) -> bool:
        """A CPU has come or gone since this was last asked: what was refused for that may attach again by itself."""

    def detached_from_outside(self, event: Event, /) -> bool:
        """It held its link when the kernel let go of it, and the kernel's reason is user space."""

    def unregistered_by_itself(self, event: Event, /) -> bool:
        """The kernel's reason is user space, and it no longer held its link: it gave it up, or is dying."""

    def grace_given(self, event: Event, /) -> bool:
        """The setting reattach_grace is more than no time, in which a deadline that starts over would let nobody
        wait.
        """

    def being_enabled(self, event: Event, /) -> bool:
        """The kernel is enabling a scheduler, for somebody who lives."""

    def being_disabled(self, event: Event, /) -> bool:
        """The kernel is still taking a scheduler down."""

    def ejected_by_kernel(self, event: Event, /) -> bool:
        """It was attached, and the last reason given for its end is the kernel's own, not an unregistration by its
        user space.
        """


def guards_of(given: Guards) -> dict[str, Guard]:
    """`given` as the mapping that `Runtime` takes for its guards."""
    return {
        "leftovers": given.leftovers,
        "leftovers_kept": given.leftovers_kept,
        "tree_alive": given.tree_alive,
        "confirmed": given.confirmed,
        "undecided": given.undecided,
        "early_ready": given.early_ready,
        "progressing": given.progressing,
        "hotplugged": given.hotplugged,
        "detached_from_outside": given.detached_from_outside,
        "unregistered_by_itself": given.unregistered_by_itself,
        "grace_given": given.grace_given,
        "being_enabled": given.being_enabled,
        "being_disabled": given.being_disabled,
        "ejected_by_kernel": given.ejected_by_kernel,
    }

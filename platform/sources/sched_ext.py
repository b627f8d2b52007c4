"""What becomes of our scheduler in the kernel.

Wake-ups are hints and nothing more: uevents can be lost, come before the counter that proves them, or never reach
this network namespace. What is told comes from reading sysfs and /proc, each time anew (`platform.sched_ext`).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event
from scxlife.platform import sched_ext
from scxlife.platform.sched_ext import (
    ABSENT,
    DISABLING,
    ENABLED,
    ENABLING,
    FOREIGN,
    IDLE,
    READY,
    UNPROVEN,
    Fact,
    Snapshot,
    Tracker,
)

from . import uevent

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel
    from scxlife.platform.process_group import Member

# Of `root` only: sub-schedulers live below it.
_DEVPATH = "/kernel/sched_ext/root"

# After a hint it is read again after 1, 2, 4, … ms, until the pauses have grown to the cadence.
_FIRST_PAUSE = 0.001

_UEVENTS_AT_ONCE = 1024

# Facts that are events by themselves, that say that ours does not run, and that end an attempt.
_TOLD = (ABSENT, ENABLING, READY, FOREIGN)
_NOT_OURS = (IDLE, ABSENT, FOREIGN)
_SETTLED = (IDLE, ABSENT, READY, FOREIGN)


class SchedExtSource:
    """Tells, with `{"state", "ops", "enable_seq", "instance", "owner": {"pid", "command"} | None,
    "partial": only tasks that ask for it are its}`:

    absent    the kernel has no sched_ext
    enabling  a scheduler is being enabled
    ready     ours is enabled; told for each of its instances
    foreign   the kernel runs somebody else's
    lost      the instance that was ready (`instance` names it) is no longer enabled; `link_held`: its link was open
    refused   an enable began and came to nothing: the counter of successful ones has not moved
    clear     the kernel does not run ours, after it might have

    `restate` makes the next drain tell the present fact again, `clear` included.
    """

    def __init__(
        self,
        kernel: Kernel,
        child: Member | None,
        baseline: Snapshot,
        *,
        cadence: float,
        root: str = sched_ext.ROOT,
        proc: str = sched_ext.PROC,
        newest_link_before: int | None = None,
    ) -> None:
        self._kernel = kernel
        self._baseline = baseline
        self._cadence = cadence
        self._tracker = Tracker(kernel, child, baseline, root, proc=proc, newest_link_before=newest_link_before)
        self._fd: int | None = None
        self._forget()

    def _forget(self) -> None:
        self._former: str | None = None
        self._told: tuple[str, int | None] | None = None
        self._ready: Fact | None = None
        self._seq_before = self._baseline.enable_seq
        self._attempt = False
        self._stillborn = 0
        # Whether the link of this attempt was seen; and whether that of a refusal that was told is still to come, as
        # bpf(2) installs it when the enable is over.
        self._left_a_link = False
        self._link_to_come = False
        self._might_be_ours = False
        self._asked = False
        self._hint: str | None = None
        self._uevents_arrive = False
        self._no_uevents: str | None = None
        self._unreadable: str | None = None
        self._pause = self._cadence
        self._due: float | None = self._kernel.monotonic()

    @property
    def degraded(self) -> str | None:
        return self._unreadable or self._no_uevents

    def open(self) -> None:
        self._forget()
        try:
            self._fd = self._kernel.uevent_socket()
        except OSError as error:
            self._no_uevents = f"no uevents: {error.strerror}"

    def fileno(self) -> int | None:
        return self._fd

    def next_deadline(self) -> float | None:
        if self._former == READY and self._uevents_arrive and self._pause >= self._cadence and not self._asked:
            return None
        if self._due is None:
            # A pause begins when the driver has nothing else to do: where there is one CPU, it keeps it until then.
            self._due = self._kernel.monotonic() + self._pause
        return self._due

    def drain(self) -> list[Event]:
        hint = self._read_uevents()
        asked = self._asked
        try:
            fact = self._tracker.look()
        except OSError as error:
            self._unreadable = f"sched_ext can't be read: {error.strerror}"
            self._due = self._kernel.monotonic() + self._cadence
            return []
        self._unreadable = None
        self._asked = False
        self._hint = hint or self._hint
        cause = self._hint or ("asked" if asked else "cadence")
        changes = self._changes(fact)
        if asked:
            changes += [change for change in _present(fact) if change not in changes]
        self._plan(fact, hint)
        self._former = fact.kind
        return [_event(name, instance, fact, cause) for name, instance in changes]

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.close(fd)

    def confirm(self) -> bool:
        """Look now: is ours enabled at this moment? Tells nobody; the next drain still tells what changed."""
        try:
            if self._ready is not None and self._tracker.still(self._ready):
                return True
            return self._tracker.look().kind == READY
        except OSError:
            return False

    def undecided(self) -> bool:
        """Whether the kernel runs one that was seen for too short a time to tell whose it is."""
        return self._tracker.undecided

    def restate(self) -> None:
        self._asked = True
        self._due = self._kernel.monotonic()

    def _changes(self, fact: Fact) -> list[tuple[str, int | None]]:
        """What has happened since the last look, in the order in which it did, and to which instance."""
        now = fact.snapshot
        changes: list[tuple[str, int | None]] = []
        lost = self._ready is not None and _ended(self._ready.snapshot.instance, now)
        if lost and self._ready is not None:
            changes.append(("lost", self._ready.snapshot.instance))
            self._ready = None
        if self._has_left_a_link(fact):
            self._attempt = self._left_a_link = True
        elif self._is_attempt(fact, lost):
            # Whoever tries again has come back from bpf(2): what has left no link by now leaves none.
            self._link_to_come = self._link_to_come and self._attempt
            self._attempt = True
        if fact.kind in (IDLE, ABSENT) and self._attempt and now.enable_seq == self._seq_before:
            changes.append(("refused", now.instance))
            self._link_to_come = not self._left_a_link
        # Unproven is a gap in what can be seen, not a change.
        if fact.kind != UNPROVEN:
            key = (fact.kind, now.instance if fact.kind in (READY, FOREIGN) else None)
            if key != self._told and fact.kind in _TOLD:
                changes.append((fact.kind, now.instance))
            self._told = key
        if fact.kind in _NOT_OURS and self._might_be_ours:
            changes.append(("clear", now.instance))
        self._might_be_ours = fact.kind not in _NOT_OURS
        if fact.kind == READY:
            self._ready = fact
        if fact.kind in _SETTLED:
            self._attempt = self._left_a_link = False
            self._seq_before = now.enable_seq
        return changes

    def _has_left_a_link(self, fact: Fact) -> bool:
        """All of it was too quick to be seen. A failed enable leaves its link behind: bpf(2) says success then too."""
        new = fact.stillborn - self._stillborn
        self._stillborn = max(fact.stillborn, self._stillborn)
        if new > 0 and self._link_to_come:
            self._link_to_come = False
            new -= 1
        return new > 0

    def _is_attempt(self, fact: Fact, lost: bool) -> bool:
        if fact.kind == DISABLING:
            # Too quick for its beginning to be seen; after `lost` it is the end of what was lost.
            return not lost and self._former in (IDLE, ENABLING)
        begun = fact.kind == ENABLING or (fact.kind == UNPROVEN and self._ready is None)
        instance = fact.snapshot.instance
        return begun and (instance is None or instance != self._baseline.instance)

    def _plan(self, fact: Fact, hint: str | None) -> None:
        """When to look again: soon and more than once after a hint and while something is under way."""
        under_way = fact.kind in (UNPROVEN, DISABLING) and fact.kind != self._former
        if hint is not None or under_way:
            self._pause = min(_FIRST_PAUSE, self._cadence)
            self._due = None
        elif self._due is not None and self._kernel.monotonic() >= self._due:
            self._pause = min(2 * self._pause, self._cadence)
            self._due = None
        if self._pause >= self._cadence:
            self._hint = None
            if fact.kind == READY and self._fd is not None and not self._uevents_arrive:
                self._no_uevents = "no uevent has come with the enable: they may not reach this network namespace"

    def _read_uevents(self) -> str | None:
        """What was told of sched_ext, for the record; None when nothing was."""
        seen = []
        for _ in range(_UEVENTS_AT_ONCE):
            if self._fd is None:
                break
            try:
                datagram = self._kernel.uevent_receive(self._fd)
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    seen.append("uevent overflow")
                    continue
                self._no_uevents = f"no uevents: {error.strerror}"
                self._uevents_arrive = False
                self.close()
                break
            if datagram is None:
                break
            told = uevent.parse(datagram)
            if told.devpath == _DEVPATH:
                self._uevents_arrive = True
                self._no_uevents = None
                seen.append(f"uevent {told.action}@{told.devpath} SCXOPS={told.variables.get('SCXOPS', '')}")
        return ", ".join(seen) or None


def _ended(instance: int | None, now: Snapshot) -> bool:
    """A torn snapshot, enabled but of no instance, proves nothing."""
    return now.state != ENABLED or now.instance not in (None, instance)


def _present(fact: Fact) -> list[tuple[str, int | None]]:
    names = [fact.kind] if fact.kind in _TOLD else []
    if fact.kind in _NOT_OURS:
        names.append("clear")
    return [(name, fact.snapshot.instance) for name in names]


def _event(name: str, instance: int | None, fact: Fact, cause: str) -> Event:
    now = fact.snapshot
    owner = None if fact.owner is None else {"pid": fact.owner.pid, "command": fact.owner.command}
    data: dict[str, object] = {
        "state": now.state,
        "ops": now.ops,
        "enable_seq": now.enable_seq,
        "instance": instance,
        "owner": owner,
        "partial": None if now.switch_all is None else not now.switch_all,
    }
    if name == "lost":
        data["link_held"] = fact.link_held
    return Event(name, data, cause)

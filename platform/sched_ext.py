"""What the kernel says of sched_ext, and what may be concluded from it.

Documentation/scheduler/sched-ext.rst and kernel/sched/ext.c. Nothing in sysfs is atomic: a `Snapshot` is several reads,
held together by the inode of `root/`, which is a new one for each scheduler that the kernel takes in.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .kernel import Kernel
    from .process_group import Member

ROOT = "/sys/kernel/sched_ext"
PROC = "/proc"

# What `Snapshot.state` can be.
ENABLING = "enabling"
ENABLED = "enabled"
DISABLING = "disabling"
DISABLED = "disabled"

# What `Fact.kind` can be, beside `enabling` and `disabling`.
ABSENT = "absent"
IDLE = "idle"
READY = "ready"
UNPROVEN = "unproven"
FOREIGN = "foreign"

# kernfs answers ENODEV while it takes a node away; ESRCH is a process that ended under its open /proc directory.
_GONE = {errno.ENOENT, errno.ENODEV, errno.ENOTDIR, errno.ESRCH}
_DENIED = {errno.EACCES, errno.EPERM}

# How often a snapshot that mixes two instances is taken again.
_TRIES = 4

# bpf(2) enables first and installs the link's descriptor afterwards: before this many seconds have passed, a link
# that our process does not hold yet proves nothing about whose the instance is.
_LINK_SETTLES = 0.1

# Both spellings are in kernel/bpf/syscall.c.
_LINKS = {"anon_inode:bpf_link", "anon_inode:bpf-link", "anon_inode:[bpf_link]"}


@attrs.frozen
class Snapshot:
    """One reading. None: the file is gone, empty, or not a number.

    `instance` is the inode of `root/`; it is also None when no reading could be had that belongs to one instance only.
    `taken_at` is monotonic seconds, taken before the first read.
    """

    present: bool
    state: str | None
    ops: str | None
    enable_seq: int | None
    instance: int | None
    switch_all: bool | None
    taken_at: float


@attrs.frozen
class Link:
    """A struct_ops link. `link_id` is the kernel's number for it, None in kernels that don't tell."""

    link_id: int | None


@attrs.frozen
class Holder:
    """A process that holds a struct_ops link open, as its descriptor `fd`. `command` is its comm, at most 15 bytes."""

    pid: int
    command: str
    fd: str
    link_id: int | None


@attrs.frozen
class Holders:
    """`complete` is False when some process could not be looked into."""

    found: tuple[Holder, ...]
    complete: bool


@attrs.frozen
class Fact:
    """What a look concluded.

    absent     the kernel has no sched_ext
    idle       disabled
    enabling   some scheduler is being enabled
    ready      enabled, a new instance, and its link is held by our process or a descendant of it
    unproven   enabled and new, but not all of the proof is visible yet (or any more)
    foreign    enabled, and not by ours; `owner` is who holds the link, if that could be seen
    disabling  on the way out

    `stillborn`: how many links of ours were seen by now whose scheduler never was, as far as anybody has looked.
    `link_held`: none is enabled, and our process or a descendant of it has a struct_ops link open all the same, one
    whose scheduler was not known to be gone before.
    """

    kind: str
    snapshot: Snapshot
    owner: Holder | None = None
    stillborn: int = 0
    link_held: bool = False

    @property
    def time(self) -> float:
        return self.snapshot.taken_at


def snapshot(kernel: Kernel, root: str = ROOT) -> Snapshot:
    """Read all of it. OSError only for what does not mean that the file is gone (EMFILE, EIO, …)."""
    taken_at = kernel.monotonic()
    torn = True
    for _ in range(_TRIES):
        before = _inode(kernel, f"{root}/root")
        ops = _word(kernel, f"{root}/root/ops")
        enable_seq = _number(kernel, f"{root}/enable_seq")
        switch_all = _number(kernel, f"{root}/switch_all")
        # Last, so that "enabled" is said of what the other reads have seen, or the inode has changed.
        state = state_of(kernel, root)
        torn = _inode(kernel, f"{root}/root") != before
        if not torn:
            break
    return Snapshot(
        present=state is not None,
        state=state,
        ops=ops,
        enable_seq=enable_seq,
        instance=None if torn else before,
        switch_all=None if switch_all is None else bool(switch_all),
        taken_at=taken_at,
    )


def state_of(kernel: Kernel, root: str = ROOT) -> str | None:
    """One of the states above, or what a later kernel calls it; None where there is no sched_ext."""
    return _attribute(kernel, f"{root}/state")


def hotplug_seq(kernel: Kernel, root: str = ROOT) -> int | None:
    """How many CPUs have come and gone; None where the kernel does not count them."""
    return _number(kernel, f"{root}/hotplug_seq")


def link_holders(kernel: Kernel, pids: Iterable[int] | None = None, *, proc: str = PROC) -> Holders:
    """Who holds a struct_ops link, of `pids` or of all processes. Processes that vanish meanwhile hold nothing.

    A link stays open after its scheduler was ejected, and other subsystems have struct_ops too: a holder is a
    condition of ownership, never the proof of it.
    """
    if pids is None:
        pids = sorted(int(name) for name in kernel.listdir(proc) if name.isdecimal())
    found: list[Holder] = []
    complete = True
    for pid in pids:
        try:
            found += _links_of(kernel, pid, proc)
        except OSError as error:
            if error.errno in _DENIED:
                complete = False
            elif error.errno not in _GONE:
                raise
    return Holders(tuple(found), complete)


def newest_link(kernel: Kernel) -> int | None:
    """The id of the newest BPF link of whatever type, 0 where there is none; None where that may not be asked.

    A link has its id before its scheduler is enabled (kernel/bpf/syscall.c, bpf_link_prime): who has none by now has
    not even begun. Ids are counted up, so that strides find it in few calls.
    """
    newest, stride = 0, 1
    try:
        while stride:
            further = kernel.bpf_next_link(newest + stride - 1)
            if further is None:
                stride //= 2
            else:
                newest, stride = further, 2 * stride
    except OSError:
        return None
    return newest


def descendants(kernel: Kernel, pid: int, *, proc: str = PROC) -> list[int]:
    """Children of `pid`, their children, and so on; without those whose parent has died before them."""
    known = {pid}
    ordered = [pid]
    for parent in ordered:
        for child in _children(kernel, parent, proc):
            if child not in known:
                known.add(child)
                ordered.append(child)
    return ordered[1:]


class Tracker:
    """Tells our scheduler from everybody else's, given what the kernel said before ours was started, and which BPF link
    was the newest then (`newest_link`). `child` is our process, None when it was gone before anybody could see it: its
    pid may be a stranger's.

    It keeps what later looks need: links that have been proven dead. A process whose scheduler was ejected, or whose
    enable failed (bpf(2) says success then too), goes on holding its link, which proves nothing of a stranger's
    instance.
    """

    def __init__(
        self,
        kernel: Kernel,
        child: Member | None,
        baseline: Snapshot,
        root: str = ROOT,
        *,
        proc: str = PROC,
        newest_link_before: int | None = None,
    ) -> None:
        self.baseline = baseline
        self._newest_before = newest_link_before
        self._kernel = kernel
        self._child = child
        self._root = root
        self._proc = proc
        self._seen_links: set[int] = set()
        self._dead_links: set[int | None] = set()
        self._proven: dict[int, set[int | None]] = {}
        self._unproven_since: tuple[int, float] | None = None
        self._older_since: tuple[int, float] | None = None
        self._foreign: tuple[int, Holder | None] | None = None
        self._settled = True

    @property
    def undecided(self) -> bool:
        """Whether the last look saw an instance for too short a time to tell whose it is."""
        return not self._settled

    def look(self) -> Fact:
        self._settled = True
        # Links before sysfs: a link is not visible until its scheduler is enabled, so one that was visible at a time
        # before the kernel is seen not to be enabled has lost its scheduler, or never had one.
        held = self._held_by_ours()
        now = snapshot(self._kernel, self._root)
        if not now.present:
            return Fact(ABSENT, now)
        if now.state in (DISABLED, ENABLING, DISABLING):
            kept = self._keeps_one_of([holder for holder in held if holder.link_id not in self._dead_links])
            self._dead_links.update(holder.link_id for holder in held if holder.link_id is not None)
            stillborn = len(self._dead_links.difference(*self._proven.values()))
            kind = IDLE if now.state == DISABLED else now.state
            return Fact(kind, now, stillborn=stillborn, link_held=kept)
        if now.state != ENABLED or now.instance is None:
            return Fact(UNPROVEN, now)
        return self._whose(now, now.instance, held)

    def _keeps_one_of(self, lost: list[Holder]) -> bool:
        """Whoever closes his link or dies has closed it before the kernel begins to disable: only one that is open yet,
        now that the kernel was seen to disable, was taken from its holder."""
        if not lost:
            return False
        now = {(holder.pid, holder.link_id) for holder in self._held_by_ours()}
        return any((holder.pid, holder.link_id) in now for holder in lost)

    def still(self, fact: Fact) -> bool:
        """Whether what was ready is so yet, by the same link: the proof alone is looked at, where a look searches all
        that is ours. False tells nothing."""
        owner = fact.owner
        # Only of our own process is it known that the pid is nobody else's by now.
        child = self._living()
        if owner is None or owner.link_id is None or child is None or owner.pid != child:
            return False
        link = struct_ops_link(self._kernel, str(owner.pid), owner.fd, self._proc)
        if link is None or link.link_id != owner.link_id:
            return False
        # The instance was there before the state is read, and no later one gets its number.
        enabled = state_of(self._kernel, self._root) == ENABLED
        return enabled and _inode(self._kernel, f"{self._root}/root") == fact.snapshot.instance

    def _whose(self, now: Snapshot, instance: int, held: tuple[Holder, ...]) -> Fact:
        if instance == self.baseline.instance:
            return Fact(FOREIGN, now, self._foreign_owner(instance))
        for past, links in self._proven.items():
            if past != instance:
                self._dead_links |= links
        live = [holder for holder in held if holder.link_id not in self._dead_links]
        if live and _risen(self.baseline.enable_seq, now.enable_seq):
            rival = None if instance in self._proven or self._is_newest(live) else self._foreign_owner(instance)
            if rival is not None and _newest((rival,)) > _newest(live):
                # Ours died unseen, and a stranger has taken the slot since: the newest link is the one that counts.
                self._dead_links.update(holder.link_id for holder in live)
                return Fact(FOREIGN, now, rival)
            self._proven.setdefault(instance, set()).update(
                holder.link_id for holder in live if holder.link_id is not None
            )
            return Fact(READY, now, live[0])
        if live or instance in self._proven:
            return Fact(UNPROVEN, now)
        if self._unproven_since is None or self._unproven_since[0] != instance:
            self._unproven_since = (instance, now.taken_at)
        self._settled = now.taken_at - self._unproven_since[1] >= _LINK_SETTLES
        if self._settled:
            owner = self._foreign_owner(instance)
            if owner is not None or self._is_older(now.taken_at, instance):
                return Fact(FOREIGN, now, owner)
        return Fact(UNPROVEN, now)

    def _is_older(self, at: float, instance: int) -> bool:
        """Whether there is no link at all that is from after the baseline: whoever is enabled, it is none of ours. One
        that is closed has lost its number a moment before its scheduler is disabled, so that it is asked twice."""
        try:
            if self._newest_before is None or self._kernel.bpf_next_link(self._newest_before) is not None:
                self._older_since = None
                return False
        except OSError:
            return False
        if self._older_since is None or self._older_since[0] != instance:
            self._older_since = (instance, at)
        return at - self._older_since[1] >= _LINK_SETTLES

    def _is_newest(self, held: Iterable[Holder]) -> bool:
        """Whether no link at all is newer than these: then nobody can have taken the slot after them."""
        try:
            return self._kernel.bpf_next_link(_newest(held)) is None
        except OSError:
            return False

    def _living(self) -> int | None:
        """The pid of our process, None once it is reaped: the number can become anybody's."""
        child = self._child
        alive = child is not None and start_time(self._kernel, child.pid, self._proc) == child.started
        return child.pid if child is not None and alive else None

    def _ours(self) -> list[int]:
        child = self._living()
        return [] if child is None else [child, *self._descendants(child)]

    def _descendants(self, pid: int) -> list[int]:
        return descendants(self._kernel, pid, proc=self._proc)

    def _held_by_ours(self) -> tuple[Holder, ...]:
        child = self._living()
        if child is None:
            return ()
        own = self._links([child])
        # The newest of all links, seen for the first time, in our own process's hands: that is the proof, and time
        # matters most now. Who else of ours holds one is found by the next look.
        if own and _newest(own) not in self._seen_links and self._is_newest(own):
            self._seen_links.add(_newest(own))
            return own
        return own + self._links(self._descendants(child))

    def _links(self, pids: Iterable[int]) -> tuple[Holder, ...]:
        return link_holders(self._kernel, pids, proc=self._proc).found

    def _foreign_owner(self, instance: int) -> Holder | None:
        """Looking into every process is dear: once found, or for an instance that needs no proof, once is enough."""
        if self._foreign is not None and self._foreign[0] == instance:
            return self._foreign[1]
        ours = self._ours()
        others = [
            holder
            for holder in link_holders(self._kernel, proc=self._proc).found
            if holder.pid not in ours and holder.link_id not in self._dead_links
        ]
        owner = max(others, key=lambda holder: holder.link_id or 0, default=None)
        if owner is not None and self._newer_pin(owner):
            owner = None
        if owner is not None or instance == self.baseline.instance:
            self._foreign = (instance, owner)
        return owner

    def _newer_pin(self, owner: Holder) -> bool:
        """Whether a link that nobody needs to hold is newer: then it is that one's, and the owner's is a dead one."""
        from .pinned_links import pinned_links

        try:
            pins = pinned_links(self._kernel, proc=self._proc)
        except OSError:
            return False
        return any((pin.link_id or 0) > (owner.link_id or 0) for pin in pins)


def _newest(holders: Iterable[Holder]) -> int:
    """The kernel counts links up."""
    return max(holder.link_id or 0 for holder in holders)


def _risen(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now > before


def _links_of(kernel: Kernel, pid: int, proc: str) -> Iterator[Holder]:
    for fd in kernel.listdir(f"{proc}/{pid}/fd"):
        try:
            if kernel.readlink(f"{proc}/{pid}/fd/{fd}") not in _LINKS:
                continue
        except OSError as error:
            if error.errno in _GONE:
                continue
            raise
        link = struct_ops_link(kernel, str(pid), fd, proc)
        if link is not None:
            yield Holder(pid=pid, command=_text(kernel, f"{proc}/{pid}/comm") or "", fd=fd, link_id=link.link_id)


def struct_ops_link(kernel: Kernel, pid: str, fd: str, proc: str = PROC) -> Link | None:
    """What descriptor `fd` of the process `pid` holds, when that is a struct_ops link."""
    info = _text(kernel, f"{proc}/{pid}/fdinfo/{fd}")
    fields = dict(line.split(":", 1) for line in (info or "").splitlines() if ":" in line)
    if fields.get("link_type", "").strip() != "struct_ops":
        return None
    return Link(link_id=_integer(fields.get("link_id")))


def _children(kernel: Kernel, pid: int, proc: str) -> Iterator[int]:
    try:
        threads = kernel.listdir(f"{proc}/{pid}/task")
    except OSError as error:
        if error.errno in _GONE:
            return
        raise
    listings = [_text(kernel, f"{proc}/{pid}/task/{thread}/children") for thread in threads]
    if threads and all(listing is None for listing in listings):
        yield from _children_by_parent(kernel, pid, proc)
    for listing in listings:
        yield from map(int, (listing or "").split())


def _children_by_parent(kernel: Kernel, pid: int, proc: str) -> Iterator[int]:
    """Without CONFIG_PROC_CHILDREN."""
    for name in kernel.listdir(proc):
        if name.isdecimal() and stat_field(kernel, int(name), 4, proc) == pid:
            yield int(name)


def start_time(kernel: Kernel, pid: int, proc: str) -> int | None:
    """In clock ticks since boot: together with the pid, one process and no other."""
    return stat_field(kernel, pid, 22, proc)


def stat_field(kernel: Kernel, pid: int, number: int, proc: str) -> int | None:
    """A field after the third, numbered from 1 as in proc_pid_stat(5); None for a process that is gone."""
    fields = stat_fields(kernel, pid, proc)
    return None if fields is None else int(fields[number])


def stat_fields(kernel: Kernel, pid: int, proc: str) -> list[str] | None:
    """All fields, numbered from 1 as in proc_pid_stat(5), the first two left empty; None for a process that is gone."""
    text = _text(kernel, f"{proc}/{pid}/stat")
    # The command, in parentheses, may itself hold spaces and parentheses.
    return None if text is None else ["", "", "", *text.rpartition(")")[2].split()]


def _inode(kernel: Kernel, path: str) -> int | None:
    try:
        return kernel.stat(path).ino
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _attribute(kernel: Kernel, path: str) -> str | None:
    """As `_text`, of a file in sysfs: one read gives all of it (Documentation/filesystems/sysfs.rst)."""
    try:
        fd = kernel.open(path, os.O_RDONLY)
        try:
            return kernel.read(fd, 4096).decode("utf-8", "replace").strip()
        finally:
            kernel.close(fd)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _text(kernel: Kernel, path: str) -> str | None:
    """The file's whole text without the space around it; None when it is gone."""
    try:
        fd = kernel.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    try:
        parts = []
        while part := kernel.read(fd, 4096):
            parts.append(part)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    finally:
        kernel.close(fd)
    return b"".join(parts).decode("utf-8", "replace").strip()


def _word(kernel: Kernel, path: str) -> str | None:
    """As `_attribute`; None too when nothing is in it: 6.12 shows `root/ops` before the name is copied there."""
    return _attribute(kernel, path) or None


def _number(kernel: Kernel, path: str) -> int | None:
    return _integer(_attribute(kernel, path))


def _integer(text: str | None) -> int | None:
    word = (text or "").strip()
    return int(word) if word.isdecimal() else None

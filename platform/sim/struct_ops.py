"""sched_ext in the kernel: enable, disable, ejection, and the order of what each shows. kernel/sched/ext.c

Enable and disable can't be interrupted and wait for one another. An enable that fails still gives its link to whoever
asked. What a uevent tells is done already, what `enable_seq` tells was done a moment ago.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import attrs

from .clock import MICROSECOND, nanoseconds
from .kernel_log import ERROR, INFO, KernelLog
from .names import number
from .profiles import Profile
from .threads import Code, Mutex, Thread

if TYPE_CHECKING:
    from random import Random

    from .clock import Clock
    from .nodes import Node
    from .processes import Process
    from .program import Attach
    from .tracefs import Instances
    from .uevents import Uevents

#: A bpf file system.
PINS = "/sys/fs/bpf"
DEVPATH = "/kernel/sched_ext/root"
DISABLED, ENABLING, ENABLED, DISABLING = "disabled", "enabling", "enabled", "disabling"

BY_USER_SPACE = "unregistered from user space"
BY_KERNEL = "unregistered from the main kernel"
# Reasons that are no errors, so nothing is logged behind them.
_CLEAN = (BY_USER_SPACE, BY_KERNEL, "disabled by sysrq-S")


@attrs.define(eq=False)
class Instance:
    """One scheduler in the kernel, from its enable to the end of its disable. `ino` is that of its `root/`; times are
    nanoseconds since boot."""

    name: str
    loader: Process
    ops_exit: int
    ino: int
    claimed: str | None = None
    attributes: bool = False
    shown_name: str = ""
    announced: bool = False
    over: bool = False
    enabled_at: int | None = None
    ended_at: int | None = None
    waiting: list[Thread] = attrs.Factory(list)


class Link:
    """What a loader holds: closed by its last holder, it takes its scheduler out of the kernel."""

    name = "anon_inode:bpf_link"
    node: Node | None = None

    def __init__(self, number: int, kernel: SchedExt, instance: Instance) -> None:
        self.number = number
        self.instance = instance
        self.holders = 0
        self.closed = False
        self._kernel = kernel

    def fdinfo(self) -> str:
        return (
            f"pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t9\nlink_type:\tstruct_ops\nlink_id:\t{self.number}\n"
            f"prog_tag:\t0000000000000000\nprog_id:\t0\nmap_id:\t{self.number + 100}\n"
        )

    def hold(self, process: Process) -> None:
        """One more descriptor of it."""
        fd = 3
        while fd in process.links:
            fd += 1
        process.links[fd] = self
        self.holders += 1

    def drop(self, me: Thread) -> Code[None]:
        """A holder lets go of it; the last one waits until its scheduler is gone."""
        self.holders -= 1
        if self.holders == 0:
            self.closed = True
            yield from self._kernel.unregister(me, self.instance)


class SchedExt:
    """The state that sysfs shows, and what changes it."""

    def __init__(
        self, clock: Clock, random: Random, profile: Profile, log: KernelLog, uevents: Uevents, traces: Instances
    ) -> None:
        self.state = DISABLED
        self.enable_seq = 0
        self.hotplug_seq = 0
        self.switch_all = False
        self.root: Instance | None = None
        self.present: Instance | None = None
        self.history: list[Instance] = []
        self.links: list[Link] = []
        self.pins: dict[str, Link] = {}
        self.last_told: tuple[int, str, Instance | None, int] = (0, DISABLED, None, 0)
        self._clock = clock
        self._random = random
        self._profile = profile
        self._log = log
        self._uevents = uevents
        self._traces = traces
        self._mutex = Mutex()
        self._made = 0
        self._links_made = 0
        self._primed: set[int] = set()

    def _moment(self) -> int:
        return self._random.randrange(1, 200) * MICROSECOND

    def link_numbers(self) -> list[int]:
        """Of the links that there are, and of those that are being made: bpf(2) gives the number first."""
        return [*self._primed, *(link.number for link in self.links if not link.closed)]

    def tell_state(self) -> str:
        """What a reader of `state` gets; `last_told` keeps when that was, which scheduler it was said of, and what
        the counter was."""
        self.last_told = (self._clock.now, self.state, self.root, self.enable_seq)
        return f"{self.state}\n"

    # -- enable

    def enable(self, me: Process, attach: Attach, opened_at_hotplug: int) -> Code[Link | int]:
        """bpf(2) with BPF_LINK_CREATE: the link, or the errno."""
        if not self._profile.sched_ext:
            return errno.EOPNOTSUPP
        self._links_made += 1
        primed = self._links_made
        self._primed.add(primed)
        try:
            return (yield from self._register(me, attach, opened_at_hotplug, primed))
        finally:
            self._primed.remove(primed)

    def _register(self, me: Process, attach: Attach, opened_at_hotplug: int, primed: int) -> Code[Link | int]:
        yield from self._mutex.acquire(me)
        refused = errno.EBUSY if self.state != DISABLED else 0
        if attach.refused is not None:
            refused = refused or number(attach.refused)
        if refused:
            self._mutex.release()
            return refused
        self._made += 1
        instance = Instance(attach.name, me, nanoseconds(attach.end), ino=1000 + 7 * self._made)
        self.history.append(instance)
        self.present = instance
        yield from self._begin(instance, attach, opened_at_hotplug)
        link = Link(primed, self, instance)
        self.links.append(link)
        if instance.claimed is None and self.state == ENABLING:
            yield from self._commit(instance, attach.partial)
        else:
            self._mutex.release()
            yield from self._disable(me, instance)
        return link

    def _begin(self, instance: Instance, attach: Attach, opened_at_hotplug: int) -> Code[None]:
        for step in self._profile.enable:
            match step:
                case "kobject":
                    self.root, instance.attributes = instance, True
                case "name":
                    instance.shown_name = instance.name
                case "enabling":
                    self.state = ENABLING
                case "init":
                    yield nanoseconds(attach.init)
                    if opened_at_hotplug != self.hotplug_seq:
                        self._claim(instance, BY_KERNEL)
                    if attach.fails is not None:
                        self._claim(instance, f"ops.init() failed (-{number(attach.fails)})")
            if instance.claimed is not None:
                return
            yield self._moment()
        yield nanoseconds(attach.tasks)

    def _commit(self, instance: Instance, partial: bool) -> Code[None]:
        self.state = ENABLED
        instance.enabled_at = self._clock.now
        self.switch_all = not partial
        self._log.say(f'sched_ext: BPF scheduler "{instance.name}" enabled{" (partial)" if partial else ""}')
        yield self._moment()
        self._uevents.send("add", DEVPATH, SUBSYSTEM="sched_ext", SCXOPS=instance.name)
        instance.announced = True
        self._mutex.release()
        yield self._moment()
        self.enable_seq += 1
        # bpf(2) installs the descriptor on its way out.
        yield self._moment()

    # -- disable

    def _claim(self, instance: Instance, reason: str) -> bool:
        """The first reason is the one that counts."""
        if instance.claimed is None and not instance.over:
            instance.claimed = reason
            return True
        return False

    def _disable(self, me: Thread, instance: Instance) -> Code[None]:
        assert instance.claimed is not None
        self.state = DISABLING
        if instance.enabled_at is not None and instance.ended_at is None:
            instance.ended_at = self._clock.now
        yield from self._mutex.acquire(me)
        clean = instance.claimed in _CLEAN
        self._log.say(
            f'sched_ext: BPF scheduler "{instance.name}" disabled ({instance.claimed})', INFO if clean else ERROR
        )
        if not clean:
            self._log.say(f"sched_ext: {instance.name}: {instance.claimed}", ERROR)
            self._traces.trace(f"sched_ext_dump: {instance.claimed}\n")
        yield instance.ops_exit
        if instance.attributes:
            # The attributes go first, the folder last: lib/kobject.c, __kobject_del
            instance.attributes = False
            yield self._moment()
            if instance.announced:
                self._uevents.send("remove", DEVPATH, SUBSYSTEM="sched_ext", SCXOPS=instance.name)
            yield self._moment()
            self.root = None
        self.switch_all = False
        yield self._moment()
        self.state = DISABLED
        self.present = None
        instance.over = True
        self._mutex.release()
        waiting, instance.waiting = instance.waiting, []
        for thread in waiting:
            thread.wake()

    def eject(self, reason: str) -> bool:
        """Throw out whatever scheduler there is; whether there was one."""
        instance = self.present
        if instance is None or not self._claim(instance, reason):
            return False
        if self.state == ENABLED:
            thread = _KernelThread(self, instance)
            thread.start(self._moment())
        return True

    def hotplug(self) -> None:
        self.hotplug_seq += 1
        self.eject(BY_KERNEL)

    def unregister(self, me: Thread, instance: Instance) -> Code[None]:
        """The last holder of its link lets go of it."""
        if self._claim(instance, BY_USER_SPACE):
            yield from self._disable(me, instance)
        while not instance.over:
            instance.waiting.append(me)
            yield None


class _KernelThread(Thread):
    """The kernel's own worker, which disables what was ejected."""

    def __init__(self, kernel: SchedExt, instance: Instance) -> None:
        super().__init__(kernel._clock, kernel._disable(self, instance))

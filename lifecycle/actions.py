"""The actions that the lifecycle's definition names. Each does the one thing its name says.

What follows from what is the definition's to say: an action posts what it found as an event, and keeps facts for the
outcome; it never asks in which state the machine is.
"""

from __future__ import annotations

import errno
import signal
import stat
from typing import TYPE_CHECKING, Any, TypeVar

from scxlife.platform import cgroup, leftovers
from scxlife.platform.kernel import CgroupError
from scxlife.platform.process_group import lives
from scxlife.platform.sched_ext import hotplug_seq, newest_link, snapshot

from .logfile import Log, open_log, trim
from .scheduler_names import EventName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scxlife.fsm.definition import Definition
    from scxlife.fsm.events import Event
    from scxlife.fsm.sources import EventSource
    from scxlife.platform.cgroup import Cgroup
    from scxlife.platform.kernel import Kernel

    from .facts import Facts
    from .payload import Payload
    from .plan import Plan
    from .processes import Process

    Announce = Callable[[str, Mapping[str, Any]], None]

T = TypeVar("T")

# Lines of the kernel's that are kept: a stall names one task in one line, a loop of restarts never ends.
DETAILS = 40

SPAWN_HINTS = {
    errno.ENOEXEC: " (no #! line, or not a program for this machine)",
    errno.ETXTBSY: " (somebody still writes to it)",
    errno.ENOENT: " (its interpreter is missing)",
}


class Actions:
    """`post` puts an event, with its data and its cause, into the machine's inbox; `source` gives an open event source
    by its name."""

    def __init__(
        self,
        kernel: Kernel,
        definition: Definition,
        plan: Plan,
        facts: Facts,
        process: Process,
        payload: Payload,
        *,
        announce: Announce,
        post: Callable[[EventName, Mapping[str, Any], str], None],
        source: Callable[[str], EventSource | None],
    ) -> None:
        self._kernel = kernel
        self._settings = definition.settings
        self._plan = plan
        self._facts = facts
        self._process = process
        self.start_payload = payload.start
        self.stop_payload = payload.stop
        self.kill_payload = payload.kill
        self.reap_payload = payload.reap
        self._announce = announce
        self._post = post
        self._source = source
        self._arguments = plan.arguments

    # -- start

    def note_leftovers(self, event: Event) -> None:
        found = leftovers.of_unit(self._kernel, given(self._plan.unit))
        self._facts.left = "; ".join(leftovers.described(self._kernel, each) for each in found)
        self._facts.leftovers = leftovers.open_all(self._kernel, found)

    def kill_leftovers(self, event: Event) -> None:
        for left in self._facts.leftovers:
            cgroup.kill(self._kernel, left)

    def note_unevicted(self, event: Event) -> None:
        self._facts.failure = f"nothing was started, as this does not end: {self._facts.left}"

    def remove_leftovers(self, event: Event) -> None:
        found, self._facts.leftovers = self._facts.leftovers, ()
        for left in found:
            self._remove(left)

    def take_baseline(self, event: Event) -> None:
        facts = self._facts
        facts.baseline = snapshot(self._kernel)
        facts.newest_link = newest_link(self._kernel) if facts.baseline.present else None
        facts.hotplug_seq = hotplug_seq(self._kernel)
        if self._plan.ready_file is not None:
            try:
                facts.file_baseline = self._kernel.stat(self._plan.ready_file)
            except (FileNotFoundError, NotADirectoryError):
                facts.file_baseline = None

    def locate(self, event: Event) -> None:
        path = self._plan.command
        try:
            found = self._kernel.stat(path)
        except FileNotFoundError:
            self._facts.failure = f"{path}: no such file"
            self._post(EventName.MISSING, {"path": path}, self._facts.failure)
            return
        except OSError as error:
            self._spawn_failed(error)
            return
        if stat.S_ISDIR(found.mode):
            self._spawn_failed(OSError(errno.EACCES, "it is a directory", path))
        elif self._find_arguments():
            self._post(EventName.LOCATED, {"path": path}, path)

    def _find_arguments(self) -> bool:
        """Without a command an argument file that can't be used is nobody's concern; with one, it could not be
        executed as was meant."""
        path = self._plan.arguments_file
        if path is None:
            return True
        from .arguments_file import ArgumentsError, read_arguments

        try:
            self._arguments = tuple(read_arguments(self._kernel, path))
        except ArgumentsError as error:
            self._facts.failure = str(error)
            self._post(EventName.SPAWN_FAILED, {"path": path}, self._facts.failure)
            return False
        return True

    def open_log(self, event: Event) -> None:
        plan = self._plan
        if plan.log_fd is None:
            self._facts.log = open_log(self._kernel, plan.log_path)
        else:
            self._facts.log = Log(plan.log_fd, None, readable=False, owned=False)

    def remove_abandoned(self, event: Event) -> None:
        try:
            found = leftovers.next_to_ours(self._kernel)
        except OSError:
            # There is no cgroup v2: making one says so.
            return
        for each in found:
            try:
                cgroup.remove_path(self._kernel, each.path)
            except OSError:
                # What another socket or service left is for its own next supervisor to report.
                if each.unit in (None, self._plan.unit):
                    self._degrade(f"{leftovers.described(self._kernel, each)}, is still in {each.path}")

    def make_cgroup(self, event: Event) -> None:
        try:
            self._facts.cgroup = cgroup.make(self._kernel, leftovers.name_for(self._kernel, self._plan.unit))
        except OSError as error:
            self._degrade(f"no cgroup of its own: {error.strerror}")

    def spawn(self, event: Event) -> None:
        try:
            try:
                self._spawn()
            except CgroupError as error:
                self._degrade(f"no cgroup of its own: {error.strerror}")
                self.remove_cgroup(event)
                self._spawn()
        except OSError as error:
            self._spawn_failed(error)

    def _spawn(self) -> None:
        facts = self._facts
        procs = None if facts.cgroup is None else facts.cgroup.procs
        plan, log = self._plan, given(facts.log)
        child = self._process.spawn(
            plan.command,
            self._arguments,
            plan.environment,
            log.fd,
            cgroup=procs,
            death_signal=self._signal("parent_death_signal"),
        )
        if child.outlives_us:
            self._degrade("it was started by a thread, so the kernel does not end it when its supervisor dies")
        facts.pid, facts.member = child.pid, child.member
        facts.spawned_at = self._kernel.monotonic()
        who = {"pid": child.pid, "generation": child.generation}
        if child.unwatched is None:
            self._post(EventName.SPAWNED, who, f"pid {child.pid}")
        else:
            name = _name(child.unwatched)
            text = f"no pidfd to watch it by, so it was killed: {name}: {child.unwatched.strerror}"
            facts.failure = f"{plan.command}: {text}"
            self._post(EventName.UNWATCHED, {**who, "errno": name}, facts.failure)

    def _spawn_failed(self, error: OSError) -> None:
        name, hint = _name(error), SPAWN_HINTS.get(error.errno or 0, "")
        self._facts.failure = f"{self._plan.command}: {name}: {error.strerror}{hint}"
        self._post(EventName.SPAWN_FAILED, {"errno": name, "path": self._plan.command}, self._facts.failure)

    # -- ready and run

    def note_owner(self, event: Event) -> None:
        facts: Any = self._facts
        facts.owner = event.data.get("owner")
        facts.instance = event.data.get("instance")
        facts.enable_seq = event.data.get("enable_seq")
        facts.ops = event.data.get("ops")
        facts.partial = event.data.get("partial")

    def note_stranger(self, event: Event) -> None:
        # Only who: the rest stays what was ours, so that what becomes of the stranger's is not told of ours.
        self._facts.owner = event.data.get("owner")  # type: ignore[assignment]

    def announce_attached(self, event: Event) -> None:
        self._facts.attachments += 1
        self._facts.log_before = self._log_size()
        self._announce("attached", event.data)

    def announce_reattached(self, event: Event) -> None:
        self._facts.attachments += 1
        self._facts.log_before = self._log_size()
        self._facts.kernel_reason = None
        self._facts.kernel_details = []
        self._announce("reattached", event.data)

    def announce_lost(self, event: Event) -> None:
        self._announce("lost", {**event.data, "kernel_reason": self._facts.kernel_reason})

    def note_loss(self, event: Event) -> None:
        self._facts.link_kept = bool(event.data.get("link_held"))

    def announce_exit(self, event: Event) -> None:
        self._announce("exited", event.data)

    def note_kernel_reason(self, event: Event) -> None:
        facts, said = self._facts, event.data
        if facts.ops is not None and said["scheduler"] not in (facts.ops, None):
            return
        if said["verb"] == "enabled":
            # It has attached again: what it lost before is not what it loses next.
            facts.link_kept = False
        elif said["verb"] == "disabled":
            facts.kernel_reason = str(said["reason"])
        elif said["detail"] is not None and len(facts.kernel_details) < DETAILS:
            facts.kernel_details.append(str(said["detail"]))

    def trim_log(self, event: Event) -> None:
        fd = given(self._facts.log).fd
        keep, size = self._settings["log_limit"], event.data["size"]
        assert isinstance(keep, int) and isinstance(size, int)
        try:
            dropped = trim(self._kernel, fd, size - keep // 2)
        except OSError as error:
            self._degrade(f"the log of the {event.data['log']} grows without bound: {error.strerror}")
            return
        self._facts.log_dropped = dropped

    # -- stop and reap

    def signal_stop(self, event: Event) -> None:
        asked = given(self._signal("stop_signal")), signal.SIGCONT
        facts = self._facts
        if facts.cgroup is None:
            self._process.signal_group(*asked)
        else:
            self._process.signal(*asked)
            cgroup.send(self._kernel, facts.cgroup.path, asked, but=given(facts.pid))

    def kill_tree(self, event: Event) -> None:
        self.kill_rest(event)
        self._process.signal(signal.SIGKILL, signal.SIGCONT)

    def note_exit(self, event: Event) -> None:
        self._facts.exit = event.data["exit"]  # type: ignore[assignment]

    def kill_rest(self, event: Event) -> None:
        facts = self._facts
        self._process.kill_group()
        if facts.cgroup is None:
            facts.rest = self._process.group()
            return
        try:
            cgroup.kill(self._kernel, facts.cgroup)
        except OSError as error:
            self._degrade(f"the cgroup could not be killed: {error.strerror}")

    def reap(self, event: Event) -> None:
        self._process.reap()

    def clear_pid(self, event: Event) -> None:
        self._process.clear()

    def look_again(self, event: Event) -> None:
        source: Any = self._source("readiness")
        if source is None:
            self._post(EventName.CLEAR, {}, "there is no readiness source")
        else:
            source.restate()

    def note_holder(self, event: Event) -> None:
        from .link_keepers import who_keeps

        self._facts.held_by = who_keeps(self._kernel)

    def note_survivors(self, event: Event) -> None:
        facts = self._facts
        if facts.cgroup is not None:
            left = cgroup.members(self._kernel, facts.cgroup.path)
        else:
            left = [member.pid for member in facts.rest if lives(self._kernel, member)]
        facts.held_by = f"pid {', '.join(map(str, left))}"

    def remove_cgroup(self, event: Event) -> None:
        made, self._facts.cgroup = self._facts.cgroup, None
        if made is not None:
            self._remove(made)

    # -- inside

    def _remove(self, made: Cgroup) -> None:
        try:
            cgroup.remove(self._kernel, made)
        except OSError as error:
            self._degrade(f"{made.path} is left: {error.strerror}")

    def _signal(self, setting: str) -> signal.Signals | None:
        name = self._settings[setting]
        return None if name is None else signal.Signals[str(name)]

    def _log_size(self) -> int:
        """Bytes in the log; 0 when that can't be told."""
        try:
            return self._kernel.fstat(given(self._facts.log).fd).size
        except OSError:
            return 0

    def _degrade(self, what: str) -> None:
        if what not in self._facts.degraded:
            self._facts.degraded.append(what)


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def given(value: T | None) -> T:
    """What an earlier action of the table has seen to."""
    assert value is not None
    return value

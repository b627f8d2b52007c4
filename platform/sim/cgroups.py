"""cgroup v2: folders of living processes, killed as one, which tell when the last has died.

Documentation/admin-guide/cgroup-v2.rst. A zombie is in none any more.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Callable, Iterator

from scxlife.platform.sources import inotify

from .clock import Clock
from .descriptors import Description, fail
from .nodes import Node, Text
from .processes import Process

MOUNT = "/sys/fs/cgroup"


class CgroupNode(Node):
    """`killed` is told of each process to which a write to `cgroup.kill` sends SIGKILL."""

    mode = stat.S_IFDIR | 0o755

    def __init__(self, hierarchy: Hierarchy, name: str, parent: CgroupNode | None) -> None:
        super().__init__(hierarchy.new_ino())
        self.hierarchy = hierarchy
        self.name = name
        self.parent = parent
        self.below: dict[str, CgroupNode] = {}
        self.members: list[Process] = []
        self.removed = False
        self._told = False
        self._files: dict[str, Node] = {
            "cgroup.procs": _ControlFile(self, "procs"),
            "cgroup.kill": _ControlFile(self, "kill"),
            "cgroup.events": Text(self._events, hierarchy.new_ino()),
        }

    @property
    def path(self) -> str:
        """As /proc/PID/cgroup tells it."""
        if self.parent is None:
            return "/"
        return f"{self.parent.path.rstrip('/')}/{self.name}"

    @property
    def populated(self) -> bool:
        return bool(self.members) or any(child.populated for child in self.below.values())

    def everyone(self) -> Iterator[Process]:
        yield from self.members
        for child in self.below.values():
            yield from child.everyone()

    def enter(self, process: Process) -> None:
        if process.cgroup is not None:
            process.cgroup.leave(process)
        process.cgroup = self
        self.members.append(process)
        self._changed()

    def leave(self, process: Process) -> None:
        self.members.remove(process)
        process.cgroup = None
        self._changed()

    def _changed(self) -> None:
        node: CgroupNode | None = self
        while node is not None:
            if node.populated != node._told:
                node._told = node.populated
                events = node._files["cgroup.events"]
                # cgroup_file_notify() may put it off.
                self.hierarchy.clock.after(self.hierarchy.latency(), lambda of=events: of.notify(inotify.IN_MODIFY))  # type: ignore[misc]
            node = node.parent

    def _events(self) -> str:
        if self.removed:
            fail(errno.ENODEV)
        return f"populated {int(self.populated)}\nfrozen 0\n"

    def lookup(self, name: str) -> Node:
        found = self._files.get(name) or self.below.get(name)
        if found is None or self.removed:
            fail(errno.ENOENT)
        return found

    def names(self) -> list[str]:
        return [*self._files, *self.below]

    def make_folder(self, name: str) -> None:
        if self.hierarchy.read_only:
            fail(errno.EROFS)
        if name in self.below:
            fail(errno.EEXIST)
        self.below[name] = CgroupNode(self.hierarchy, name, self)

    def remove_folder(self, name: str) -> None:
        node = self.below.get(name)
        if node is None:
            fail(errno.ENOENT if name not in self._files else errno.ENOTDIR)
        if node.members or node.below:
            fail(errno.EBUSY)
        node.removed = True
        del self.below[name]


class _ControlFile(Node):
    mode = stat.S_IFREG | 0o644

    def __init__(self, cgroup: CgroupNode, what: str) -> None:
        super().__init__(cgroup.hierarchy.new_ino())
        self._cgroup = cgroup
        self._what = what

    def open(self, flags: int) -> Description:
        if self._cgroup.hierarchy.read_only and flags & os.O_ACCMODE != os.O_RDONLY:
            fail(errno.EROFS)
        return OpenControl(self._cgroup, self._what)


class OpenControl(Description):
    """An open `cgroup.procs` or `cgroup.kill`."""

    def __init__(self, cgroup: CgroupNode, what: str) -> None:
        self.cgroup = cgroup
        self.name = f"{MOUNT}{cgroup.path}/cgroup.{what}"
        self._what = what
        self._read = False

    def read(self, size: int) -> bytes:
        if self._what == "kill":
            fail(errno.EINVAL)
        if self._read:
            return b""
        self._read = True
        return "".join(f"{process.pid}\n" for process in self.cgroup.members).encode()

    def write(self, data: bytes) -> int:
        if self.cgroup.removed:
            fail(errno.ENODEV)
        if self._what != "kill" or data.strip() != b"1":
            fail(errno.EINVAL)
        for process in list(self.cgroup.everyone()):
            self.cgroup.hierarchy.killed(process)
            process.signal(signal.SIGKILL)
        return len(data)


class Hierarchy:
    def __init__(
        self, clock: Clock, latency: Callable[[], int], killed: Callable[[Process], None], *, read_only: bool
    ) -> None:
        self.clock = clock
        self.latency = latency
        self.killed = killed
        self.read_only = read_only
        self._inos = 0
        self.root = CgroupNode(self, "", None)

    def new_ino(self) -> int:
        self._inos += 1
        return self._inos

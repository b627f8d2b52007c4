"""/proc, as far as anybody here reads it: proc_pid_stat(5), proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_task(5)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

from .cgroups import MOUNT
from .descriptors import Description, fail
from .nodes import MadeUp, MagicLink, Node, SymbolicLink, Text
from .processes import Process, Processes, ticks
from .struct_ops import PINS, Link


class ProcFolder(MadeUp):
    """`us` is who reads, and `descriptors` what it has open."""

    def __init__(
        self, table: Processes, us: Callable[[], Process], descriptors: Callable[[], Mapping[int, Description]]
    ) -> None:
        super().__init__(self._of, lambda: ["self", "mounts", *map(str, table.by_pid)])
        self._table = table
        self._us = us
        self._descriptors = descriptors
        self._folders: dict[Process, Node] = {}

    def _of(self, name: str) -> Node | None:
        if name == "self":
            return SymbolicLink(f"{self._us().pid}")
        process = self._table.by_pid.get(int(name)) if name.isdecimal() else None
        if process is None:
            return None
        folder = self._folders.get(process)
        if folder is None:
            folder = self._folders[process] = self._folder(process)
        return folder

    def _folder(self, process: Process) -> Node:
        def text(content: Callable[[], str]) -> Text:
            def of_the_living() -> str:
                if process.reaped:
                    fail(errno.ESRCH)
                return content()

            return Text(of_the_living)

        def children() -> str:
            return "".join(f"{child.pid} " for child in process.children)

        def task(name: str) -> Node | None:
            if name != str(process.pid):
                return None
            return _folder({"children": text(children), "stat": text(lambda: _stat(process))})

        def names_of_task() -> list[str]:
            return [] if process.reaped else [str(process.pid)]

        return _folder(
            {
                "stat": text(lambda: _stat(process)),
                "comm": text(lambda: f"{process.comm[:15]}\n"),
                "cgroup": text(lambda: f"0::{process.cgroup.path if process.cgroup is not None else '/'}\n"),
                "mountinfo": text(_mountinfo),
                "task": MadeUp(task, names_of_task),
                "fd": MadeUp(
                    lambda name: _link(self._open(process), name), lambda: [str(fd) for fd in self._open(process)]
                ),
                "fdinfo": MadeUp(
                    lambda name: _info(self._open(process), name), lambda: [str(fd) for fd in self._open(process)]
                ),
            }
        )

    def _open(self, process: Process) -> Mapping[int, Description | Link]:
        """What is behind each descriptor. A zombie has none."""
        if not process.alive:
            return {}
        return self._descriptors() if process is self._us() else process.links


def _folder(entries: Mapping[str, Node]) -> MadeUp:
    return MadeUp(entries.get, lambda: list(entries))


def _link(descriptors: Mapping[int, Description | Link], name: str) -> Node | None:
    found = descriptors.get(int(name)) if name.isdecimal() else None
    if found is None:
        return None
    node = getattr(found, "node", None)
    return SymbolicLink(found.name) if node is None else MagicLink(found.name, node)


def _info(descriptors: Mapping[int, Description | Link], name: str) -> Node | None:
    found = descriptors.get(int(name)) if name.isdecimal() else None
    return None if found is None else Text(found.fdinfo)


def _stat(process: Process) -> str:
    parent = 0 if process.parent is None else process.parent.pid
    zeros = " ".join("0" for _ in range(6))
    # Fields 1 to 8, 9 to 14, stime, 16 to 21, starttime, some of the rest.
    return (
        f"{process.pid} ({process.comm[:15]}) {process.letter} {parent} {process.group} {process.session} 0 -1 "
        f"{zeros} {ticks(process.kernel_time)} {zeros} {ticks(process.born)} 0 0 0\n"
    )


def _mountinfo() -> str:
    return (
        "22 1 0:20 / /proc rw,nosuid - proc proc rw\n"
        "23 1 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
        f"30 23 0:26 / {MOUNT} rw,nosuid - cgroup2 cgroup2 rw\n"
        f"31 23 0:27 / {PINS} rw,nosuid - bpf bpf rw,mode=700\n"
    )

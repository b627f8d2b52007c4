"""/sys/kernel/sched_ext: each text is made when it is read, and inotify hears of nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable

from .descriptors import fail
from .nodes import MadeUp, Node, Text
from .struct_ops import Instance, SchedExt


def sched_ext_folder(kernel: SchedExt) -> Node:
    attributes: dict[str, Callable[[], str]] = {
        "state": kernel.tell_state,
        "enable_seq": lambda: f"{kernel.enable_seq}\n",
        "hotplug_seq": lambda: f"{kernel.hotplug_seq}\n",
        "switch_all": lambda: f"{int(kernel.switch_all)}\n",
        "nr_rejected": lambda: "0\n",
    }
    files = {name: Text(content) for name, content in attributes.items()}

    def find(name: str) -> Node | None:
        if name == "root":
            return None if kernel.root is None else _root_folder(kernel.root)
        return files.get(name)

    return MadeUp(find, lambda: [*files, *(["root"] if kernel.root is not None else [])])


def _root_folder(instance: Instance) -> Node:
    def ops() -> str:
        if not instance.attributes:
            fail(errno.ENODEV)
        return f"{instance.shown_name}\n"

    def find(name: str) -> Node | None:
        return Text(ops) if name == "ops" and instance.attributes else None

    return MadeUp(find, lambda: ["ops"] if instance.attributes else [], instance.ino)

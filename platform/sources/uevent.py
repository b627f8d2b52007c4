"""The datagrams in which the kernel tells of its objects, lib/kobject_uevent.c."""

from __future__ import annotations

import attrs


@attrs.frozen
class Uevent:
    """`action` is add, remove, change, …; `devpath` is below /sys; `variables` is all of it again and more."""

    action: str
    devpath: str
    variables: dict[str, str]


def parse(datagram: bytes) -> Uevent:
    """`add@/kernel/sched_ext/root`, NUL, `ACTION=add`, NUL, … Anything else gives empty fields."""
    head, *rest = datagram.decode("utf-8", "replace").split("\0")
    action, _, devpath = head.partition("@")
    return Uevent(action, devpath, dict(line.split("=", 1) for line in rest if "=" in line))

"""Kernels as data: what differs from one version, or one place to run in, to the next."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Literal

import attrs

#: The steps of an enable that a reader of sysfs can tell apart: `root/` with an empty `root/ops` appears; `root/ops`
#: has its text; `state` says enabling; ops.init runs, for as long as it likes.
Step = Literal["kobject", "name", "enabling", "init"]


@attrs.frozen
class Profile:
    """`enable` is the order of an enable's steps; what commits it follows behind them in every version.

    `exit_info`: whether PIDFD_GET_INFO tells the status of a reaped process; None where it knows of no such thing
    and fails with `info_errno`.
    """

    release: str
    enable: tuple[Step, ...] = ("enabling", "kobject", "name", "init")
    sched_ext: bool = True
    pidfd: bool = True
    exit_info: bool | None = True
    info_errno: int = errno.ENOTTY
    uevents: bool = True
    kernel_log: bool = True
    cgroups: bool = True


# kernel/sched/ext.c and fs/pidfs.c of each series.
P12 = Profile("6.12", ("kobject", "name", "enabling", "init"), exit_info=None, info_errno=errno.EINVAL)
P17 = Profile("6.17", ("kobject", "name", "enabling", "init"))
P72 = Profile("7.2")
P73 = Profile("7.3", ("enabling", "init", "kobject", "name"))

PROFILES: Mapping[str, Profile] = {
    "6.12": P12,
    "6.17": P17,
    "7.2": P72,
    "7.3": P73,
    "no-sched-ext": attrs.evolve(P72, sched_ext=False),
    "no-pidfd-info": attrs.evolve(P72, exit_info=None),
    "no-pidfd": attrs.evolve(P72, pidfd=False, exit_info=None),
    "no-network": attrs.evolve(P72, uevents=False),
    # Another user and network namespace: no uevents reach it, the log is not its to read, cgroups are read-only.
    "container": attrs.evolve(P72, uevents=False, kernel_log=False, cgroups=False),
}

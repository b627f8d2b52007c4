"""How long the kernel has worked on behalf of a process: the one sign of progress that the BPF verifier gives.

The verifier runs inside bpf(2), in the loading process, and can take tens of seconds; nothing in sysfs moves meanwhile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .sched_ext import PROC, stat_field

if TYPE_CHECKING:
    from .kernel import Kernel

_STIME = 15  # proc_pid_stat(5)


def kernel_seconds(kernel: Kernel, pid: int, *, proc: str = PROC) -> float | None:
    """Seconds that the process has spent in the kernel, all its threads together; None when it is gone.

    Counted in clock ticks, 10 ms each on most machines.
    """
    ticks = stat_field(kernel, pid, _STIME, proc)
    return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")

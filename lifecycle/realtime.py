"""The supervisor is itself scheduled by the scheduler that it supervises: one that stalls would stall its judge too.

So it runs in SCHED_FIFO, a class that sched_ext does not touch, and waits for no page that was taken from it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.platform.kernel import Kernel

# Any is above all that is not real-time; the lowest leaves room for whoever knows better.
PRIORITY = 1


def take_precedence(kernel: Kernel) -> list[str]:
    """Put this process first and keep its memory. What was refused, in words; the rest holds all the same."""
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("SCHED_FIFO", lambda: kernel.run_first(PRIORITY)),
        ("mlockall", kernel.lock_memory),
    )
    refused = []
    for name, step in steps:
        try:
            step()
        except OSError as error:
            number = error.errno or 0
            refused.append(f"{name}: {errno.errorcode.get(number, str(number))}: {error.strerror}")
    return refused

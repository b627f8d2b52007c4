"""Who keeps a scheduler in the kernel after the process that attached it has died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.platform.pinned_links import pinned_links
from scxlife.platform.sched_ext import link_holders

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel


def who_keeps(kernel: Kernel) -> str:
    """In words: the processes that hold a struct_ops link, and the files at which one is pinned."""
    holders = link_holders(kernel)
    kept = [f"held by {holder.command}, pid {holder.pid}" for holder in holders.found]
    kept += [f"pinned at {pin.path}" for pin in pinned_links(kernel)]
    if kept:
        return ", ".join(kept)
    return "by nobody who could be found" + ("" if holders.complete else ": some processes may not be looked into")

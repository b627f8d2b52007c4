"""How a command tells a problem that the user can mend: one line that says what, one that says what to do next."""

from __future__ import annotations

import sys
from collections.abc import Callable

from scxlife.lifecycle.plain_text import plain
from scxlife.platform.vm.cache import ArtifactError, Damaged

FAILED = 1


def damaged(check: Callable[[], object]) -> bool:
    """Whether ``check`` finds an entry of the cache damaged, which is told on standard error."""
    try:
        check()
    except Damaged as damage:
        print(f"scxlife: {damage}\nhint: {damage.hint}", file=sys.stderr)
        return True
    return False


def telling(work: Callable[[], int]) -> int:
    """The exit status of ``work``, with its problems told on standard error."""
    try:
        return work()
    except ArtifactError as error:
        # A probe's words come from QEMU, others from a package or a file.
        print(*map(plain, f"scxlife: error: {error}\nhint: {error.hint}".split("\n")), sep="\n", file=sys.stderr)
        return FAILED

"""How a command tells a problem that the user can mend: one line that says what, one that says what to do next."""

from __future__ import annotations

import sys
from collections.abc import Callable

from scxlife.lifecycle.plain_text import plain
from scxlife.platform.vm.cache import ArtifactError

FAILED = 1
#: 128 + SIGINT, as a shell reports it.
INTERRUPTED = 130


def telling(work: Callable[[], int]) -> int:
    """The exit status of ``work``, with its problems told on standard error."""
    try:
        return work()
    except ArtifactError as error:
        # A probe's words come from QEMU, others from a package or a file.
        print(*map(plain, f"scxlife: error: {error}\nhint: {error.hint}".split("\n")), sep="\n", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("scxlife: interrupted; nothing half-made is left", file=sys.stderr)
        return INTERRUPTED

"""The command `scxlife` of a guest's payload: it asks PID 1, and nothing else.

Each start is paid under emulation, so it takes its few words apart itself, without argparse.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .commands import ctl
from .outcomes import USAGE as BAD_USAGE

SOCKET = "/run/scxlife.control"
USAGE = f"""usage: scxlife ctl [--json] REQUEST [NAME]
REQUEST is one of {", ".join(ctl.REQUESTS)}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """`scxlife ctl REQUEST [NAME]`; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    plain = [word for word in words if word != "--json"]
    if plain[:1] != ["ctl"] or not 2 <= len(plain) <= 3 or plain[1] not in ctl.REQUESTS:
        print(USAGE, file=sys.stderr)
        return BAD_USAGE
    try:
        return ctl.ask(SOCKET, plain[1], plain[2] if len(plain) > 2 else None, as_json=plain != words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Nobody reads: what is still buffered goes nowhere, or the flush at exit would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141

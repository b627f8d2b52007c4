"""The end of a run, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from scxlife import __version__

from .outcomes import Outcome, as_json, describe_exit
from .plain_text import plain

# The kernel's lines of an ejection: all of them are in the JSON.
SHOWN = 5


def say_outcome(outcome: Outcome, write: Callable[[str], object], *, log_path: str | None = None) -> None:
    """A few lines that tell what came of it, and for a failure the last words of the process."""

    def say(line: str) -> None:
        write(plain(line))

    say("")
    say(f"outcome    {outcome.name}: {outcome.reason}")
    if outcome.exit is not None or outcome.timings:
        say(f"exit       {describe_exit(outcome.exit)}")
    if outcome.kernel_reason is not None:
        say(f"kernel     {outcome.kernel_reason}")
        for detail in outcome.kernel_details[:SHOWN]:
            if detail != outcome.kernel_reason:
                say(f"           {detail}")
    if outcome.hint is not None:
        say(f"hint       {outcome.hint} [{outcome.cause}]")
    if outcome.partial and outcome.status == 0:
        say("partial    it has only the tasks that ask for it (SCHED_EXT)")
    if outcome.payload is not None:
        status = outcome.payload.get("error") or describe_exit(outcome.payload.get("exit"))
        say(f"payload    {status}")
    if outcome.log_lost is not None:
        say(f"log        lost: {outcome.log_lost}")
    elif log_path is not None:
        say(f"log        {log_path}")
    if outcome.log_dropped:
        say(f"           its first {outcome.log_dropped} bytes were given up")
    if outcome.status not in (0, 127):
        for what in outcome.degraded:
            say(f"degraded   {what}")
    if outcome.status not in (0, 127) and outcome.log_tail:
        say("its last words:")
        for line in outcome.log_tail.splitlines()[-15:]:
            say(f"  {line}")


def print_json(outcome: Outcome, definition: str, /, **more: Any) -> None:
    """One object, the last line of stdout."""
    sys.stdout.write(json.dumps({**as_json(outcome, definition, __version__), **more}, ensure_ascii=False) + "\n")
    sys.stdout.flush()

"""How a page's commands that boot a guest are run here: the same, and emulated, as the page was when it was printed."""

from __future__ import annotations

import re

BOOT = "scxlife vm run"


def emulated(command: str) -> str:
    """`command` with the emulation named; no other one is touched. KVM, where there is one, is what other tests try."""
    return command.replace(BOOT, f"{BOOT} --accel tcg") if command.startswith(BOOT) else command


def moves(printed: str) -> list[tuple[str, ...]]:
    """State, event and next state of each line of a timeline; what the kernel says besides comes when it comes.

    On a busy machine a scheduler is attached after the liveness window, by way of `attaching`: that is the same here.
    """
    rows = [tuple(row) for row in re.findall(r"^ +[\d.]+  (\w+) +(\w+) +→ (\w+)", printed, re.MULTILINE)]
    late = ("startup", "liveness_over", "attaching")
    if late in rows:
        rows.remove(late)
        rows = [("startup", *rest) if state == "attaching" else (state, *rest) for state, *rest in rows]
    return rows


def ending(printed: str) -> str:
    """What is printed behind the timeline; how long a scheduler was attached is another figure in each run."""
    return re.sub(r"attached for [\d.]+ s", "attached for some seconds", printed[printed.index("\n\n") :])

"""What a child does not get from us: a protection from the OOM killer, and capabilities that are ours alone.

A service manager says which capabilities children get: the ambient ones, capabilities(7). For root the kernel ignores
that at execve(2), unless no_new_privs is set and the child has given up the others before.
"""

# ruff: noqa: PTH123
# PID 1 does without pathlib.

from __future__ import annotations

import os

_SCORE = "/proc/self/oom_score_adj"


def capabilities_of_children() -> int | None:
    """The mask of capabilities that children keep, or None if they keep ours: without no_new_privs or ambient ones."""
    try:
        with open("/proc/self/status", "rb") as file:
            told = dict(line.split(b":", 1) for line in file if b":" in line)
        ambient = int(told[b"CapAmb"], 16)
        return ambient if ambient and int(told[b"NoNewPrivs"]) else None
    except (OSError, ValueError, KeyError):
        return None


def give_up_protection() -> None:
    """In the child: an `oom_score_adj` below 0 becomes 0. It may always be raised. Without /proc it stays."""
    try:
        score = os.open(_SCORE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if int(os.read(score, 16)) < 0:
            os.pwrite(score, b"0", 0)
    except (OSError, ValueError):
        pass
    finally:
        os.close(score)

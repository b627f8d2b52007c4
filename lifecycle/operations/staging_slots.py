"""Where the files of a staged scheduler are in a guest, and where each life's log goes."""

from __future__ import annotations

STAGING = "/staging/schedulers"
# The files of a slot.
BINARY, ARGUMENTS = "scheduler", "sched_args"


def slot(name: str) -> tuple[str, str]:
    """The program and the file with its arguments."""
    return f"{STAGING}/{name}/{BINARY}", f"{STAGING}/{name}/{ARGUMENTS}"


def log_path(folder: str, name: str, number: int) -> str:
    """The log of the life `number`: that is never used again, so no log is written over."""
    return f"{folder}/sched_{name}_{number}.log"

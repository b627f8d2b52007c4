"""embedder.py default|ignored STORY FOLDER [WORD…]: a program that embeds the lifecycle, with SIGCHLD as it finds it.

Prints what it saw as one JSON object. Nobody else's threads, descriptors or children are in this process.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from life import Life, profile  # type: ignore[import-not-found]

DISPOSITIONS = {"default": signal.SIG_DFL, "ignored": signal.SIG_IGN}
MOST_DESCRIPTORS = 40
WARM_UP = 200


def descriptors() -> list[int]:
    with os.scandir("/proc/self/fd") as entries:
        listed = [int(entry.name) for entry in entries]
    return sorted(fd for fd in listed if is_open(fd))


def is_open(fd: int) -> bool:
    """Not so the one with which the folder was listed; and libffi of 2025 and later, which is behind ctypes, has its
    own file open as long as it is loaded."""
    try:
        return not Path(f"/proc/self/fd/{fd}").readlink().name.startswith("libffi.so")
    except OSError:
        return False


def children() -> list[int]:
    """Zombies are among them."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def memory() -> dict[str, int]:
    """The interpreter's blocks, which are exact, and the resident KiB, which come and go an arena (1 MiB) at a time."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return {"blocks": sys.getallocatedblocks(), "KiB": int(resident)}


def remains() -> dict[str, Any]:
    return {"children": children(), "descriptors": descriptors(), "threads": threading.active_count()}


def early(folder: Path, kind: str, number: str, times: str) -> dict[str, Any]:
    """Programs that end at once: their statuses, in order."""
    definition = profile("none", liveness=60.0)
    outcomes = [Life(folder).run(definition, "ends", kind, number) for _ in range(int(times))]
    return {"exits": [outcome.exit for outcome in outcomes], "names": sorted({outcome.name for outcome in outcomes})}


def late(folder: Path, kind: str, number: str) -> dict[str, Any]:
    """A program that ends when it has been seen running."""
    os.mkfifo(folder / "go")
    go = os.open(folder / "go", os.O_RDWR | os.O_CLOEXEC)
    life = Life(folder)
    life.at_ready = lambda: os.write(go, b"\n")
    outcome = life.run(profile("file"), "ends", kind, number, life.ready, folder / "go")
    life.bury()
    os.close(go)
    return {"exit": outcome.exit, "name": outcome.name, "status": outcome.status, "reason": outcome.reason}


def stopped(folder: Path, program: str) -> dict[str, Any]:
    """A program that is stopped by a bound of no time."""
    life = Life(folder)
    settings = {"stop_grace": 0.05} if program == "ignores" else {}
    words = (2, life.ready) if program == "tree" else (life.ready,)
    outcome = life.run(profile("file", run_for=0.0, **settings), program, *words)
    survivors = life.survivors()
    told = {"exit": outcome.exit, "name": outcome.name, "family": len(life.family), "survivors": survivors}
    life.bury()
    return told


def many(folder: Path, times: str) -> dict[str, Any]:
    """Lives of every kind, one after the other; what they have added after a warm-up."""
    kinds = [
        (profile("none", liveness=60.0), ("ends", "code", 3)),
        (profile("none", liveness=60.0), ("ends", "signal", 9)),
        (profile("none", liveness=0.0, run_for=0.0), ("/bin/sleep", 300)),
        (profile("file", run_for=0.0), ("closes_stdio", folder / "ready")),
        (profile("none"), ("/etc/passwd",)),
        (profile("none"), ("/no/such/program",)),
        (profile("file", liveness=0.0, attach_timeout=0.0), ("/bin/sleep", 300)),
        (profile("none", liveness=0.0, run_for=0.0, stop_grace=0.0), ("ignores", folder / "ready")),
    ]
    counts: dict[str, int] = {}
    for number in range(WARM_UP + int(times)):
        if number == WARM_UP:
            before = memory()
        definition, (command, *words) = kinds[number % len(kinds)]
        (folder / "ready").unlink(missing_ok=True)
        life = Life(folder)
        name = life.run(definition, command, *words).name
        life.bury()
        counts[name] = counts.get(name, 0) + 1
    return {"before": before, "after": memory(), "counts": counts}


def starved(folder: Path, how: str) -> dict[str, Any]:
    """One more descriptor each time, from none until a run succeeds: each call is the one that fails once."""
    settings: dict[str, Any] = {"run_for": 0.0, "liveness": 0.02, "attach_timeout": 60.0}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    outcomes, lost = [], []
    for more in range(MOST_DESCRIPTORS):
        (folder / f"{more}").mkdir()
        life = Life(folder / f"{more}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (3 + more, hard))
        try:
            outcome = life.run(profile(how, **settings), "stopped", life.ready)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        lost += life.members()
        life.bury()
        outcomes.append((outcome.name, outcome.reason))
        if outcome.name == "stopped":
            break
    return {"outcomes": outcomes, "lost": lost}


def far_descriptor(folder: Path) -> dict[str, Any]:
    """A descriptor that is inherited, and above the limit that was lowered since."""
    os.dup2(1, 100, inheritable=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    outcome = Life(folder).run(profile("none", liveness=60.0), "ends", "code", 3)
    return {"name": outcome.name, "reason": outcome.reason}


STORIES = {story.__name__: story for story in (early, late, stopped, many, starved, far_descriptor)}

if __name__ == "__main__":
    disposition, name, folder, *words = sys.argv[1:]
    signal.signal(signal.SIGCHLD, DISPOSITIONS[disposition])
    told = STORIES[name](Path(folder), *words)
    print(json.dumps({**told, **remains()}))

"""The ways to wait for a child that tests/bench/exit.py compares, each run as a process of its own.

    python exit_waiters.py NAME CHILD FIFO STAMP

For each delay on stdin, in microseconds, a child is started (exit_child.c), told its delay, and waited for. Printed is,
as JSON, how long after the child's stamp what was known, in nanoseconds.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PATIENCE = 60.0

# Starts one child by these words, calls the function that lets it go, and waits. The moments of CLOCK_MONOTONIC, in ns,
# at which its end was known, by name.
Wait = Callable[[list[str], Callable[[], object]], Mapping[str, int]]


def bare_poll() -> Wait:
    def wait(argv: list[str], release: Callable[[], object]) -> Mapping[str, int]:
        with subprocess.Popen(argv) as child:
            pidfd = os.pidfd_open(child.pid)
            poller = select.poll()
            poller.register(pidfd, select.POLLIN)
            release()
            poller.poll()
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
            known = time.monotonic_ns()
            os.close(pidfd)
        return {"Python select.poll(pidfd)": known}

    return wait


def asyncio_wait() -> Wait:
    import asyncio

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # The watcher that this Python takes by itself; from 3.14 on there is no other than pidfd, and nobody to ask.
    watcher = type(asyncio.get_child_watcher()).__name__ if sys.version_info < (3, 14) else "pidfd"

    async def run(argv: list[str], release: Callable[[], object]) -> int:
        child = await asyncio.create_subprocess_exec(*argv)
        release()
        await child.wait()
        return time.monotonic_ns()

    return lambda argv, release: {f"asyncio ({watcher})": loop.run_until_complete(run(argv, release))}


def popen_wait() -> Wait:
    def wait(argv: list[str], release: Callable[[], object]) -> Mapping[str, int]:
        child = subprocess.Popen(argv)
        release()
        child.wait(PATIENCE)
        return {"Popen.wait(timeout)": time.monotonic_ns()}

    return wait


def psutil_wait() -> Wait:
    import psutil

    def wait(argv: list[str], release: Callable[[], object]) -> Mapping[str, int]:
        child = psutil.Popen(argv)
        release()
        psutil.Process.wait(child, PATIENCE)
        return {"psutil.Process.wait(timeout)": time.monotonic_ns()}

    return wait


def ours(name: str, *, taped: bool) -> Wait:
    """A whole life under the shipped definition. `told`: the event `exited` with the status; `step`: what follows from
    it was decided; `outcome`: the child is buried, and `Supervision.run` has returned."""
    from scxlife.fsm.tape import Tape
    from scxlife.lifecycle.options import shipped
    from scxlife.lifecycle.plan import Plan
    from scxlife.lifecycle.supervision import Supervision
    from scxlife.lifecycle.tapefile import TapeFile
    from scxlife.platform.linux import LinuxKernel

    # The end is measured, out of `running`: a second of liveness for each start would only be waited out.
    definition = shipped().with_profile("none").with_settings(early_ready=True)
    kernel = LinuxKernel()

    def wait(argv: list[str], release: Callable[[], object]) -> Mapping[str, int]:
        folder = Path(argv[-1]).parent
        plan = Plan(command=argv[0], arguments=tuple(argv[1:]), log_path=str(folder / "log"))
        seen: dict[str, int] = {}
        with TapeFile(str(folder / "tape") if taped else None) as file:
            tape = Tape(definition, kernel.monotonic, file)

            def observe(record: Mapping[str, Any]) -> None:
                if record.get("event") == "exited":
                    assert record["kind"] == "event" or (record["state"], record["cell"]) == ("running", "go")
                    seen[f"{name}: {'told' if record['kind'] == 'event' else 'step'}"] = round(record["t"] * 1e9)
                if taped:
                    tape(record)

            def announce(name: str, _: object) -> None:
                if name == "attached":
                    release()

            outcome = Supervision(kernel, definition, plan, observer=observe, announce=announce).run()
        assert outcome.exit == {"code": 0}
        return {**seen, f"{name}: outcome": time.monotonic_ns()}

    return wait


WAITERS: dict[str, Callable[[], Wait]] = {
    "scxlife": lambda: ours("scxlife", taped=False),
    "scxlife with a tape": lambda: ours("scxlife with a tape", taped=True),
    "select.poll": bare_poll,
    "asyncio": asyncio_wait,
    "Popen.wait": popen_wait,
    "psutil": psutil_wait,
}


def main() -> None:
    name, child, fifo, stamp = sys.argv[1:]
    gate = os.open(fifo, os.O_RDWR)
    with Path(stamp).open("r+b") as file:
        stamped = mmap.mmap(file.fileno(), 8)
    wait = WAITERS[name]()
    for line in sys.stdin:
        delay = struct.pack("Q", int(line))
        moments = wait([child, fifo, stamp], lambda delay=delay: os.write(gate, delay))  # type: ignore[misc]
        (ended,) = struct.unpack("q", stamped)
        print(json.dumps({known: at - ended for known, at in moments.items()}), flush=True)


if __name__ == "__main__":
    main()

"""How long after the kernel's `enabled` a scheduler is known to be attached: our PID 1 beside a poll every 50 ms.

One guest, in which a PID 1 made for this (tests/vm/inits/attaches.py) takes the scheduler through its whole life many
times, with the sources, the machine and the tape of the production init. The poll (state_poll.c) looks at the kernel's
`state` in the same guest at the same time, at the same priority. `root/ops`, which others poll, would not do: it has a
name while the scheduler is still being enabled. Ours is the step `ready` into `running` of the tape. `enabled` is the
time of the kernel's own log record, brought to CLOCK_MONOTONIC by records of ours before and after each life.

The guest has one CPU: without KVM, QEMU 7 runs all of them in turn on one thread, and a wake-up across CPUs waits for
up to 100 ms until the turn comes.

    python tests/bench/attach.py [LIVES]
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import date, head, where
from native import HERE, compiled
from tables import Aim, aims, table

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import LAZY
from scxlife.lifecycle.options import shipped
from scxlife.platform.vm import accel, frames, guest, image, kernels, schedulers
from scxlife.platform.vm.qemu import run_guest

LIVES = 25
INTERVAL_US = 50_000
CPUS = 1
# How long each runs: longer than the poll's pause, or it could miss an instance, and never a multiple of it, or all
# lives would begin in the same phase of the poll.
RUNS_S = (0.2, 0.25)
BOUND_S = 180.0


def guest_spec(folder: Path, config: dict[str, Any]) -> tuple[guest.GuestSpec, str]:
    """The guest, and what is to be said of it."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise SystemExit("qemu-system-x86 is needed: make packages")
    kernel, scheduler = kernels.find(), schedulers.find("scx_simple")
    sys.path.insert(0, str(HERE.parent / "vm"))
    base = image.build_base(entry="inits.attaches", modules=LAZY)
    run = image.Run(
        config=json.dumps(config).encode(),
        definition=freeze(shipped().with_profile("boot")),
        scheduler=scheduler,
        files=((compiled("state_poll.c", folder, static=True), "/state_poll"),),
    )
    image.build_run(base, run, folder / "initrd")
    chosen = accel.choose("auto", qemu=Path(qemu))
    # Without the word the kernel drops records of user space that come too often.
    append = ("printk.devkmsg=on",)
    spec = guest.GuestSpec(
        kernel.vmlinuz, folder / "initrd", chosen, Path(qemu), cpus=CPUS, timeout=BOUND_S, append=append
    )
    return spec, f"{kernel.version}, {spec.cpus} CPUs, {chosen.name}; {scheduler.name}"


def boot(spec: guest.GuestSpec) -> list[dict[str, Any]]:
    """What the guest told of each life, with `ready`: the moments of the steps by which it was attached."""
    lives: list[dict[str, Any]] = []
    ready: list[float] = []

    def on_frame(frame: frames.Frame) -> None:
        if frame.type == frames.TAPE:
            record = json.loads(frame.payload)
            if (record["kind"], record.get("event"), record.get("to")) == ("step", "ready", "running"):
                ready.append(record["t"])
        elif frame.type == frames.LIFECYCLE:
            lives.append({**json.loads(frame.payload), "ready": tuple(ready)})
            ready.clear()

    result = run_guest(spec, on_frame=on_frame)
    if not isinstance(result, guest.Completed):
        raise SystemExit(f"the guest has failed: {result}")
    return lives


def delays(lives: Sequence[dict[str, Any]], known: str) -> list[float]:
    """Milliseconds from `enabled` to what is `known`; each life has one of both, or nothing can be compared."""
    found = []
    for life in lives:
        (enabled,), (at,) = life["enabled"], life[known]
        found.append((at - enabled) * 1e3)
    return found


def main() -> None:
    lives = int(sys.argv[1]) if len(sys.argv) > 1 else LIVES
    here = where()
    draw = random.Random(1)
    config = {"lives": [draw.uniform(*RUNS_S) for _ in range(lives)], "interval_us": INTERVAL_US}
    with tempfile.TemporaryDirectory(prefix="scxlife-bench-") as folder:
        spec, here["guest"] = guest_spec(Path(folder), config)
        told = boot(spec)
    here["the log's clock"] = f"strayed {max(life['strayed'] for life in told) * 1e6:.0f} µs in a life at most"
    contestants = {"scxlife": delays(told, "ready"), "poll every 50 ms": delays(told, "polled")}
    rows = [
        (name, *(f"{ms:.2f}" for ms in (min(found), statistics.median(found), max(found))))
        for name, found in contestants.items()
    ]
    ours, poll = (statistics.median(found) for found in contestants.values())
    print(
        head(date(), here),
        table(f"from the kernel's `enabled` to attached, ms, {lives} lives", ("", "best", "p50", "worst"), rows),
        aims("aims", [Aim("p50 of ours", 5, ours, "ms"), Aim("the poll's p50 beside ours", 5, poll / ours, "×", True)]),
        sep="\n\n",
    )


if __name__ == "__main__":
    main()

"""What a supervisor costs while nothing happens: how often it woke, and its memory, beside polls every 50 ms.

On this host `scxlife run` with both kinds of readiness that need no sched_ext, and a supervisor that polls
(quiet_poll.py). In a guest our PID 1 with the tests' own scheduler attached, and a poll of the kernel's state
(state_poll.c). All at the same time. A wake-up is a context switch: what never runs is never switched, so voluntary and
involuntary ones both count.

    python tests/bench/quiet.py [SECONDS]
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
from machine import date, head, where
from native import HERE, compiled
from tables import Aim, aims, table

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import ENTRY, LAZY
from scxlife.lifecycle.guest_run import run_in_guest
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.platform.vm import accel, guest, image, kernels

SECONDS = 30.0
RESIDENT_MB = 30
FIXTURE = HERE.parent / "schedulers" / "build.py"
# Until a source that was told of a change no longer looks closer.
SETTLED_S = 1.0
RUNNING = "→ running"
POLL_US = 50_000
# One line for PID 1 and one for the poll: switches before, switches after, KiB.
PAYLOAD = """
switches() { cat /proc/$1/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'; }
poll=$(pidof state_poll)
sleep SETTLED
ours=$(switches 1); theirs=$(switches $poll)
sleep SECONDS
echo $ours $(switches 1) $(awk '/VmRSS/ { print $2 }' /proc/1/status)
echo $theirs $(switches $poll) $(awk '/VmRSS/ { print $2 }' /proc/$poll/status)
"""


@attrs.frozen
class Quiet:
    """`switches` of all threads, resident `kib`."""

    switches: int
    kib: int

    @property
    def megabytes(self) -> float:
        return self.kib * 1024 / 1e6


def looked_at(pid: int) -> Quiet:
    """From the birth of the process until now."""
    switches = kib = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        switches += int(fields["voluntary_ctxt_switches"]) + int(fields["nonvoluntary_ctxt_switches"])
        kib = int(fields["VmRSS"].split()[0])
    return Quiet(switches, kib)


@contextmanager
def running(*words: str | Path) -> Iterator[int]:
    """The pid of a Python program that has said that what it supervises runs; interrupted in the end."""
    command = [sys.executable, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            if not any(RUNNING in line for line in process.stdout):
                raise SystemExit(f"it does not run: {command}")
            yield process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def supervisors(folder: Path) -> dict[str, tuple[str | Path, ...]]:
    """What is to be run, by name."""
    ready = []
    # A folder for each: whoever watches one is woken by what others do in it.
    for name in ("none", "file", "poll"):
        (folder / name).mkdir()
        ready.append(folder / name / "ready")
    daemons = [("/bin/sh", "-c", f"touch {path}; exec sleep 3600") for path in ready]
    ours = ("-m", "scxlife.lifecycle", "run", "--ready")
    return {
        "scxlife run --ready none": (*ours, "none", "--", *daemons[0]),
        "scxlife run --ready file:": (*ours, f"file:{ready[1]}", "--", *daemons[1]),
        "poll every 50 ms": (HERE / "quiet_poll.py", ready[2], *daemons[2]),
    }


def in_guest(folder: Path, seconds: float) -> tuple[list[Quiet], str]:
    """Our PID 1 and the poll over `seconds`, and what is to be said of the guest."""
    qemu, busybox = shutil.which("qemu-system-x86_64"), shutil.which("busybox")
    if qemu is None or busybox is None:
        raise SystemExit("busybox-static and qemu-system-x86 are needed: make packages")
    kernel = kernels.find()
    # The kernel's examples print something every second, and a log that grows is a cause to look.
    fixture = subprocess.run([sys.executable, FIXTURE], check=True, stdout=subprocess.PIPE, text=True).stdout
    payload = PAYLOAD.replace("SETTLED", str(SETTLED_S)).replace("SECONDS", str(seconds))
    setup = f"/state_poll {POLL_US} /dev/null >/dev/null 2>&1 &"
    base = image.build_base(entry=ENTRY, modules=LAZY, busybox=Path(busybox))
    run = image.Run(
        config=json.dumps({"payload": ["/bin/sh", "-c", payload], "setup": setup}).encode(),
        definition=freeze(shipped().with_profile("boot")),
        boot=freeze(boot_ending()),
        scheduler=Path(fixture.strip()),
        files=((compiled("state_poll.c", folder, static=True), "/state_poll"),),
    )
    chosen = accel.choose("auto", qemu=Path(qemu))
    with tempfile.TemporaryFile() as orders:
        image.write_run(base, run, orders)
        orders.seek(0)
        spec = guest.GuestSpec(
            kernel.vmlinuz, base.archive, chosen, Path(qemu), timeout=seconds + 90, orders=orders.fileno()
        )
        attempt = run_in_guest(spec, on_tape=lambda line: None, cold=True)
    lines = attempt.payload_output.decode().splitlines()
    if attempt.failure or len(lines) != 2:
        raise SystemExit(f"the guest has failed: {attempt}")
    counted = [[int(word) for word in line.split()] for line in lines]
    said = f"{kernel.version}, {spec.cpus} CPUs, {chosen.name}"
    return [Quiet(after - before, kib) for before, after, kib in counted], said


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    here = where()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scxlife-bench-")))
        started = {name: stack.enter_context(running(*words)) for name, words in supervisors(folder).items()}
        time.sleep(SETTLED_S)
        before, since = {name: looked_at(pid) for name, pid in started.items()}, time.monotonic()
        (pid_1, poll), here["guest"] = in_guest(folder, seconds)
        elapsed = time.monotonic() - since
        found = {}
        for name, pid in started.items():
            after = looked_at(pid)
            found[name] = attrs.evolve(after, switches=after.switches - before[name].switches)
    figures = [(name, elapsed, quiet) for name, quiet in found.items()]
    figures += [
        ("guest: PID 1, a scheduler attached", seconds, pid_1),
        ("guest: poll every 50 ms, in C", seconds, poll),
    ]
    rows = [
        (name, f"{over:.0f}", f"{quiet.switches:,}", f"{quiet.switches / over:.1f}", f"{quiet.megabytes:.1f}")
        for name, over, quiet in figures
    ]
    own = [quiet for name, _, quiet in figures if "poll" not in name]
    wanted = [
        Aim("context switches of ours, all together", 0, sum(quiet.switches for quiet in own), ""),
        Aim("resident memory of ours, the largest", RESIDENT_MB, max(quiet.megabytes for quiet in own), "MB"),
    ]
    title = "a run in which nothing happens"
    columns = ("", "seconds", "context switches", "a second", "resident MB")
    print(head(date(), here), table(title, columns, rows), aims("aims", wanted), sep="\n\n")


if __name__ == "__main__":
    main()

"""How long a guest takes from the command line to its scheduler, and to its end: warm and cold, beside its peers.

In turn, in one run, each a whole command that starts scx_simple and ends: `vm run -- true` with a guest that was saved,
the same with --cold, QEMU with a busybox initramfs that starts the same scheduler from a shell script, and, where it is
installed, virtme-ng without a scheduler. In seconds from exec; `attached` is when the command says so, for the busybox
guest when its kernel does.

    python -m tests.bench.start [RUNS] [KERNEL …]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
from tests.bench.boot import ENABLED, busybox_image
from tests.bench.machine import date, head, where
from tests.bench.tables import Aim, aims, table

from scxlife.platform.vm import accel, kernels, schedulers
from scxlife.platform.vm.guest import GuestSpec
from scxlife.platform.vm.qemu import command

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run"]
RUNS = 7


@attrs.frozen
class Took:
    """Seconds from exec. `attached` is None where nothing attaches."""

    attached: float | None
    ended: float


def took(words: Sequence[str], mark: str | None) -> Took:
    """One command, to its end. `mark` is in the line that tells of the scheduler."""
    began = time.monotonic()
    attached = None
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as done:
        assert done.stdout is not None
        for line in done.stdout:
            if mark is not None and mark.encode() in line and attached is None:
                attached = time.monotonic() - began
    if done.returncode or (mark is not None and attached is None):
        silent = f", and never said {mark}" if mark is not None and attached is None else ""
        raise SystemExit(f"{' '.join(words)}: it ended with {done.returncode}{silent}")
    return Took(attached, time.monotonic() - began)


def peers(kernel: kernels.Kernel, folder: Path) -> dict[str, tuple[list[str], str | None]]:
    """Each command, and what it says once the scheduler is attached."""
    busybox, qemu = shutil.which("busybox"), shutil.which("qemu-system-x86_64")
    if busybox is None or qemu is None:
        raise SystemExit("busybox-static and qemu-system-x86 are needed: make packages")
    ours = [*SCXLIFE, "--kernel", kernel.version]
    initrd = folder / f"busybox-{kernel.version}"
    busybox_image(Path(busybox), schedulers.find("scx_simple"), initrd)
    chosen = accel.choose("auto", qemu=Path(qemu))
    spec = GuestSpec(kernel.vmlinuz, initrd, chosen, Path(qemu), append=("loglevel=7",))
    line = command(spec, 0, 0, 0, 0)
    append = line[line.index("-append") + 1]
    bare = [qemu, "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-no-reboot", "-M", "pc"]
    bare += [*chosen.arguments, "-smp", "2", "-m", "512M", "-serial", "stdio"]
    bare += ["-kernel", str(kernel.vmlinuz), "-initrd", str(initrd), "-append", append]
    found: dict[str, tuple[list[str], str | None]] = {
        "scxlife, warm": ([*ours, "--", "true"], "→ running"),
        "scxlife, --cold": ([*ours, "--cold", "--", "true"], "→ running"),
        "QEMU with busybox": (bare, ENABLED),
    }
    vng = os.environ.get("VNG") or shutil.which("vng")
    if vng:
        words = [vng, "--run", str(kernel.vmlinuz), "--disable-kvm", "--cpus", "2", "--memory", "512M", "--", "true"]
        found["virtme-ng"] = (words, None)
    return found


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    print(head(date(), where()))
    for name in sys.argv[2:] or [None]:
        kernel = kernels.find(name)
        with tempfile.TemporaryDirectory(prefix="scxlife-bench-") as folder:
            measured = measure(kernel, Path(folder), runs)
        title = f"{kernel.version}, {runs} runs in turn: median (quartiles)"
        print(table(title, ["", "attached", "end"], _rows(measured)))
        warm, cold = measured["scxlife, warm"], measured["scxlife, --cold"]
        share = statistics.median(t.ended for t in warm) / statistics.median(t.ended for t in cold)
        attached = statistics.median(t.attached or 0.0 for t in warm)
        bound = 1 / 3 if kernel.built else 1 / 4
        print(aims("aims", [Aim("argv to attached", 1.2, attached, "s"), Aim("warm of cold", bound, share, "")]))


def measure(kernel: kernels.Kernel, folder: Path, runs: int) -> dict[str, list[Took]]:
    commands = peers(kernel, folder)
    for name, (words, mark) in [*commands.items()]:
        # Ours saves, if nobody has.
        try:
            took(words, mark)
        except SystemExit as error:
            if name != "virtme-ng":
                raise
            print(f"left out: {error}")
            del commands[name]
    measured: dict[str, list[Took]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, (words, mark) in commands.items():
            measured[name].append(took(words, mark))
    return measured


def _rows(measured: dict[str, list[Took]]) -> list[list[str]]:
    return [
        [name, _quartiles([each.attached for each in all_]), _quartiles([each.ended for each in all_])]
        for name, all_ in measured.items()
    ]


def _quartiles(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return f"{known[0]:.2f} s" if known else "-"
    low, middle, high = statistics.quantiles(known, n=4, method="inclusive")
    return f"{middle:.2f} s ({low:.2f}-{high:.2f})"


if __name__ == "__main__":
    main()

"""What our PID 1 costs at boot, beside a busybox init that starts the same scheduler from a shell script.

Both boot the same kernel with the same QEMU line, in turn, in one run. Measured from the start of QEMU, in seconds:
the first line of init on the console, and the kernel's own word that the scheduler is enabled.

    python tests/bench/boot.py [RUNS]
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import attrs

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import ENTRY, LAZY
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.platform.vm import accel, image, kernels, schedulers
from scxlife.platform.vm.cpio import Tree
from scxlife.platform.vm.elf import closure, merged_directories
from scxlife.platform.vm.guest import GuestSpec
from scxlife.platform.vm.qemu import run_guest

FIRST = "scxlife: init"
ENABLED = '" enabled'
BUSYBOX_INIT = f"""#!/bin/busybox sh
/bin/busybox echo "{FIRST}"
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/scheduler >/tmp/log 2>&1 &
until [ "$(/bin/busybox cat /sys/kernel/sched_ext/state)" = enabled ]; do /bin/busybox usleep 10000; done
/bin/busybox sleep 1
/bin/busybox reboot -f
"""


def busybox_image(busybox: Path, scheduler: Path, target: Path) -> None:
    tree = Tree()
    for directory in ("/dev", "/proc", "/sys", "/tmp"):
        tree.directory(directory)
    for link, to in merged_directories().items():
        tree.symlink(link, to)
    tree.char_device("/dev/console", 5, 1, 0o600)
    tree.file("/init", BUSYBOX_INIT.encode(), 0o755)
    for placed in (*closure(busybox, "/bin/busybox"), *closure(scheduler, "/scheduler")):
        tree.deferred_file(placed.guest, placed.host.read_bytes, 0o755)
    with target.open("wb") as sink:
        tree.write(sink)


def our_orders(busybox: Path, scheduler: Path, target: Path) -> Path:
    """The base; the orders go to `target`."""
    base = image.build_base(entry=ENTRY, modules=LAZY, busybox=busybox)
    definition = freeze(shipped().with_profile("boot").with_settings(run_for=1.0))
    config = b'{"payload": [], "setup": ""}'
    run = image.Run(config=config, definition=definition, boot=freeze(boot_ending()), scheduler=scheduler)
    with target.open("wb") as sink:
        image.write_run(base, run, sink)
    return base.archive


def boot(spec: GuestSpec) -> tuple[float, float]:
    """Seconds from the start of QEMU to init's first line, and to the kernel's `enabled`."""
    seen: dict[str, float] = {}
    start = time.monotonic()

    def on_line(line: str) -> None:
        for mark in (FIRST, ENABLED):
            if mark in line:
                seen.setdefault(mark, time.monotonic() - start)

    result = run_guest(spec, on_frame=lambda frame: None, on_console_line=on_line)
    if len(seen) < 2:
        raise SystemExit(f"a boot said too little: {result}")
    return seen[FIRST], seen[ENABLED]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found, qemu = shutil.which("busybox"), shutil.which("qemu-system-x86_64")
    if found is None or qemu is None:
        raise SystemExit("busybox-static and qemu-system-x86 are needed: make packages")
    kernel, scheduler = kernels.find(), schedulers.find("scx_simple")
    with tempfile.TemporaryDirectory(prefix="scxlife-bench-") as folder:
        busybox_image(Path(found), scheduler, Path(folder, "busybox"))
        ours = Path(folder, "orders")
        images = {"busybox": Path(folder, "busybox"), "scxlife": our_orders(Path(found), scheduler, ours)}
        # loglevel: so that the kernel's `enabled` reaches the console in both guests alike
        spec = GuestSpec(
            kernel=kernel.vmlinuz,
            initrd=images["busybox"],
            accel=accel.choose("auto", qemu=Path(qemu)),
            qemu=Path(qemu),
            append=("loglevel=7",),
        )
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in images}
        for _ in range(runs):
            for name, initrd in images.items():
                with ours.open("rb") as orders:
                    mine = orders.fileno() if name == "scxlife" else None
                    figures[name].append(boot(attrs.evolve(spec, initrd=initrd, orders=mine)))
    machine = f"{os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}"
    print(f"{machine}; guest {kernel.version}, {spec.cpus} CPUs, {spec.accel.name}; median of {runs}, in turn")
    print(f"{'':10} {'first line':>12} {'enabled':>12}")
    medians = {}
    for name, rows in figures.items():
        medians[name] = [statistics.median(row[part] for row in rows) for part in (0, 1)]
        print(f"{name:10} {medians[name][0]:10.2f} s {medians[name][1]:10.2f} s")
    ratio = [ours / peer for ours, peer in zip(medians["scxlife"], medians["busybox"], strict=True)]
    print(f"{'ratio':10} {ratio[0]:12.2f} {ratio[1]:12.2f}   (aim: 1.30 at most)")


if __name__ == "__main__":
    main()

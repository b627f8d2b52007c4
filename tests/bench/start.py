"""How long a scheduler in a guest takes from the command line to attached, and to the end: ours and its peers.

All run the same scheduler on the same kernel with the same accelerator, in turn, in one run, with `true` as payload:

    warm        scxlife vm run: the guest goes on from where one like it was saved
    cold        scxlife vm run --cold: the guest boots
    busybox     a busybox init that starts the scheduler from a shell script, by a QEMU line of its own
    virtme-ng   vng --run, if it is on PATH: pip install virtme-ng; apt-get install libcap-ng-dev libseccomp-dev; cargo
                install virtiofsd, and its folder on PATH. Seen on both kernels

Measured from the start of the command: the start of QEMU (ours only, by an audit hook), the first word that the
scheduler is attached, and the end of the command. Bytecode is cached as in an installed package, in a folder of this
run. The first round fills all caches and does not count; a command that fails in it is left out, and that is told.

    python -m tests.bench.start [--rounds N] [--kernel VERSION] [--json] [COMMAND …]

For both kernels, run it twice.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
from tests.bench.boot import ENABLED, busybox_image
from tests.bench.machine import date, head, where
from tests.bench.tables import Aim, aims, table

from scxlife.platform.vm import accel, kernels, schedulers
from scxlife.platform.vm.guest import GuestSpec
from scxlife.platform.vm.qemu import command

ROUNDS = 9
SCHEDULER = "scx_simple"
MARKED = Path(__file__).with_name("start_marked.py")
ATTACHED = "it is attached now"
#: Seconds: only so that a guest that hangs ends.
LIMIT_S = 120.0
#: What is measured, and the bounds in seconds that a warm guest is to keep.
MARKS = {"QEMU": 0.25, "attached": 1.2, "end": None}
WAITS = 'until [ "$(cat /sys/kernel/sched_ext/state)" = enabled ]; do {sleep}; done'


@attrs.frozen
class Needs:
    """What the commands are made of. `folder` is for what one has to build."""

    kernel: kernels.Kernel
    scheduler: Path
    accel: accel.Accel
    qemu: Path
    busybox: Path
    folder: Path


@attrs.frozen
class Command:
    """A command, and the text in a line of its output by which the scheduler is known to be attached."""

    argv: tuple[str, ...]
    attached: str


class NotHere(Exception):
    """The command can't run on this machine. The message says what is missing."""


def ours(needs: Needs, *options: str) -> Command:
    words = ("--kernel", needs.kernel.version, "--accel", needs.accel.name, "--scheduler", SCHEDULER, *options)
    return Command((sys.executable, str(MARKED), "vm", "run", *words, "--", "true"), "→ running")


def busybox(needs: Needs) -> Command:
    initrd = needs.folder / f"busybox-{needs.kernel.version}"
    busybox_image(needs.busybox, needs.scheduler, initrd)
    line = command(GuestSpec(needs.kernel.vmlinuz, initrd, needs.accel, needs.qemu, append=("loglevel=7",)), 0, 0, 0, 0)
    quiet = ("-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-no-reboot", "-serial", "stdio")
    machine = ("-M", "pc", *needs.accel.arguments, "-smp", "2", "-m", "512M")
    guest = ("-kernel", str(needs.kernel.vmlinuz), "-initrd", str(initrd))
    append = line[line.index("-append") + 1]
    return Command((str(needs.qemu), *quiet, *machine, *guest, "-append", append), ENABLED)


def virtme_ng(needs: Needs) -> Command:
    vng = shutil.which("vng")
    if vng is None:
        raise NotHere("it is not on PATH: pip install virtme-ng")
    script = f"{shlex.quote(str(needs.scheduler))} >/dev/null 2>&1 & {WAITS.format(sleep='sleep 0.01')}"
    script += f'; echo "{ATTACHED}"; kill $!; wait'
    emulated = ("--disable-kvm",) if needs.accel.name == "tcg" else ()
    # Without --verbose nothing that is printed comes out where the guest has no udev; the kernel is still to be quiet.
    seen = ("--verbose", "--append", "quiet", "--append", "loglevel=1")
    machine = ("--cpus", "2", "--memory", "512M")
    options = ("--run", str(needs.kernel.vmlinuz), *emulated, *machine, "--user", "root", *seen)
    return Command((vng, *options, "--", script), ATTACHED)


COMMANDS: Mapping[str, Callable[[Needs], Command]] = {
    "warm": ours,
    "cold": lambda needs: ours(needs, "--cold"),
    "busybox": busybox,
    "virtme-ng": virtme_ng,
}


def run(asked: Command, folder: Path) -> dict[str, float]:
    """Seconds from the start of the command to each mark that came. Raises NotHere with its last line."""
    mark = folder / "mark"
    mark.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"START_MARK": str(mark), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    argv = ("timeout", "--kill-after=5", str(LIMIT_S), *asked.argv)
    seen: dict[str, float] = {}
    last = ""
    began = time.monotonic()
    with subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if asked.attached in line:
                seen.setdefault("attached", time.monotonic() - began)
            last = line.strip() or last
        process.wait()
    seen["end"] = time.monotonic() - began
    if "attached" not in seen:
        raise NotHere(f"it ended with status {process.returncode}, and never attached: {last}")
    if mark.exists():
        seen["QEMU"] = float(mark.read_text()) - began
    return seen


def spread(seconds: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median, the upper quartile."""
    if len(seconds) < 2:
        return (*seconds, *seconds, *seconds)  # type: ignore[return-value]
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return low, middle, high


def measure(
    commands: Mapping[str, Command], rounds: int, folder: Path, left_out: dict[str, str]
) -> dict[str, dict[str, list[float]]]:
    """Seconds by command and mark, in the order of the rounds. What fails in the first goes to `left_out`."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, asked in commands.items():
        try:
            run(asked, folder)
            found[name] = {mark: [] for mark in MARKS}
        except NotHere as error:
            left_out[name] = str(error)
    for _ in range(rounds):
        for name, marks in found.items():
            for mark, seconds in run(commands[name], folder).items():
                marks[mark].append(seconds)
    return found


def shown(seconds: Sequence[float]) -> str:
    if not seconds:
        return "–"
    low, middle, high = spread(seconds)
    return f"{middle:.3f} ({low:.3f}–{high:.3f})"


def needs_of(kernel: str | None, folder: Path) -> Needs:
    qemu, tools = shutil.which("qemu-system-x86_64"), shutil.which("busybox")
    if qemu is None or tools is None:
        raise SystemExit("busybox-static and qemu-system-x86 are needed: make packages")
    chosen = accel.choose("auto", qemu=Path(qemu))
    return Needs(kernels.find(kernel), schedulers.find(SCHEDULER), chosen, Path(qemu), Path(tools), folder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start")
    parser.add_argument("names", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="that count (default: %(default)s)")
    parser.add_argument("--kernel", metavar="VERSION", help="of the cache (default: the newest)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in COMMANDS]:
        parser.error(f"no such command: {', '.join(unknown)}")
    if options.rounds < 1:
        parser.error("--rounds: at least one")
    began, here = date(), where(("scxlife",))
    if vng := shutil.which("vng"):
        here["peer"] = subprocess.run([vng, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    left_out: dict[str, str] = {}
    commands: dict[str, Command] = {}
    with tempfile.TemporaryDirectory(prefix="scxlife-bench-") as name:
        needs = needs_of(options.kernel, Path(name))
        here["guest"] = f"{needs.kernel.version}, 2 CPUs, 512 MiB, {needs.accel.name}; {SCHEDULER}"
        for each in options.names or COMMANDS:
            try:
                commands[each] = COMMANDS[each](needs)
            except NotHere as error:
                left_out[each] = str(error)
        found = measure(commands, options.rounds, Path(name), left_out)
    here["load when it ended"] = f"{os.getloadavg()[0]:.2f}"
    if options.json:
        print(json.dumps({"date": began, **here, "left out": left_out, "seconds": found}))
        return
    rows = [(each, *(shown(marks[mark]) for mark in MARKS)) for each, marks in found.items()]
    title = f"seconds from the start of the command, median (quartiles) of {options.rounds}, in turn"
    parts = [head(began, here), table(title, ("", *MARKS), rows)]
    parts += [f"left out: {each}: {why}" for each, why in left_out.items()]
    if warm := found.get("warm"):
        bounds = [(mark, bound) for mark, bound in MARKS.items() if bound is not None]
        wanted = [Aim(mark, bound, spread(warm[mark])[1], "s") for mark, bound in bounds]
        if cold := found.get("cold"):
            share = spread(warm["end"])[1] / spread(cold["end"])[1]
            wanted.append(Aim("end, of a cold one's", 1 / 3 if needs.kernel.built else 1 / 4, share, ""))
        parts.append(aims("aims of warm", wanted))
    print(*parts, sep="\n\n")


if __name__ == "__main__":
    main()

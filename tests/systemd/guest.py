"""Boots Debian's systemd, as this machine has it, in a guest, with the shipped unit in it, and does what a test asks.

    python -m tests.systemd.guest 'systemctl status scxlife@simple'

prints what that says in such a guest.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from scxlife.lifecycle import options
from scxlife.lifecycle.guest_recipe import LAZY
from scxlife.platform.vm import accel, frames, guest, image, interpreter
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.qemu import run_guest

#: What PID 1 starts with is found here.
INSIDE = str(Path(__file__).with_name("inside"))
UNITS = "/lib/systemd/system"
PROGRAMS = (
    "/lib/systemd/systemd",
    "/lib/systemd/systemd-journald",
    "/bin/systemctl",
    "/bin/journalctl",
)
#: Since systemd 255 another program of its own starts a service.
EXECUTOR = Path("/lib/systemd/systemd-executor")
#: What of systemd's own units the guest has: a target to boot to with the journal, and what these ask for.
OWN_UNITS = (
    "sysinit.target",
    "basic.target",
    "sockets.target",
    "slices.target",
    "paths.target",
    "timers.target",
    "local-fs.target",
    "swap.target",
    "shutdown.target",
    "umount.target",
    "final.target",
    "multi-user.target",
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-journald-dev-log.socket",
)
#: What PID 1, the service that tells and scxlife import, and what the last imports only when it comes to it.
MODULES = (
    *LAZY,
    "scxlife.lifecycle.cli",
    "scxlife.lifecycle.commands.ctl",
    "scxlife.lifecycle.commands.run",
    "scxlife.lifecycle.commands.status",
    # Only where no definition is remembered.
    "scxlife.fsm.lint",
    "scxlife.fsm.loader",
    "yaml.cyaml",
    "tempfile",
    "encodings.idna",
)
PROGRAM = """#!/bin/sh
exec /scxlife/bin/python3 {flags} -c 'from {module} import {function} as main; raise SystemExit(main())' "$@"
"""
SCXLIFE = PROGRAM.format(flags=interpreter.FLAGS, module="scxlife.lifecycle.cli", function="main")
TELL = PROGRAM.format(flags=interpreter.FLAGS, module="systemd_guest", function="tell")
TELL_UNIT = """
[Unit]
Description=does what a test asks
After=systemd-journald.service
[Service]
Type=simple
ExecStart=/bin/tell
StandardOutput=null
"""
TARGET = """
[Unit]
Requires=basic.target
After=basic.target
Wants=systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket tell.service
"""
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nadm:x:4:\nsystemd-journal:x:101:\nnogroup:x:65534:\n",
    "machine-id": "0123456789abcdef0123456789abcdef\n",
    "os-release": "ID=debian\nNAME=guest\n",
}
#: Seconds for a whole boot. Only a guest that hangs is ended by it.
PATIENCE_S = 1200.0
MEMORY = 1 << 30


@attrs.frozen
class Step:
    """What one line of shell printed, how it ended (-1: not at all), and how many seconds it took."""

    name: str
    code: int
    output: str
    seconds: float


@attrs.frozen
class Boot:
    """One boot: how it ended, what each step said, and the console."""

    result: guest.GuestResult
    steps: Mapping[str, Step]
    console: Sequence[str]


def boot(
    kernel: Kernel,
    steps: Sequence[tuple[str, str]],
    folder: Path,
    *,
    programs: Mapping[str, Path],
    texts: Mapping[str, str],
) -> Boot:
    """Do the `steps` (name, line of shell) one by one. `programs` are files of the host by their path in the guest,
    `texts` files by theirs; a text that begins with `#!` can be executed."""
    if INSIDE not in sys.path:
        sys.path.insert(0, INSIDE)
    busybox = Path(shutil.which("busybox") or "busybox")
    base = image.build_base(entry="systemd_guest", modules=MODULES, busybox=busybox)
    files = [(Path(program), program) for program in PROGRAMS]
    files += [(EXECUTOR, str(EXECUTOR))] if EXECUTOR.exists() else []
    files += [(Path(UNITS, unit), f"{UNITS}/{unit}") for unit in OWN_UNITS]
    files += [(file, name) for name, file in programs.items()]
    library = f"/scxlife/{interpreter.library_name()}/scxlife/lifecycle"
    files += [(file, f"{library}/{file.name}") for file in options.DEFINITION.parent.glob("*.yaml")]
    written = {
        "/bin/scxlife": SCXLIFE,
        "/bin/tell": TELL,
        f"{UNITS}/tell.service": TELL_UNIT,
        f"{UNITS}/default.target": TARGET,
        **{f"/etc/{name}": text for name, text in ETC.items()},
        **texts,
    }
    for name, text in written.items():
        path = folder / "files" / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
        files.append((path, name))
    image.build_run(base, image.Run(json.dumps({"steps": steps}).encode(), b"", files=tuple(files)), folder / "initrd")
    qemu = Path(shutil.which("qemu-system-x86_64") or "qemu-system-x86_64")
    told: dict[str, Step] = {}
    console: list[str] = []

    def on_frame(frame: frames.Frame) -> None:
        if frame.type == frames.OUTCOME:
            step = Step(**json.loads(frame.payload))
            told[step.name] = step

    spec = guest.GuestSpec(
        kernel.vmlinuz,
        folder / "initrd",
        accel.choose("auto", qemu=qemu),
        qemu,
        memory=MEMORY,
        timeout=PATIENCE_S,
        append=("systemd.show_status=no",),
    )
    result = run_guest(spec, on_frame=on_frame, on_console_line=console.append)
    return Boot(result, told, console)


def shipped_unit() -> dict[str, str]:
    unit = Path(options.DEFINITION).parent / "systemd" / "scxlife@.service"
    return {"/etc/systemd/system/scxlife@.service": unit.read_text()}


def main(*lines: str) -> int:
    from tests.schedulers.build import fault_scheduler

    from scxlife.platform.vm import kernels

    (kernel, *_) = [kernel for kernel in kernels.installed() if not kernel.built]
    with tempfile.TemporaryDirectory() as folder:
        seen = boot(
            kernel,
            [(line, line) for line in lines],
            Path(folder),
            programs={"/bin/scx_fault": fault_scheduler()},
            texts=shipped_unit(),
        )
    print(*seen.console, sep="\n")
    for step in seen.steps.values():
        print(f"\n$ {step.name}    [{step.code}, {step.seconds:.1f} s]\n{step.output}")
    print(seen.result)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

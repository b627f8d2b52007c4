"""Takes fixture schedulers through the lifecycle, many in one boot, and judges each.

    python -m tests.vm.lives SEED NUMBER [default|ignored]

is one of them alone, with all that happened.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from tests.schedulers.build import fault_scheduler
from tests.vm.fates import Fate, complaints, draw

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import LAZY
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.timeline import Timeline
from scxlife.platform.vm import accel, frames, guest, image, kernel_build
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.progress import progress_on
from scxlife.platform.vm.qemu import run_guest

HERE = Path(__file__).parent
#: Of the lives that are led with each disposition of SIGCHLD.
SEEDS = {"default": 1, "ignored": 2}
#: Seconds for a whole boot. Only a guest that hangs is ended by it.
PATIENCE_S = 1800.0
LOG_LINES = 20


@attrs.frozen
class Life:
    """One life, as it was drawn and as the guest told it; `wrong` is what should not be so, in words."""

    seed: int
    number: int
    fate: Fate
    told: dict[str, Any]
    tape: str
    wrong: list[str]

    def __str__(self) -> str:
        return f"seed {self.seed}, life {self.number} ({self.fate.name}): {self.fate.arguments}"


@attrs.frozen
class Boot:
    """One boot: how it ended, what PID 1 said of itself, and the lives that it told of, in their order."""

    result: guest.GuestResult
    hello: dict[str, Any]
    lives: list[Life]

    @property
    def per_second(self) -> float:
        """Lives in a second of wall time, from PID 1's first frame to the end of QEMU."""
        record = self.result.record
        return len(self.lives) / (record.total_s - (record.first_frame_s or 0.0))


@attrs.frozen
class Led:
    """One boot: how it ended, what PID 1 said of itself, and of each life what it said and the tape, in their order."""

    result: guest.GuestResult
    hello: dict[str, Any]
    told: list[tuple[dict[str, Any], str]]


def lead(kernel: Kernel, lives: Sequence[Mapping[str, Any]], sigchld: str, folder: Path) -> Led:
    """Boots a guest whose PID 1 leads these lives one after the other, SIGCHLD `default` or `ignored`."""
    config = {"sigchld": sigchld, "lives": [*lives]}
    qemu = Path(shutil.which("qemu-system-x86_64") or "qemu-system-x86_64")
    base = image.build_base(entry="inits.lives", modules=LAZY)
    run = image.Run(json.dumps(config).encode(), freeze(shipped().with_profile("boot")), scheduler=fault_scheduler())
    image.build_run(base, run, folder / "initrd")
    told: dict[int, list[bytes]] = {frames.HELLO: [], frames.OUTCOME: [], frames.TAPE: [], frames.EXIT: []}
    spec = guest.GuestSpec(kernel.vmlinuz, folder / "initrd", accel.choose("auto", qemu=qemu), qemu, timeout=PATIENCE_S)
    result = run_guest(spec, on_frame=lambda frame: told[frame.type].append(frame.payload))
    hello = json.loads(told[frames.HELLO][0]) if told[frames.HELLO] else {}
    pairs = zip(told[frames.OUTCOME], told[frames.TAPE], strict=False)
    return Led(result, hello, [(json.loads(said), tape.decode()) for said, tape in pairs])


def boot(kernel: Kernel, seed: int, numbers: Sequence[int], sigchld: str, folder: Path) -> Boot:
    """Leads the lives with these numbers."""
    fates = [draw(seed, number) for number in numbers]
    led = lead(kernel, [fate.told_to_guest() for fate in fates], sigchld, folder)
    lives = []
    for number, fate, (said, tape) in zip(numbers, fates, led.told, strict=False):
        wrong = complaints(fate, said, descriptors=led.hello["descriptors"], statuses_known=sigchld == "default")
        lives.append(Life(seed, number, fate, said, tape, wrong))
    return Boot(led.result, led.hello, lives)


def report(life: Life) -> str:
    """All that is known of a life that went wrong."""
    return "\n".join([str(life), *life.wrong, *story(life.told, life.tape)])


def story(told: Mapping[str, Any], tape: str) -> list[str]:
    """What happened, and the last of what the scheduler printed."""
    lines: list[str] = []
    timeline = Timeline(lines.append)
    for line in tape.splitlines():
        timeline(line)
    return [*lines, *told["outcome"]["log_tail"].splitlines()[-LOG_LINES:]]


def main(seed: str, number: str, sigchld: str = "default") -> int:
    sys.path.insert(0, str(HERE))
    with tempfile.TemporaryDirectory() as folder:
        kernel = kernel_build.build(progress_on(), "6.12")
        seen = boot(kernel, int(seed), [int(number)], sigchld, Path(folder))
    for life in seen.lives:
        print(report(life), json.dumps(life.told["outcome"]), sep="\n")
    if not seen.lives:
        print(seen.result)
    return 0 if seen.lives and not seen.lives[0].wrong else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

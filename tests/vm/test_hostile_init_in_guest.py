"""A real guest with a PID 1 that attacks its host through the port and the console.

    python -m tests.vm.test_hostile_init_in_guest KERNEL SECONDS

lets it send for so long, and prints what it cost."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import deque
from pathlib import Path

import attrs
import pytest
from tests.vm.audited import forget_peak, peak
from tests.vm.bench import ROOM

from scxlife.lifecycle.guest_records import Begins, Lifecycle, OperationsLine
from scxlife.lifecycle.guest_run import LOG_LIMIT, PROBE_LIMIT, PROBE_NAMES, TAPE_LIMIT, Attempt, run_in_guest
from scxlife.lifecycle.operations.life_tapes import LifeTapes
from scxlife.lifecycle.operations.timeline import OperationsTimeline
from scxlife.platform.vm import accel, guest, image
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

HERE = Path(__file__).parent
MEGABYTES = 48


@attrs.frozen
class Attacked:
    """What came of it: memory in bytes, above what this process had before."""

    attempt: Attempt
    shown: list[str]
    memory: int
    folder: Path


def attack(kernel: Path, qemu: Path, place: Path, megabytes: int, seconds: float) -> Attacked:
    """Boots the hostile PID 1, which sends so much before its last, worst frame."""
    base = image.build_base(entry="inits.hostile", busybox=None)
    run = image.Run(config=json.dumps({"megabytes": megabytes}).encode(), definition=b"{}")
    image.build_run(base, run, place / "initrd")
    spec = guest.GuestSpec(kernel, place / "initrd", accel.choose("auto", qemu=qemu), qemu, timeout=seconds)
    folder = place / "tapes"
    folder.mkdir()
    lines: deque[str] = deque(maxlen=1000)

    def write(line: str) -> None:
        lines.append(line[:200])

    timeline, lives = OperationsTimeline(write), LifeTapes(str(folder / "tape"), write)

    def on_life(line: str) -> None:
        timeline.life(json.loads(line))
        lives(line)

    def on_other(record: Begins | Lifecycle | OperationsLine) -> None:
        match record:
            case OperationsLine(text):
                timeline.operations(json.loads(text))
            case Begins(name, number):
                timeline.begins(name, number)
                lives.begins(number)

    forget_peak()
    before = peak()
    attempt = run_in_guest(spec, on_life, on_other, cold=True)
    lives.close()
    return Attacked(attempt, [*lines], peak() - before, folder)


def test_L10_a_hostile_pid_1_is_bounded_and_guest_failed(
    small_kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        pytest.skip("QEMU is not installed")
    monkeypatch.syspath_prepend(str(HERE))
    seen = attack(small_kernel.vmlinuz, Path(qemu), tmp_path, MEGABYTES, 300.0)
    assert seen.memory < ROOM
    attempt = seen.attempt
    assert (attempt.outcome, attempt.failure) == (None, "wrong-content")
    assert attempt.reason == "lifecycle frame: run: a whole number from 1 to 10000 is wanted, not 'd/../passwd'"
    assert os.listdir(seen.folder) == ["tape.1"]  # noqa: PTH208
    assert (seen.folder / "tape.1").stat().st_size < TAPE_LIMIT
    assert all(line.isprintable() for line in seen.shown)
    assert len(attempt.log) == LOG_LIMIT
    assert len(attempt.probes) == PROBE_NAMES
    assert sum(map(len, attempt.probes.values())) <= PROBE_LIMIT
    assert [what.partition(" of ")[2] for what in attempt.degraded] == [
        "the scheduler's log were dropped",
        "probes were dropped",
        "tapes were dropped",
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    with tempfile.TemporaryDirectory() as made:
        found = attack(Path(sys.argv[1]), Path("/usr/bin/qemu-system-x86_64"), Path(made), 1 << 30, float(sys.argv[2]))
        print(f"{found.attempt.failure}: {found.attempt.reason}", *found.attempt.degraded, sep="\n")
        print(f"{found.memory >> 20} MiB above the start; files made: {os.listdir(found.folder)}")  # noqa: PTH208
        print(f"printable: {all(map(str.isprintable, found.shown))}")

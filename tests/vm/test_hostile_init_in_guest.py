"""A real guest with a PID 1 that attacks its host through the port and the console."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.vm.audited import forget_peak, peak
from tests.vm.bench import ROOM

from scxlife.lifecycle.guest_records import Begins, Lifecycle, OperationsLine
from scxlife.lifecycle.guest_run import LOG_LIMIT, PROBE_LIMIT, PROBE_NAMES, TAPE_LIMIT, run_in_guest
from scxlife.lifecycle.operations.life_tapes import LifeTapes
from scxlife.lifecycle.operations.timeline import OperationsTimeline
from scxlife.platform.vm import accel, guest, image
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

HERE = Path(__file__).parent
MEGABYTES = 48


def test_L10_a_hostile_pid_1_is_bounded_and_guest_failed(
    small_kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        pytest.skip("QEMU is not installed")
    monkeypatch.syspath_prepend(str(HERE))
    base = image.build_base(entry="inits.hostile", busybox=None)
    run = image.Run(config=json.dumps({"megabytes": MEGABYTES}).encode(), definition=b"{}")
    image.build_run(base, run, tmp_path / "initrd")
    chosen = accel.choose("auto", qemu=Path(qemu))
    spec = guest.GuestSpec(small_kernel.vmlinuz, tmp_path / "initrd", chosen, Path(qemu), timeout=300.0)
    folder = tmp_path / "tapes"
    folder.mkdir()
    lines: list[str] = []

    def write(line: str) -> None:
        lines.append(line[:200])

    timeline, lives = OperationsTimeline(write), LifeTapes(str(folder / "tape"), write)

    def on_life(line: str) -> None:
        timeline.life(line)
        lives(line)

    def on_other(record: Begins | Lifecycle | OperationsLine) -> None:
        match record:
            case OperationsLine(text):
                timeline.operations(text)
            case Begins(name, number):
                timeline.begins(name, number)
                lives.begins(number)

    forget_peak()
    before = peak()
    attempt = run_in_guest(spec, on_life, on_other)
    lives.close()
    assert peak() - before < ROOM
    assert (attempt.outcome, attempt.failure) == (None, "wrong-content")
    assert attempt.reason == "lifecycle frame: run: a whole number from 1 to 10000 is wanted, not 'd/../passwd'"
    assert os.listdir(folder) == ["tape.1"]  # noqa: PTH208
    assert (folder / "tape.1").stat().st_size < TAPE_LIMIT
    assert all(line.isprintable() for line in lines)
    assert len(attempt.log) == LOG_LIMIT
    assert len(attempt.probes) == PROBE_NAMES
    assert sum(map(len, attempt.probes.values())) <= PROBE_LIMIT
    assert [what.partition(" of ")[2] for what in attempt.degraded] == [
        "the scheduler's log were dropped",
        "probes were dropped",
        "tapes were dropped",
    ]

"""What the host makes of a guest that tells no outcome, of a PID 1 that fails, of a payload that was killed; and how
long a guest waits for a host that does not listen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.vm.watched import BOUND, small_kernel

from scxlife.lifecycle.guest_run import run_in_guest
from scxlife.platform.vm import accel, frames, guest, image
from scxlife.platform.vm.qemu import run_guest

pytestmark = pytest.mark.guest

HERE = Path(__file__).parent
SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 700
SpecFor = Callable[[str], guest.GuestSpec]


@pytest.fixture(scope="module")
def kernel() -> Path:
    return small_kernel()


@pytest.fixture
def spec_for(kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpecFor:
    """The guest whose PID 1 is a module of `inits`."""
    qemu = shutil.which("qemu-system-x86_64")
    busybox = shutil.which("busybox")
    if qemu is None or busybox is None:
        pytest.skip("QEMU or busybox is not installed")
    monkeypatch.syspath_prepend(str(HERE))

    def make(init: str) -> guest.GuestSpec:
        base = image.build_base(entry=f"inits.{init}", busybox=Path(busybox))
        image.build_run(base, image.Run(config=b"{}", definition=b"{}"), tmp_path / "initrd")
        chosen = accel.choose("auto", qemu=Path(qemu))
        return guest.GuestSpec(kernel, tmp_path / "initrd", chosen, Path(qemu), timeout=BOUND)

    return make


def vm(kernel: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the outcome, and all that was said."""
    done = subprocess.run(
        [*SCXLIFE, "vm", "run", "--json", "--timeout", "600s", "--kernel", str(kernel), *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_row_22_a_guest_that_ends_well_and_has_told_no_outcome_is_unconfirmed(spec_for: SpecFor) -> None:
    attempt = run_in_guest(spec_for("completes"), lambda line: None, cold=True)
    assert attempt.outcome is None
    assert (attempt.failure, attempt.reason) == ("unconfirmed", "the guest ended without an outcome")


def test_row_23_an_error_of_pid_1_is_told_and_is_no_verdict_about_the_scheduler(kernel: Path) -> None:
    # A module of its own that is gone when it is wanted, as there is more than one scheduler.
    gone = ("--setup", "rm $(find /scxlife -name 'guest_operations.*')", "--stage", "other=scx_simple")
    code, outcome, said = vm(kernel, *gone, "--", "sleep", "60")
    assert (code, outcome["outcome"], outcome["guest"]) == (15, "guest-failed", "init-failed")
    assert outcome["reason"].startswith("ModuleNotFoundError: ")
    assert "guest_operations" in outcome["reason"]
    assert f"outcome    guest-failed: init-failed: {outcome['reason']}" in said
    # The traceback, for whoever reads the console; then the reboot, and no panic.
    console = "\n".join(outcome["console_tail"])
    assert "scxlife: init failed\nTraceback" in console
    assert "reboot: Restarting system" in console
    assert "Kernel panic" not in console


def test_row_20_row_23_an_action_of_the_boots_end_that_fails_does_not_cost_the_outcome(kernel: Path) -> None:
    # Nothing can be shown on the console; all the rest is told.
    code, outcome, said = vm(
        kernel, "--setup", "rm $(find /scxlife -name 'console.*')", "--sched-args=--no-such-option", "--liveness", "5m"
    )
    assert (code, outcome["outcome"], outcome["exit"]) == (10, "startup-died", {"code": 1})
    (degraded,) = outcome["degraded"]
    assert degraded.startswith("PID 1: No module named")
    assert degraded in said


def test_J3_a_payload_that_a_signal_killed_fails_the_run(kernel: Path) -> None:
    code, outcome, _ = vm(kernel, "--", "sh", "-c", "kill -KILL $$")
    assert (code, outcome["outcome"], outcome["payload"]) == (1, "stopped", {"exit": {"signal": 9}})


def test_defect_19_a_guest_waits_with_a_bound_for_a_host_that_does_not_listen(
    spec_for: SpecFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "encode_ack", lambda *_: b"")
    lines: list[str] = []
    result = run_guest(spec_for("unheard"), on_frame=lambda _: None, on_console_line=lines.append)
    assert isinstance(result, guest.Completed), result
    assert "acknowledged: False" in lines
    # It has rebooted by itself, which ends QEMU, and was not ended.
    assert result.record.qemu_status == 0

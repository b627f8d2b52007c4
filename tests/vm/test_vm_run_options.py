"""What `vm run` does beside the ordinary: no scheduler at all, and the kernel's dump in a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.schedulers.build import fault_scheduler

from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--timeout", "600s"]
LIMIT = 700


def vm(kernel: Kernel, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*SCXLIFE, "--kernel", kernel.version, *words], capture_output=True, text=True, timeout=LIMIT)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_row_1_a_guest_without_a_scheduler_runs_its_payload_on_the_kernels_own(small_kernel: Kernel) -> None:
    payload = "cat /sys/kernel/sched_ext/state; exit 3"
    done = vm(small_kernel, "--no-scheduler", "--json", "--", "sh", "-c", payload)
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, outcome["outcome"], outcome["payload"]) == (1, "not-configured", {"exit": {"code": 3}})
    assert outcome["kernel"]["enable_seq"] == 0
    assert "  disabled\n" in done.stderr


def test_a_payload_that_succeeds_without_a_scheduler_is_a_success(small_kernel: Kernel) -> None:
    assert vm(small_kernel, "--no-scheduler", "--", "true").returncode == 0


def test_without_a_scheduler_and_a_payload_there_is_nothing_to_run(small_kernel: Kernel) -> None:
    done = vm(small_kernel, "--no-scheduler")
    assert done.returncode == 2
    assert done.stderr == "scxlife: error: --no-scheduler: without a payload there is nothing to run: -- COMMAND\n"


def test_A27_the_dump_is_kept_where_it_is_wanted_and_its_size_told(small_kernel: Kernel, tmp_path: Path) -> None:
    scheduler = ["--scheduler", str(fault_scheduler()), "--sched-args", "--error-after 3600000"]
    dump = tmp_path / "dump"
    done = vm(
        small_kernel, *scheduler, "--dump", str(dump), "--", "sh", "-c", "kill -USR1 $(pidof scheduler); sleep 60"
    )
    assert done.returncode == 12
    kept = dump.read_text()
    assert "the fixture was asked to fail" in kept
    assert f"dump       {len(kept.splitlines())} lines of the kernel's; {dump}" in done.stdout

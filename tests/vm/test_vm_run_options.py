"""What `vm run` does beside the ordinary: no scheduler at all, and the kernel's dump in a file."""

from __future__ import annotations

import json
import signal
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
    assert (done.returncode, outcome["outcome"], outcome["payload"]) == (1, "no-scheduler", {"exit": {"code": 3}})
    assert outcome["kernel"]["enable_seq"] == 0
    assert "disabled\n" in done.stderr


def test_L17_a_payload_that_succeeds_without_a_scheduler_is_a_success(small_kernel: Kernel) -> None:
    done = vm(small_kernel, "--no-scheduler", "--", "true")
    assert done.returncode == 0
    assert "outcome    no-scheduler: no scheduler was asked for; the payload ran on the kernel's own\n" in done.stderr
    assert "not-configured" not in done.stderr


def test_a_scheduler_that_was_asked_for_and_is_gone_is_not_configured(small_kernel: Kernel) -> None:
    done = vm(small_kernel, "--json", "--setup", "rm /scheduler", "--", "true")
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["outcome"]) == (127, "not-configured")


def test_the_scheduler_is_the_first_word_and_its_arguments_follow(small_kernel: Kernel) -> None:
    done = vm(small_kernel, "--json", str(fault_scheduler()), "--error-after", "3600000", "--", "sh", "-c", SEES)
    assert done.returncode == 0, done.stderr
    assert "--error-after 3600000\n" in done.stderr


# What the scheduler was started with.
SEES = "tr '\\0' ' ' </proc/$(pidof scheduler)/cmdline | sed 's/^[^ ]* //; s/ $//'; echo"


def test_a_payload_and_its_files_are_found_by_their_relative_paths(small_kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/x").write_text("#!/bin/sh\nread word <data && echo it says $word\n")
    (tmp_path / "bench/x").chmod(0o755)
    (tmp_path / "data").write_text("hello\n")
    words = ["--kernel", small_kernel.version, "--no-scheduler", "--add", "data", "--", "bench/x"]
    done = subprocess.run([*SCXLIFE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "it says hello\n"


@pytest.mark.parametrize("scheduler", [["--scheduler", "scx_simple"], ["--no-scheduler"]])
def test_L12_a_signal_stops_a_real_guest_and_all_is_reported(
    small_kernel: Kernel, tmp_path: Path, scheduler: list[str]
) -> None:
    tape = tmp_path / "tape"
    words = ["--kernel", small_kernel.version, *scheduler, "--json", "--tape", str(tape), "--", "sleep", "3600"]
    with subprocess.Popen([*SCXLIFE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        shown = ""
        for line in process.stderr:
            shown += line
            if "→ running" in line or (line.startswith("guest:") and "--no-scheduler" in scheduler):
                break
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, shown + err
    outcome = json.loads(out)
    assert outcome["outcome"] == ("no-scheduler" if "--no-scheduler" in scheduler else "stopped")
    assert outcome["payload"] == {"exit": {"signal": 15}}
    if "--no-scheduler" not in scheduler:
        steps = [json.loads(line) for line in tape.read_text().splitlines()]
        assert [step["cause"] for step in steps if step["kind"] == "step" and step["event"] == "interrupt"] == [
            "signal SIGTERM"
        ]


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
    assert f"dump       {len(kept.splitlines())} lines of the kernel's; {dump}" in done.stderr

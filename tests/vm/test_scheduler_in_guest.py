"""Real schedulers on real kernels, as a user starts them. Each test boots a guest and asserts the JSON outcome."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scxlife.platform.vm import schedulers
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 700
# Wait in the guest for a fact of the kernel, from a shell; bounded by the guest's own --timeout.
ENABLED = 'until [ "$(cat /sys/kernel/sched_ext/state)" = enabled ]; do :; done'


def vm(kernel: Kernel, *words: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [*SCXLIFE, "vm", "run", "--json", "--timeout", "600s", "--kernel", kernel.version, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_scx_simple_goes_through_its_whole_life_while_a_payload_runs(each_kernel: Kernel) -> None:
    code, outcome, timeline = vm(
        each_kernel, "--scheduler", "scx_simple", "--", "sh", "-c", "echo in the guest; sleep 1"
    )
    assert (code, outcome["outcome"], outcome["exit"]) == (0, "stopped", {"code": 0})
    assert outcome["payload"] == {"exit": {"code": 0}}
    assert outcome["enable_seq"] == outcome["kernel"]["enable_seq"] == 1
    assert outcome["owner"]["command"] == "scheduler"
    assert outcome["instance"]
    assert outcome["kernel"]["state"] == "disabled"
    assert outcome["kernel_reason"] == "unregistered from user space"
    assert 'BPF scheduler "simple" enabled' in timeline
    # By its uevent, unless a look at the cadence came before that was heard.
    assert re.search(
        r" ready +→ running +(uevent add@/kernel/sched_ext/root SCXOPS=simple|\S+)$", timeline, re.MULTILINE
    )
    assert 'BPF scheduler "simple" disabled (unregistered from user space)' in timeline
    assert "in the guest" in timeline


def test_the_payloads_own_failure_is_1_and_its_status_is_told(small_kernel: Kernel) -> None:
    code, outcome, _ = vm(small_kernel, "--", "sh", "-c", "exit 5")
    assert (code, outcome["outcome"], outcome["payload"]) == (1, "stopped", {"exit": {"code": 5}})


def test_bad_arguments_are_startup_died_with_the_usage_in_the_tail(small_kernel: Kernel) -> None:
    code, outcome, _ = vm(small_kernel, "--sched-args", "--no-such-option", "--liveness", "5m")
    assert (code, outcome["outcome"], outcome["exit"]) == (10, "startup-died", {"code": 1})
    assert "Usage" in outcome["log_tail"]
    assert outcome["kernel"]["enable_seq"] == 0


def test_a_verifier_reject_is_startup_died_with_the_verifiers_words(each_kernel: Kernel) -> None:
    code, outcome, _ = vm(each_kernel, "--scheduler", "scx_qmap", "--liveness", "20s")
    assert (code, outcome["outcome"], outcome["exit"]) == (10, "startup-died", {"code": 1})
    assert "processed" in outcome["log_tail"] or "libbpf" in outcome["log_tail"]


@pytest.mark.parametrize("scheduler", ["scx_qmap", "scx_sdt"])
def test_L15_what_the_verifier_rejects_is_named_in_the_outcome(each_kernel: Kernel, scheduler: str) -> None:
    code, outcome, _ = vm(each_kernel, "--scheduler", scheduler, "--liveness", "20s", "--for", "100ms")
    if code == 0 or outcome["cause"] == "kernel-too-old":
        # Which kernel rejects which of them is not ours to say: scx_qmap on 7.2 and scx_sdt on 6.12 were.
        assert outcome["verifier"] is None
        return
    assert (code, outcome["cause"], bool(outcome["hint"])) == (10, "verifier", True)
    rejection = outcome["verifier"]
    assert rejection["program"].isidentifier()
    assert re.fullmatch(rf"{scheduler}\.bpf\.c:\d+: \S.*", rejection["source"])
    assert rejection["message"].strip()
    assert not rejection["message"].startswith(("processed", ";", "libbpf", "--"))


def test_a_second_scheduler_is_not_attached_and_the_first_is_untouched(each_kernel: Kernel) -> None:
    first = str(schedulers.find("scx_cpu0"))
    code, outcome, _ = vm(each_kernel, "--add", first, "--setup", f"{first} >/dev/null 2>&1 & {ENABLED}")
    assert (code, outcome["outcome"]) == (11, "not-attached")
    assert "another scheduler" in outcome["reason"] or "died" in outcome["reason"]
    assert outcome["owner"]["command"] == "scx_cpu0"
    assert (outcome["kernel"]["state"], outcome["kernel"]["ops"]) == ("enabled", "cpu0")
    assert outcome["kernel"]["enable_seq"] == 1


def test_sysrq_s_during_the_run_is_ejected_with_the_kernels_reason_and_can_be_drawn(
    each_kernel: Kernel, tmp_path: Path
) -> None:
    tape = tmp_path / "run.tape"
    payload = ("sh", "-c", "echo S > /proc/sysrq-trigger; sleep 60")
    code, outcome, _ = vm(each_kernel, "--tape", str(tape), "--", *payload)
    assert (code, outcome["outcome"]) == (12, "ejected")
    assert outcome["kernel_reason"] == "disabled by sysrq-S"
    assert outcome["kernel"]["state"] == "disabled"
    for picture, words in {
        "timeline run.svg": "detached",
        "timeline run.html": "disabled by sysrq-S",
        "timeline run.json": "disabled by sysrq-S",
        "diagram run-way.svg": "detached",
    }.items():
        command, name = picture.split()
        given = [str(tape)] if command == "timeline" else ["--highlight", str(tape)]
        subprocess.run([*SCXLIFE, command, *given, "-o", str(tmp_path / name)], check=True, timeout=LIMIT)
        assert words in (tmp_path / name).read_text(), picture


def test_sigkill_from_outside_is_exited_with_the_signal(each_kernel: Kernel) -> None:
    code, outcome, _ = vm(each_kernel, "--", "sh", "-c", "kill -9 $(pidof scheduler); sleep 60")
    assert (code, outcome["outcome"], outcome["exit"]) == (13, "exited", {"signal": 9})
    assert outcome["kernel"]["state"] == "disabled"


def test_what_lives_and_never_attaches_times_out_and_is_gone(small_kernel: Kernel) -> None:
    words = ("--liveness", "200ms", "--attach-timeout", "1s", "--sched-args", "1000")
    code, outcome, _ = vm(small_kernel, "--scheduler", "/usr/bin/sleep", *words)
    assert (code, outcome["outcome"]) == (11, "not-attached")
    # What is slow to start has spent time in the kernel, and then the reason says so.
    assert outcome["reason"].startswith("not ready in time")
    assert outcome["exit"] == {"signal": 9}
    assert outcome["kernel"]["enable_seq"] == 0


def test_a_guest_that_panics_is_no_verdict_about_the_scheduler(each_kernel: Kernel) -> None:
    code, outcome, _ = vm(each_kernel, "--", "sh", "-c", "echo c > /proc/sysrq-trigger; sleep 60")
    assert (code, outcome["outcome"], outcome["guest"]) == (15, "guest-failed", "panicked")
    assert any("Kernel panic" in line for line in outcome["console_tail"])


def test_a_guest_that_is_out_of_time_is_no_verdict_either(small_kernel: Kernel) -> None:
    code, outcome, _ = vm(small_kernel, "--timeout", "8s", "--", "sleep", "600")
    assert (code, outcome["outcome"], outcome["guest"]) == (15, "guest-failed", "timed-out")


def test_a_path_without_a_scheduler_is_not_configured(small_kernel: Kernel) -> None:
    code, outcome, _ = vm(small_kernel, "--scheduler", "./no/such/scheduler")
    assert (code, outcome["outcome"]) == (127, "not-configured")


def test_an_unknown_scheduler_is_one_line_with_a_suggestion(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SCXLIFE, "vm", "run", "--scheduler", "scx_simpel"], capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode != 0
    assert "scx_simple" in done.stderr
    assert "Traceback" not in done.stderr

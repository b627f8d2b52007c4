"""What becomes of each fault on real kernels: the fixture scheduler (tests/schedulers) commits it in a guest.

Who never comes to attach, and what becomes of a log, no kernel has a say in: that is shown on the small one only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.schedulers.build import fault_scheduler

from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 700
# In the guest, from a shell; bounded by the guest's own --timeout. The payload starts when the scheduler runs.
NOW = "kill -USR1 $(pidof scheduler); sleep 60"
SYSRQ_S = "echo S > /proc/sysrq-trigger"
ENDED = {"code": 0}
KILLED = {"signal": 9}


def enabled(times: int) -> str:
    """Wait until the kernel has enabled so many instances, and let the last one live for a moment."""
    return f"until [ $(cat /sys/kernel/sched_ext/enable_seq) = {times} ]; do sleep 0.1; done; sleep 0.5"


# On a busy machine it takes longer to attach again than the grace that is usual.
PATIENT = ("--reattach-grace", "5m")


def fault(kernel: Kernel, sched_args: str, *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the outcome and the timeline of one run."""
    scheduler = ["--scheduler", str(fault_scheduler()), "--sched-args", sched_args]
    done = subprocess.run(
        [*SCXLIFE, "vm", "run", "--json", "--timeout", "600s", "--kernel", kernel.version, *scheduler, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def series(kernel: Kernel) -> tuple[int, ...]:
    return tuple(map(int, kernel.version.split(".")[:2]))


def own_words(outcome: dict[str, Any]) -> list[str]:
    """The scheduler's log without what libbpf says of each member of sched_ext_ops that this kernel does not have."""
    return [line for line in outcome["log_tail"].splitlines() if not line.startswith("libbpf: struct_ops ")]


def verdict(outcome: dict[str, Any]) -> tuple[str, dict[str, int] | None, str]:
    """How the run ended, how the process ended, what the kernel runs now."""
    return outcome["outcome"], outcome["exit"], outcome["kernel"]["state"]


# -- it behaves


def test_a_scheduler_that_behaves_is_stopped(each_kernel: Kernel) -> None:
    code, outcome, _ = fault(each_kernel, "--name well_behaved", "--for", "300ms")
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert (outcome["generation"], outcome["enable_seq"]) == (1, 1)
    assert outcome["kernel_reason"] == "unregistered from user space"
    assert own_words(outcome) == [
        "started",
        "loaded",
        "attached, generation 1",
        "EXIT: unregistered from user space",
        "ending with code 0",
    ]


def test_A26_a_partial_scheduler_is_attached_and_the_timeline_says_partial(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(each_kernel, "--partial", "--for", "300ms")
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert outcome["generation"] == 1
    assert 'BPF scheduler "fault" enabled (partial)' in timeline


# -- it dies, or is refused, before it is attached


def test_a_death_before_the_attach_is_startup_died_with_its_own_code(small_kernel: Kernel) -> None:
    code, outcome, _ = fault(small_kernel, "--die-before-attach 100:7", "--liveness", "20s")
    assert (code, *verdict(outcome)) == (10, "startup-died", {"code": 7}, "disabled")
    assert outcome["log_tail"].splitlines() == ["started", "ending with code 7"]
    assert outcome["kernel"]["enable_seq"] == 0


def test_a_program_that_the_verifier_refuses_is_startup_died_with_the_verifiers_words(each_kernel: Kernel) -> None:
    code, outcome, _ = fault(each_kernel, "--bad-program", "--liveness", "20s")
    assert (code, *verdict(outcome)) == (10, "startup-died", {"code": 1}, "disabled")
    # 6.12's verifier shows the instruction that it refuses, and does not say why.
    assert "; p->pid = 0;" in outcome["log_tail"]
    assert ("cannot write into ptr_task_struct" in outcome["log_tail"]) == (series(each_kernel) > (6, 12))
    assert outcome["verifier"]["program"] == "fault_tick"
    assert outcome["verifier"]["source"].endswith(": p->pid = 0;")
    assert ("cannot write into" in outcome["verifier"]["message"]) == (series(each_kernel) > (6, 12))
    assert "*(u32 *)" in outcome["verifier"]["message"] or series(each_kernel) > (6, 12)
    assert outcome["kernel"]["enable_seq"] == 0


def test_a_parent_that_daemonises_is_startup_died_with_code_0(small_kernel: Kernel) -> None:
    code, outcome, _ = fault(small_kernel, "--daemonise --attach-after 3600000", "--liveness", "20s")
    assert (code, *verdict(outcome)) == (10, "startup-died", ENDED, "disabled")
    assert "going on as pid" in outcome["log_tail"]


def test_A3_F2_an_init_that_fails_is_rejected_though_the_program_says_attached(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(each_kernel, "--fail-init 22 --linger", "--liveness", "20s")
    assert (code, *verdict(outcome)) == (11, "not-attached", KILLED, "disabled")
    assert "refused" in outcome["reason"]
    assert (outcome["generation"], outcome["kernel"]["enable_seq"]) == (0, 0)
    assert outcome["kernel_reason"] == "runtime error"
    assert "ops.init() failed (-22)" in timeline


def test_A3_F2_an_init_that_fails_is_never_attached_however_soon_the_program_notices(each_kernel: Kernel) -> None:
    code, outcome, _ = fault(each_kernel, "--fail-init 12", "--liveness", "20s")
    assert (code, outcome["outcome"]) in ((10, "startup-died"), (11, "not-attached"))
    assert (outcome["generation"], outcome["kernel"]["enable_seq"]) == (0, 0)
    assert (outcome["owner"], outcome["instance"]) == (None, None)
    assert outcome["kernel"]["state"] == "disabled"
    assert outcome["kernel_reason"] == "runtime error"


# -- it takes its time


def test_a_late_attach_within_the_timeout_is_attached(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(each_kernel, "--attach-after 1500", "--liveness", "300ms", "--for", "300ms")
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert outcome["timings"]["run"] >= 1.5
    assert "liveness_over" in timeline


def test_an_attach_after_the_timeout_is_not_attached_and_never_comes(small_kernel: Kernel) -> None:
    code, outcome, _ = fault(small_kernel, "--attach-after 3600000", "--liveness", "300ms", "--attach-timeout", "500ms")
    assert (code, *verdict(outcome)) == (11, "not-attached", KILLED, "disabled")
    assert outcome["reason"].startswith("not ready in time")
    assert (outcome["generation"], outcome["kernel"]["enable_seq"]) == (0, 0)


def test_A1_a_slow_init_is_progress_and_attached_only_when_it_is_over(each_kernel: Kernel) -> None:
    # However busy the machine, the load is over within 25 s or has had a second of kernel time in each five after the
    # first 20. Then ops.init is in progress, beyond the first deadline.
    waits = ("--liveness", "20s", "--attach-timeout", "5s", "--attach-at-most", "10m")
    code, outcome, timeline = fault(each_kernel, "--slow-init 30000", *waits, "--for", "300ms")
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert outcome["timings"]["run"] >= 30.0
    assert "attach_late" in timeline
    assert (outcome["generation"], outcome["enable_seq"]) == (1, 1)


def test_F9_what_is_killed_in_a_slow_init_is_not_attached_and_gone(each_kernel: Kernel) -> None:
    # An enable can't be interrupted: the process dies when ops.init is over, which is before it counts as unkillable.
    waits = ("--liveness", "200ms", "--attach-timeout", "500ms", "--attach-at-most", "1s")
    code, outcome, _ = fault(each_kernel, "--slow-init 1500", *waits)
    assert (code, *verdict(outcome)) == (11, "not-attached", KILLED, "disabled")
    assert outcome["reason"].startswith("not ready in time")
    assert outcome["generation"] == 0


# -- the kernel throws it out


def test_an_error_of_the_scheduler_is_ejected_with_the_kernels_reason(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(each_kernel, "--error-after 3600000", "--", "sh", "-c", NOW)
    assert (code, *verdict(outcome)) == (12, "ejected", ENDED, "disabled")
    assert outcome["kernel_reason"] == "scx_bpf_error"
    assert "fault.bpf.c" in timeline
    assert "the fixture was asked to fail" in timeline
    assert outcome["payload"] == {"exit": {"signal": 15}}


def test_A15_an_ejected_process_that_lingers_is_ended_after_its_grace(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(each_kernel, "--error-after 3600000 --linger", "--", "sh", "-c", NOW)
    assert (code, *verdict(outcome)) == (12, "ejected", ENDED, "disabled")
    assert outcome["kernel_reason"] == "scx_bpf_error"
    assert "reattach_late" in timeline


def test_A15_one_that_lingers_and_ignores_signals_is_killed(each_kernel: Kernel) -> None:
    words = ("--stop-grace", "500ms", "--", "sh", "-c", NOW)
    code, outcome, timeline = fault(each_kernel, "--error-after 3600000 --linger --ignore-signals", *words)
    assert (code, *verdict(outcome)) == (12, "ejected", KILLED, "disabled")
    assert outcome["kernel_reason"] == "scx_bpf_error"
    assert "stop_late" in timeline


def test_A13_a_task_that_never_runs_is_ejected_as_a_stall(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(each_kernel, "--stall --timeout-ms 2000", "--", "sleep", "60")
    assert (code, *verdict(outcome)) == (12, "ejected", ENDED, "disabled")
    assert outcome["kernel_reason"] == "runnable task stall"
    assert "failed to run for" in timeline


# -- it comes back by itself


def test_A4_a_second_attach_of_the_same_process_is_a_new_generation(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(
        each_kernel, "--reattach 1 --preload 1", *PATIENT, "--", "sh", "-c", f"{SYSRQ_S}; {enabled(2)}"
    )
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert (outcome["generation"], outcome["enable_seq"]) == (2, 2)
    assert "disabled (disabled by sysrq-S)" in timeline
    assert outcome["payload"] == {"exit": ENDED}


def test_A4_a_cpu_that_goes_offline_is_a_new_generation_for_what_restarts(each_kernel: Kernel) -> None:
    offline = "echo 0 > /sys/devices/system/cpu/cpu1/online"
    code, outcome, timeline = fault(each_kernel, "--reattach 9", *PATIENT, "--", "sh", "-c", f"{offline}; {enabled(2)}")
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert (outcome["generation"], outcome["enable_seq"]) == (2, 2)
    assert "disabled (unregistered from the main kernel)" in timeline


def test_A4_a_restart_may_be_rejected_once_before_it_succeeds(each_kernel: Kernel) -> None:
    words = (*PATIENT, "--", "sh", "-c", f"{SYSRQ_S}; {enabled(2)}")
    code, outcome, timeline = fault(each_kernel, "--reattach 2 --preload 2 --fail-init 22:2", *words)
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert (outcome["generation"], outcome["enable_seq"]) == (2, 2)
    assert "ops.init() failed (-22)" in timeline
    # bpf(2) says success both times.
    assert own_words(outcome).count("attached, generation 2") == 1
    assert "attached, generation 3" in outcome["log_tail"]


def test_A14_every_generation_of_a_restart_loop_is_counted(each_kernel: Kernel) -> None:
    words = (*PATIENT, "--", "sh", "-c", enabled(4))
    code, outcome, timeline = fault(each_kernel, "--reattach-loop --preload 3 --error-after 500:1-3", *words)
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert (outcome["generation"], outcome["enable_seq"]) == (4, 4)
    assert timeline.count("disabled (scx_bpf_error)") == 3


# -- it ends by itself, or does not end


def test_an_end_of_its_own_is_exited_with_its_code(each_kernel: Kernel) -> None:
    code, outcome, _ = fault(each_kernel, "--exit-after 3600000 --exit-code 5", "--", "sh", "-c", NOW)
    assert (code, *verdict(outcome)) == (13, "exited", {"code": 5}, "disabled")


def test_a_crash_is_exited_with_its_signal(each_kernel: Kernel) -> None:
    code, outcome, _ = fault(each_kernel, "--exit-after 3600000 --exit-signal 11", "--", "sh", "-c", NOW)
    assert (code, *verdict(outcome)) == (13, "exited", {"signal": 11}, "disabled")


def test_what_ignores_signals_is_stopped_by_sigkill(each_kernel: Kernel) -> None:
    code, outcome, timeline = fault(each_kernel, "--ignore-signals", "--for", "300ms", "--stop-grace", "500ms")
    assert (code, *verdict(outcome)) == (0, "stopped", KILLED, "disabled")
    assert "stop_late" in timeline


def test_A18_a_child_that_holds_the_link_goes_with_its_group(each_kernel: Kernel) -> None:
    code, outcome, _ = fault(each_kernel, "--fork-holder --exit-after 3600000 --exit-code 3", "--", "sh", "-c", NOW)
    assert (code, *verdict(outcome)) == (13, "exited", {"code": 3}, "disabled")
    assert "going on as pid" in outcome["log_tail"]


def test_A18_a_holder_in_a_session_of_its_own_is_left_running(each_kernel: Kernel) -> None:
    # In a cgroup nobody gets away, and so there is none here.
    arguments, without = "--fork-holder=session --exit-after 3600000", ("--setup", "umount /sys/fs/cgroup")
    code, outcome, _ = fault(each_kernel, arguments, *without, "--", "sh", "-c", NOW)
    assert (code, *verdict(outcome)) == (14, "left-running", ENDED, "enabled")
    assert outcome["kernel"]["ops"] == "fault"
    holder = outcome["log_tail"].partition("going on as pid ")[2].split()[0]
    assert f"the kernel still runs its instance (held by scheduler, pid {holder})" in outcome["reason"]
    assert outcome["degraded"] == ["no cgroup of its own: cgroup v2 is not mounted"]


# -- its log


def test_bytes_that_are_not_utf_8_cost_nothing_else_of_the_log(small_kernel: Kernel, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code, outcome, _ = fault(small_kernel, "--garbage", "--for", "300ms", "--log", str(log))
    assert (code, outcome["outcome"]) == (0, "stopped")
    assert b"\ngarbage: \xff\xfe\xc3(\xf0\x9f :end of garbage\n" in log.read_bytes()
    assert "\ngarbage: \ufffd" in outcome["log_tail"]
    assert outcome["log_tail"].endswith("ending with code 0")


def test_of_a_flood_the_end_is_kept(small_kernel: Kernel, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code, outcome, _ = fault(small_kernel, "--flood 8000000", "--for", "8s", "--log", str(log))
    assert (code, outcome["outcome"]) == (0, "stopped")
    assert log.stat().st_size == 4 * 1024 * 1024
    assert log.read_bytes().endswith(b"ending with code 0\n")
    assert outcome["log_tail"].endswith("ending with code 0")


def test_a_scheduler_that_closes_its_output_runs_like_any_other(small_kernel: Kernel) -> None:
    code, outcome, _ = fault(small_kernel, "--close-stdio", "--for", "300ms")
    assert (code, *verdict(outcome)) == (0, "stopped", ENDED, "disabled")
    assert (outcome["generation"], outcome["log_tail"]) == (1, "")

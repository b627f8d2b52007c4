"""What a scheduler leaves behind, in the kernel, in its tree, in its log and in the trace, on a real kernel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.schedulers.build import fault_scheduler
from tests.vm.ordered import run_ordered

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import ENTRY, LAZY
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.platform.vm import accel, frames, guest, image
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

BOUND_S = 90.0
NOW = "kill -USR1 $(pidof scheduler); sleep 60"
SYSRQ_S = "echo S > /proc/sysrq-trigger"
ENABLED = "until grep -q enabled /sys/kernel/sched_ext/state; do :; done"
RAW = (frames.LOG, frames.PAYLOAD_OUTPUT, frames.PROBE)


@attrs.frozen
class Seen:
    told: list[tuple[int, Any]]

    @property
    def outcome(self) -> dict[str, Any]:
        (found,) = [payload for kind, payload in self.told if kind == frames.OUTCOME]
        assert isinstance(found, dict)
        return found

    @property
    def kinds(self) -> list[int]:
        return list(dict.fromkeys(kind for kind, _ in self.told))

    @property
    def steps(self) -> list[str]:
        tape = [payload for kind, payload in self.told if kind == frames.TAPE]
        return [f"{step['event']} → {step['to']}" for step in tape if step["kind"] == "step" and step["cell"] == "go"]

    def bytes_of(self, kind: int) -> bytes:
        return b"".join(payload for found, payload in self.told if found == kind)


Boot = Callable[..., Seen]


@pytest.fixture
def boot(small_kernel: Kernel, tmp_path: Path) -> Boot:
    """Boots our PID 1 with the fixture scheduler, its arguments, a payload, settings."""
    return booting(small_kernel, tmp_path)


@pytest.fixture
def boot_each(each_kernel: Kernel, tmp_path: Path) -> Boot:
    return booting(each_kernel, tmp_path)


def booting(kernel: Kernel, folder: Path) -> Boot:
    qemu, busybox = shutil.which("qemu-system-x86_64"), shutil.which("busybox")
    assert qemu is not None and busybox is not None

    def go(
        arguments: str,
        *,
        payload: str = "",
        setup: str = "",
        append: tuple[str, ...] = (),
        **settings: Any,
    ) -> Seen:
        words = ["/bin/sh", "-c", payload] if payload else []
        run = image.Run(
            config=json.dumps({"setup": setup, "payload": words}).encode(),
            definition=freeze(shipped().with_profile("boot").with_settings(**settings)),
            boot=freeze(boot_ending()),
            scheduler=fault_scheduler(),
            scheduler_args=arguments,
        )
        base = image.build_base(entry=ENTRY, modules=LAZY, busybox=Path(busybox))
        told: list[tuple[int, Any]] = []
        lines: list[str] = []

        def on_frame(frame: frames.Frame) -> None:
            told.append((frame.type, frame.payload if frame.type in RAW else json.loads(frame.payload)))

        chosen = accel.choose("auto", qemu=Path(qemu))
        spec = guest.GuestSpec(kernel.vmlinuz, base.archive, chosen, Path(qemu), timeout=BOUND_S, append=append)
        result = run_ordered(spec, base, run, on_frame, on_console_line=lines.append)
        assert isinstance(result, guest.Completed), f"{result}\n" + "\n".join(lines)
        return Seen(told)

    return go


def test_A27_what_the_kernel_dumps_at_an_ejection_reaches_the_host(boot_each: Boot) -> None:
    seen = boot_each("--error-after 3600000", payload=NOW)
    assert (seen.outcome["outcome"], seen.outcome["kernel_reason"]) == ("ejected", "scx_bpf_error")
    dump = seen.bytes_of(frames.PROBE)
    assert dump.startswith(b"sched_ext_dump\0")
    assert b"sched_ext_dump: Backtrace:" in dump
    assert b"the fixture was asked to fail" in dump
    assert "dumped → running" in seen.steps or "dumped → detached" in seen.steps
    assert seen.kinds[-2:] == [frames.OUTCOME, frames.EXIT]


def test_A18_E5_a_holder_in_a_session_of_its_own_goes_with_the_cgroup(boot: Boot) -> None:
    seen = boot("--fork-holder=session --exit-after 3600000 --exit-code 3", payload=NOW)
    outcome = seen.outcome
    assert (outcome["outcome"], outcome["exit"], outcome["kernel"]["state"]) == ("exited", {"code": 3}, "disabled")
    assert "going on as pid" in outcome["log_tail"]
    assert outcome["degraded"] == []


def test_A18_a_pinned_link_is_found_and_named(boot_each: Boot) -> None:
    arguments = "--pin /sys/fs/bpf/kept --exit-after 3600000"
    seen = boot_each(arguments, payload=NOW, release_timeout=0.5)
    outcome = seen.outcome
    assert (outcome["outcome"], outcome["kernel"]["state"]) == ("left-running", "enabled")
    assert outcome["reason"].endswith("(pinned at /sys/fs/bpf/kept)")


def test_a_log_is_bounded_and_its_end_is_kept(boot: Boot) -> None:
    limit = 1 << 20
    seen = boot(
        "--flood 8000000",
        payload="head -c 3000000 /dev/zero; sleep 2; for l in sched payload; do stat -c '%b %B' /tmp/$l.log; done",
        log_limit=limit,
    )
    outcome = seen.outcome
    assert outcome["outcome"] == "stopped"
    assert outcome["log_dropped"] > 4 * limit
    assert outcome["log_tail"].endswith("ending with code 0")
    assert "\0" not in outcome["log_tail"]
    for line in seen.bytes_of(frames.PAYLOAD_OUTPUT).lstrip(b"\0").splitlines():
        blocks, size = map(int, line.split())
        assert blocks * size < 4 * limit


def test_A4_a_first_attach_that_a_hotplug_refused_is_followed_by_one_that_succeeds(boot: Boot) -> None:
    offline = "until grep -q loaded /tmp/sched.log; do :; done; echo 0 > /sys/devices/system/cpu/cpu1/online"
    seen = boot("--attach-after 1500 --reattach 3", setup=f"({offline}) &", run_for=0.2, liveness=0.2)
    outcome = seen.outcome
    assert (outcome["outcome"], outcome["generation"], outcome["enable_seq"]) == ("stopped", 1, 1)
    assert "attached, generation 2" in outcome["log_tail"]
    refused = [step for step in seen.steps if step.startswith("refused")]
    # A look may miss a refusal that is over at once; one that is seen ends nothing.
    assert set(refused) <= {"refused → startup", "refused → attaching"}


def test_a_payload_that_ends_while_the_kernel_does_not_run_the_scheduler_ends_the_run(boot: Boot) -> None:
    gone = "until [ $(cat /sys/kernel/sched_ext/state) = disabled ]; do :; done"
    seen = boot("--reattach 1 --attach-after 300", payload=f"{SYSRQ_S}; {gone}")
    outcome = seen.outcome
    assert (outcome["outcome"], outcome["generation"], outcome["payload"]) == ("stopped", 2, {"exit": {"code": 0}})
    assert "payload_ended → finishing" in seen.steps
    assert "ready → stopping" in seen.steps


def test_and_one_that_does_not_come_back_is_ejected(boot: Boot) -> None:
    gone = "until [ $(cat /sys/kernel/sched_ext/state) = disabled ]; do :; done"
    seen = boot("--linger", payload=f"{SYSRQ_S}; {gone}", reattach_grace=0.5)
    outcome = seen.outcome
    assert (outcome["outcome"], outcome["kernel_reason"]) == ("ejected", "disabled by sysrq-S")
    assert "payload_ended → finishing" in seen.steps


def test_A26_the_outcome_says_that_a_scheduler_is_partial(boot: Boot) -> None:
    partial = boot("--partial", run_for=0.1).outcome
    assert (partial["outcome"], partial["partial"]) == ("stopped", True)


def test_row_20_a_refused_scheduler_is_told_before_its_dump(boot: Boot) -> None:
    seen = boot("--fail-init 22 --linger", liveness=20.0)
    assert seen.outcome["outcome"] == "not-attached"
    assert seen.outcome["kernel_reason"] == "runtime error"
    assert b"ops.init() failed (-22)" in seen.bytes_of(frames.PROBE)
    without = [kind for kind in seen.kinds if kind not in (frames.HELLO, frames.TAPE, frames.PROBE)]
    assert without == [frames.LOG, frames.LIFECYCLE, frames.OUTCOME, frames.EXIT]


# What is in the way, and its code: arguments, what is done before, words for the kernel.
IN_THE_WAY: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "verifier": ("--bad-program", "", ()),
    "slot-taken": ("", f"cp /scheduler /other; (/other &); {ENABLED}", ()),
    "isolcpus": ("", "", ("isolcpus=1",)),
}


@pytest.mark.parametrize("cause", IN_THE_WAY)
def test_A12_A29_what_is_in_the_way_is_told_by_its_code_and_with_a_hint(boot: Boot, cause: str) -> None:
    arguments, setup, append = IN_THE_WAY[cause]
    outcome = boot(arguments, setup=setup, append=append, liveness=20.0).outcome
    assert outcome["outcome"] in ("startup-died", "not-attached")
    assert (outcome["cause"], outcome["generation"]) == (cause, 0)
    assert outcome["hint"]

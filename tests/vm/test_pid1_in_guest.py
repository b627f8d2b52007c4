"""Our PID 1 on a real kernel: what it owes to orphans, to signals, to the host that waits for its last word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.vm.ordered import run_ordered

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import ENTRY, LAZY
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.lifecycle.output_markers import Dump, dumps
from scxlife.platform.vm import accel, frames, guest, image, schedulers
from scxlife.platform.vm.cache import NotInstalled
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

BOUND_S = 90.0
ZOMBIES = "cat /proc/[0-9]*/stat | awk '$3 == \"Z\"' | wc -l"
# The pipe is at its end when the last of them is dead or dying; then PID 1 has so many looks to bury them.
HUNDRED_ORPHANS = f"""
echo born: $(for i in $(seq 100); do (sh -c 'echo born; exit 7' &); done | wc -l)
n=0; while [ $({ZOMBIES}) -gt 0 ] && [ $n -lt 100 ]; do n=$((n+1)); done
echo zombies: $({ZOMBIES})
"""


@attrs.frozen
class Seen:
    """All that a guest let be seen."""

    told: list[tuple[int, Any]]
    console: str
    result: guest.GuestResult

    def of(self, kind: int) -> Any:
        """What the one frame of that kind said."""
        (payload,) = [payload for type, payload in self.told if type == kind]
        return payload

    def kinds(self) -> list[int]:
        return [type for type, _ in self.told if type != frames.TAPE]

    def text(self, kind: int) -> str:
        return b"".join(payload for type, payload in self.told if type == kind).decode()


Boot = Callable[..., Seen]
RAW = (frames.LOG, frames.PAYLOAD_OUTPUT)


@pytest.fixture
def boot(small_kernel: Kernel, tmp_path: Path) -> Boot:
    """Boots our init with a scheduler, a set-up command, a payload, settings."""
    return booting(small_kernel, tmp_path)


@pytest.fixture
def boot_each(each_kernel: Kernel, tmp_path: Path) -> Boot:
    return booting(each_kernel, tmp_path)


def booting(kernel: Kernel, folder: Path) -> Boot:
    qemu = shutil.which("qemu-system-x86_64")
    busybox = shutil.which("busybox")
    if qemu is None or busybox is None:
        pytest.skip("QEMU or busybox is not installed")
    try:
        scheduler = schedulers.find("scx_simple")
    except NotInstalled as error:
        pytest.skip(f"{error}: {error.hint}")

    def go(*, setup: str = "", payload: str = "", scheduler_args: str = "", **settings: Any) -> Seen:
        words = ["/bin/sh", "-c", payload] if payload else []
        run = image.Run(
            config=json.dumps({"setup": setup, "payload": words}).encode(),
            definition=freeze(shipped().with_profile("boot").with_settings(**settings)),
            boot=freeze(boot_ending()),
            scheduler=scheduler,
            scheduler_args=scheduler_args,
        )
        base = image.build_base(entry=ENTRY, modules=LAZY, busybox=Path(busybox))
        told: list[tuple[int, Any]] = []
        lines: list[str] = []

        def on_frame(frame: frames.Frame) -> None:
            told.append((frame.type, frame.payload if frame.type in RAW else json.loads(frame.payload)))

        chosen = accel.choose("auto", qemu=Path(qemu))
        spec = guest.GuestSpec(kernel.vmlinuz, base.archive, chosen, Path(qemu), timeout=BOUND_S)
        result = run_ordered(spec, base, run, on_frame, on_console_line=lines.append)
        console = "\n".join(lines)
        assert isinstance(result, guest.Completed), f"{result}\n{console}"
        assert "Traceback" not in console
        return Seen(told, console, result)

    return go


def test_C8_C10_D1_D3_F13_pid_1_buries_orphans_shrugs_off_signals_and_goes_first(boot_each: Boot) -> None:
    payload = f"""
    {HUNDRED_ORPHANS}
    for each in 1 self $(pidof scheduler); do echo policy: $(awk '{{print $41}}' /proc/$each/stat); done
    grep VmLck /proc/1/status
    grep -E 'SigBlk' /proc/self/status
    echo ctrl-alt-del: $(cat /proc/sys/kernel/ctrl-alt-del)
    for n in $(seq 1 64); do case $n in 1|2|3|6|15|24|30) ;; *) kill -$n 1 2>/dev/null ;; esac; done
    echo still here
    kill -TERM 1
    sleep 600
    """
    seen = boot_each(payload=payload)
    output = seen.text(frames.PAYLOAD_OUTPUT)
    assert "born: 100\nzombies: 0\n" in output
    # PID 1, the payload, the scheduler: SCHED_FIFO is 1, SCHED_OTHER is 0.
    assert "policy: 1\npolicy: 0\npolicy: 0\n" in output
    assert "VmLck:\t       0 kB" not in output
    assert "SigBlk:\t0000000000000000\n" in output
    assert "ctrl-alt-del: 0\n" in output
    assert "still here\n" in output
    assert seen.of(frames.HELLO)["degraded"] == []
    outcome = seen.of(frames.OUTCOME)
    assert (outcome["outcome"], outcome["exit"], outcome["phase"]) == ("stopped", {"code": 0}, "run")
    assert outcome["payload"] == {"exit": {"signal": 15}}
    assert outcome["kernel"]["state"] == "disabled"


def test_D1_a_signal_that_comes_before_anybody_listens_is_kept(boot: Boot) -> None:
    seen = boot(setup="kill -INT 1; (exit 0) & kill -INT 1")
    outcome = seen.of(frames.OUTCOME)
    assert (outcome["outcome"], outcome["phase"]) == ("stopped", "startup")
    assert frames.INTERNAL_ERROR not in seen.kinds()


# What is wrong with the scheduler; the outcome; the lifecycle frames; what the dump says.
DIES = "printf '#!/bin/sh\\necho first; echo ===SCHED_OUTPUT_END===; printf last; exit 3\\n' > /scheduler"
LINGERS = "printf '#!/bin/sh\\necho I do nothing\\nexec sleep 1000\\n' > /scheduler"
FAILURES = {
    "startup-died": (DIES, ["SchedulerExited", "SchedulerDied"], "first\n===SCHED_OUTPUT_END===\nlast\n"),
    "not-attached": (LINGERS, ["SchedulerNotAttached"], "I do nothing\n"),
    "spawn-failed": (
        "chmod 0 /scheduler",
        ["SchedulerDied"],
        "failed to spawn: /scheduler: EACCES: Permission denied\n",
    ),
    "spawn-failed by its arguments": (
        'echo "--name \'half" > /sched_args',
        ["SchedulerDied"],
        "failed to spawn: /sched_args: no closing quotation: write it as on a shell's command line\n",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_row_20_a_failed_start_is_dumped_then_told_then_ended(boot: Boot, failure: str) -> None:
    setup, events, words = FAILURES[failure]
    seen = boot(setup=setup, liveness=0.5, attach_timeout=0.5, attach_at_most=0.5)
    (dump,) = dumps(seen.console)
    assert dump == Dump(words, dump.tag, True)
    name = failure.split()[0]
    assert seen.of(frames.OUTCOME)["outcome"] == name
    # All of the log is there before the host is told what it means.
    assert seen.kinds()[-3:] == [frames.LIFECYCLE, frames.OUTCOME, frames.EXIT]
    told = [payload for kind, payload in seen.told if kind == frames.LIFECYCLE]
    assert [payload["event"] for payload in told] == events
    assert told[-1]["outcome"] == name
    logged = "" if name == "spawn-failed" else words
    assert seen.text(frames.LOG) in (logged, logged.removesuffix("\n"))

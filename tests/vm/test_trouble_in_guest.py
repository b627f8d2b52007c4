"""What goes wrong around a scheduler on a real kernel: others take its slot or its link, it can't be killed, the kernel
can't have one, the clock jumps. Nothing of it may pass for something else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.schedulers.build import detach, fault_scheduler
from tests.vm.watched import Seen, small_kernel, watched

from scxlife.platform.vm import frames, schedulers

pytestmark = pytest.mark.guest

Boot = Callable[..., Seen]
STATE = "/sys/kernel/sched_ext/state"
SYSRQ_S = "echo S > /proc/sysrq-trigger"
#: Longer than a guest lives: what ends a run is never the patience of a setting that a test gives this to.
FOREVER = 3600.0


TELLING = (frames.TAPE, frames.LIFECYCLE)


def until(state: str) -> str:
    return f"until [ $(cat {STATE}) = {state} ]; do :; done"


@pytest.fixture(scope="module")
def kernel() -> Path:
    return small_kernel()


@pytest.fixture
def boot(kernel: Path, tmp_path: Path) -> Boot:
    return functools.partial(watched, kernel, tmp_path, fault_scheduler())


# -- before it is attached -----------------------------------------------------------------------------------------


def test_row_9_defect_2_a_death_while_it_attaches_is_told_at_once_and_as_such(boot: Boot) -> None:
    seen = boot("--die-before-attach 1500:7", liveness=0.2, attach_timeout=FOREVER, attach_at_most=FOREVER)
    assert seen.verdict == ("not-attached", {"code": 7}, "disabled")
    assert seen.outcome["reason"] == "died while attaching (code 7)"
    assert (seen.outcome["phase"], seen.outcome["kernel"]["enable_seq"]) == ("attach", 0)
    assert [told["event"] for told in seen.announced] == ["SchedulerExited", "SchedulerNotAttached"]


def test_A12_a_kernel_that_refuses_every_scheduler_is_told_with_its_reason(boot: Boot) -> None:
    seen = boot(append=["isolcpus=1"], liveness=FOREVER)
    assert seen.verdict == ("startup-died", {"code": 1}, "disabled")
    assert seen.outcome["kernel_details"] == ['Not compatible with "isolcpus=" domain isolation']
    assert seen.outcome["cause"] == "isolcpus"


# -- others --------------------------------------------------------------------------------------------------------


def test_row_13_a_stranger_in_the_slot_of_one_that_was_ejected_is_named(boot: Boot) -> None:
    stranger = schedulers.find("scx_simple")
    takes_over = f"{SYSRQ_S}; {until('disabled')}; setsid {stranger} >/dev/null 2>&1 & sleep 60"
    seen = boot("--linger", payload=takes_over, files=[stranger], reattach_grace=FOREVER)
    assert seen.outcome["outcome"] == "ejected"
    assert seen.outcome["owner"]["command"] == "scx_simple"
    # All else is of ours, also where the kernel disables the stranger's as our dead link is closed (6.12).
    (attached, _) = seen.announced
    assert seen.outcome["kernel_reason"] == "disabled by sysrq-S"
    assert (seen.outcome["instance"], seen.outcome["enable_seq"]) == (attached["instance"], attached["enable_seq"])
    assert "foreign → stopping" in seen.steps()
    assert [told["event"] for told in seen.announced] == ["SchedulerAttached", "SchedulerLost"]
    assert 'sched_ext: BPF scheduler "fault" disabled (disabled by sysrq-S)' in seen.kernel_said()


@pytest.mark.parametrize("then", ["stays", "ends with 0"])
def test_A17_a_link_that_is_detached_from_outside_is_no_clean_end(boot: Boot, then: str) -> None:
    # Asked by SIGTERM or by what it sees, it ends with 0, and the kernel's reason is the one of a clean end. It is
    # held up, as its looks come after ours only then: most schedulers look once a second, the fixture all the time.
    words = {"stays": "--linger", "ends with 0": ""}[then]
    held_up = f"kill -STOP $(pidof scheduler); {detach()}; sleep 0.5; kill -CONT $(pidof scheduler)"
    seen = boot(words, payload=f"{held_up}; sleep 60", files=[detach()])
    assert seen.verdict == ("ejected", {"code": 0}, "disabled")
    assert seen.outcome["kernel_reason"] == "unregistered from user space"
    assert seen.outcome["reason"].startswith("somebody else detached its link")
    assert ("reattach_late → stopping" in seen.steps()) == (then == "stays")


def test_A17_a_link_that_it_gave_up_itself_is_an_end_of_its_own(boot: Boot) -> None:
    seen = boot("--slow-exit 1500", payload="kill -TERM $(pidof scheduler); sleep 60")
    assert seen.verdict == ("exited", {"code": 0}, "disabled")
    assert "lost → detached" in seen.steps()


# -- it does not end -----------------------------------------------------------------------------------------------


def test_row_14_defect_7_Q3_Q4_what_outlives_sigkill_is_left_running_and_named_so(boot: Boot) -> None:
    # An enable can't be interrupted. PID 1 is asked for the end as soon as there is one.
    asks = f"({until('enabling')}; kill -INT 1) >/dev/null 2>&1 &"
    seen = boot("--slow-init 15000", setup=asks, liveness=FOREVER, stop_grace=0.3, kill_timeout=0.3)
    assert seen.verdict == ("left-running", None, "enabling")
    assert seen.outcome["reason"] == "still there after SIGKILL"
    assert seen.steps()[-3:] == ["interrupt → stopping", "stop_late → killing", "kill_late → left_running"]
    assert seen.announced == []


def test_A8_Q4_a_disable_without_end_is_left_running_and_the_kernel_still_says_disabling(boot: Boot) -> None:
    seen = boot("--slow-exit 15000", run_for=0.2, stop_grace=0.3, kill_timeout=0.3)
    assert seen.verdict == ("left-running", None, "disabling")
    assert seen.outcome["reason"] == "still there after SIGKILL"


def test_A8_one_that_died_is_not_ejected_however_long_the_kernel_takes_to_let_go(boot: Boot) -> None:
    payload = "kill -KILL $(pidof scheduler); sleep 60"
    seen = boot("--slow-exit 2000", payload=payload, reattach_grace=0.5)
    assert seen.verdict == ("exited", {"signal": 9}, "disabled")


def test_A8_a_slow_disable_within_the_grace_is_waited_for(boot: Boot) -> None:
    seen = boot("--slow-exit 1500", run_for=0.2, stop_grace=FOREVER)
    assert seen.verdict == ("stopped", {"code": 0}, "disabled")
    assert seen.outcome["timings"]["reap"] - seen.outcome["timings"]["stop"] >= 1.5


# -- the end, as the host hears it ---------------------------------------------------------------------------------


def test_row_24_the_host_hears_of_the_schedulers_end_before_the_payload_ends(boot: Boot) -> None:
    payload = "trap 'echo asked to end; exit 9' TERM; kill -KILL $(pidof scheduler); sleep 60 & wait"
    seen = boot("", payload=payload)
    assert seen.verdict == ("exited", {"signal": 9}, "disabled")
    assert seen.outcome["payload"] == {"exit": {"code": 9}}
    assert seen.payload.output == "asked to end\n"
    (end_of_payload,) = seen.happened("payload_ended")
    order = [told if kind == frames.TAPE else told["event"] for kind, told in seen.told if kind in TELLING]
    assert order.index("SchedulerExited") < order.index(end_of_payload)


# -- time ----------------------------------------------------------------------------------------------------------


def test_H1_a_wall_clock_that_jumps_back_and_forth_changes_no_deadline(boot: Boot) -> None:
    jumps = "while true; do date -s 2001-01-01 >/dev/null; date -s 2037-01-01 >/dev/null; done"
    seen = boot("", setup=f"({jumps}) >/dev/null 2>&1 &", payload="sleep 60", run_for=1.0)
    assert seen.verdict == ("stopped", {"code": 0}, "disabled")
    assert "run_over → stopping" in seen.steps()
    ran = seen.outcome["timings"]["stop"] - seen.outcome["timings"]["run"]
    assert 1.0 <= ran < 600.0
    times = [record["t"] for record in seen.tape]
    assert times == sorted(times)

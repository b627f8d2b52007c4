"""*Attached* is said when the kernel runs our scheduler and never else: each thing that looks like it, really done.

The tape and the lifecycle frames have all that was ever claimed; what is true is told by the kernel's own log and
counter, and by who was there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.schedulers.build import fault_scheduler
from tests.vm.watched import Seen, small_kernel, watched

from scxlife.platform.vm import schedulers

pytestmark = pytest.mark.guest

Boot = Callable[..., Seen]
SCX = "/sys/kernel/sched_ext"
FOREVER = 3600.0
NEVER_READY = "--attach-after 3600000"


def until(state: str) -> str:
    return f"until [ $(cat {SCX}/state) = {state} ]; do :; done"


@pytest.fixture(scope="module")
def kernel() -> Path:
    return small_kernel()


@pytest.fixture
def boot(kernel: Path, tmp_path: Path) -> Boot:
    return functools.partial(watched, kernel, tmp_path, fault_scheduler())


def claims(seen: Seen) -> list[dict[str, Any]]:
    """Every claim to be attached, each held against what must be true of it. The tape and the frames agree."""
    claimed = [told for told in seen.announced if told["event"] in ("SchedulerAttached", "SchedulerReattached")]
    on_tape = [
        record["name"]
        for record in seen.tape
        if record["kind"] == "action" and record["name"] in ("announce_attached", "announce_reattached")
    ]
    assert len(on_tape) == len(claimed)
    (spawned,) = seen.happened("spawned")
    for told in claimed:
        assert told["state"] == "enabled"
        assert told["instance"] is not None
        assert told["owner"]["pid"] == spawned["data"]["pid"]
    counted = [told["enable_seq"] for told in claimed]
    assert counted == sorted(set(counted)), "two claims for one enable"
    return claimed


def claimed_at(seen: Seen) -> float:
    """Seconds from the spawn to the claim."""
    (spawned,) = seen.happened("spawned")
    return float(next(r["t"] for r in seen.tape if r.get("name") == "announce_attached") - spawned["t"])


def test_defect_10_a_slow_init_is_attached_when_it_is_over_and_not_before(boot: Boot) -> None:
    seen = boot("--slow-init 3000", run_for=0.2)
    (claim,) = claims(seen)
    assert claim["enable_seq"] == 1
    assert claimed_at(seen) >= 3.0


def test_F2_a_failing_init_is_never_attached_whatever_the_program_says(boot: Boot) -> None:
    seen = boot("--fail-init 22 --linger", liveness=2.0, attach_timeout=2.0)
    assert claims(seen) == []
    assert "attached, generation 1" in seen.outcome["log_tail"]
    assert seen.outcome["outcome"] == "not-attached"


def test_F2_an_init_that_fails_first_is_attached_at_most_once(boot: Boot) -> None:
    seen = boot("--fail-init 22:1 --reattach 1 --preload 1", run_for=0.2)
    # Refused is seen, and it is killed; or it was quicker than the next look, and is attached by its second try.
    assert [claim["enable_seq"] for claim in claims(seen)] in ([], [1])
    assert (seen.outcome["outcome"] == "stopped") == bool(claims(seen))
    assert seen.outcome["kernel"]["state"] == "disabled"


def test_defect_10_a_scheduler_that_was_there_before_is_foreign_and_untouched(boot: Boot) -> None:
    # Of the same name as ours, so that no name tells them apart.
    other = fault_scheduler()
    setup = f"{other} >/dev/null 2>&1 & {until('enabled')}"
    seen = boot(NEVER_READY, setup=setup, files=[other], liveness=FOREVER)
    assert claims(seen) == []
    assert seen.outcome["outcome"] == "not-attached"
    assert seen.outcome["owner"]["command"] == "scx_fault"
    assert (seen.outcome["kernel"]["state"], seen.outcome["kernel"]["ops"]) == ("enabled", "fault")


def test_defect_10_a_stranger_that_comes_after_our_spawn_is_foreign_and_untouched(boot: Boot) -> None:
    # A new instance, an enable_seq beyond the baseline: all of the proof but the link.
    stranger = schedulers.find("scx_simple")
    setup = f"(until pidof scheduler; do :; done; {stranger}) >/dev/null 2>&1 &"
    seen = boot(NEVER_READY, setup=setup, files=[stranger], attach_timeout=FOREVER, attach_at_most=FOREVER)
    assert claims(seen) == []
    assert seen.outcome["outcome"] == "not-attached"
    assert "another scheduler" in seen.outcome["reason"]
    assert seen.outcome["owner"]["command"] == "scx_simple"
    kernel = seen.outcome["kernel"]
    assert (kernel["state"], kernel["ops"], kernel["enable_seq"]) == ("enabled", "simple", 1)


def test_A8_defect_10_the_name_of_one_that_is_dying_is_stale_and_ours_is_attached_after_it(boot: Boot) -> None:
    former = fault_scheduler()
    dying = f"{former} --slow-exit 3000 >/dev/null 2>&1 & {until('enabled')}; kill -KILL $!; {until('disabling')}"
    setup = f"{dying}; test $(cat {SCX}/root/ops) = fault"
    waits = {"attach_timeout": FOREVER, "attach_at_most": FOREVER}
    seen = boot("--attach-after 4000", setup=setup, files=[former], run_for=0.2, **waits)
    (claim,) = claims(seen)
    assert (claim["ops"], claim["enable_seq"]) == ("fault", 2)
    assert claimed_at(seen) >= 4.0
    assert seen.outcome["outcome"] == "stopped"


def test_A26_a_partial_one_is_attached_and_the_kernel_says_partial(boot: Boot) -> None:
    seen = boot("--partial", run_for=0.2)
    (claim,) = claims(seen)
    assert claim["enable_seq"] == 1
    assert 'sched_ext: BPF scheduler "fault" enabled (partial)' in seen.kernel_said()

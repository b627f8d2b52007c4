"""The reason of an outcome: the definition's words, and of what was seen only what explains it."""

from __future__ import annotations

from typing import Any

import pytest

from scxlife.lifecycle.facts import Facts
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.reasons import words
from scxlife.platform.sched_ext import Snapshot

WITHOUT = Snapshot(
    present=False, state=None, ops=None, enable_seq=None, instance=None, switch_all=None, taken_at=0.0
)  # fmt: skip
DIED = {"exit": {"code": 3}}
STRANGER = {"owner": {"pid": 7, "command": "scx_other"}}
KERNEL = {"kernel_reason": "a stall"}
HOLDER = {"held_by": "pid 9"}
READY = {"spawned_at": 1.0, "attachments": 1, "ready_seconds": 3.0}
AGAIN = {"spawned_at": 1.0, "attachments": 3, "ready_seconds": 65.2}
UNKNOWN = "the kernel no longer ran it, and why is not known"


@pytest.mark.parametrize(
    ("outcome", "facts", "told"),
    [
        ("startup-died", DIED, "it died before it was ready (code 3)"),
        ("exited", {**DIED, **READY}, "it was attached for 3.0 s and ended by itself (code 3)"),
        ("not-attached/died", DIED, "died while attaching (code 3)"),
        ("stopped", {**DIED, **READY}, "it was attached for 3.0 s and ended as asked"),
        ("stopped", AGAIN, "it was attached 3 times for 1 min 5 s in all and ended as asked"),
        ("stopped", {"spawned_at": 1.0}, "it was not attached yet (phase attach) and ended as asked"),
        ("stopped", {}, "it was not started yet and ended as asked"),
        ("not-attached/timeout", DIED, "not ready in time"),
        ("startup-died", {**DIED, "failure": "no such thing"}, "it died before it was ready (no such thing)"),
        ("startup-died", {**DIED, "baseline": WITHOUT}, "it died before it was ready (code 3; sched_ext sysfs absent)"),
        ("not-attached/died", {**DIED, "baseline": WITHOUT}, "died while attaching (code 3)"),
        ("not-attached/timeout", {"kernel_seconds": 0.25}, "not ready in time (0.2 s of it in the kernel)"),
        ("not-attached/timeout", {"kernel_seconds": 0.1}, "not ready in time (0.1 s of it in the kernel)"),
        ("not-attached/timeout", {"kernel_seconds": 0.09}, "not ready in time"),
        ("not-attached/rejected", {"kernel_seconds": 9.0}, "the kernel began to enable it and refused"),
        ("not-attached/foreign", STRANGER, "owned by another scheduler (scx_other, pid 7)"),
        ("not-attached/foreign", {}, "owned by another scheduler"),
        ("not-attached/timeout", STRANGER, "not ready in time"),
        ("ejected/kernel", {**KERNEL, **READY}, "the kernel threw it out (attached for 3.0 s; a stall)"),
        ("ejected/unknown", AGAIN, f"{UNKNOWN} (attached 3 times for 1 min 5 s in all)"),
        ("not-attached/rejected", KERNEL, "the kernel began to enable it and refused (the kernel: a stall)"),
        ("exited", {**DIED, **KERNEL, **READY}, "it was attached for 3.0 s and ended by itself (code 3)"),
        ("left-running/held", HOLDER, "the process is gone and the kernel still runs its instance (pid 9)"),
    ],
)  # fmt: skip
def test_only_what_explains_it_is_told(outcome: str, facts: dict[str, Any], told: str) -> None:
    assert words(shipped(), Facts(**facts), outcome, "attach", None) == told


@pytest.mark.parametrize(
    ("profile", "outcome", "facts", "told"),
    [
        ("file", "stopped", READY, "it was ready for 3.0 s and ended as asked"),
        ("none", "stopped", {"spawned_at": 1.0}, "it was not ready yet (phase startup) and ended as asked"),
        ("none", "stopped", {}, "it was not started yet and ended as asked"),
        ("file", "exited", {**DIED, **READY}, "it was ready for 3.0 s and ended by itself (code 3)"),
        ("boot", "stopped", READY, "it was attached for 3.0 s and ended as asked"),
        ("operation", "exited", {**DIED, **READY}, "it was attached for 3.0 s and ended by itself (code 3)"),
    ],
)
def test_attached_is_said_where_readiness_is_sched_ext(
    profile: str, outcome: str, facts: dict[str, Any], told: str
) -> None:
    assert words(shipped().with_profile(profile), Facts(**facts), outcome, "startup", None) == told


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [
        (0.0, "0.0 s"),
        (0.04, "0.0 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (93780.0, "26 h 3 min"),
    ],
)
def test_a_time_is_told_in_the_units_of_its_size(seconds: float, spoken: str) -> None:
    facts = Facts(attachments=1, ready_seconds=seconds)
    assert words(shipped(), facts, "stopped", "run", None) == f"it was attached for {spoken} and ended as asked"


def test_a_fault_of_our_own_is_told() -> None:
    fault = OSError(5, "Input/output error")
    assert words(shipped(), Facts(), "fault", "run", fault).endswith("([Errno 5] Input/output error)")


def test_where_readiness_is_a_file_sched_ext_is_nobodys_concern() -> None:
    facts = Facts(exit={"code": 3}, baseline=WITHOUT)
    told = words(shipped().with_profile("file"), facts, "startup-died", "startup", None)
    assert told == "it died before it was ready (code 3)"

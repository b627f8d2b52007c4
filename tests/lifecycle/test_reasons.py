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


@pytest.mark.parametrize(
    ("outcome", "facts", "told"),
    [
        ("startup-died", DIED, "it died before it was ready (code 3)"),
        ("exited", DIED, "it was ready and ended by itself (code 3)"),
        ("not-attached/died", DIED, "died while attaching (code 3)"),
        ("stopped", DIED, "it was ready, or on its way, and ended as asked"),
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
        ("ejected/kernel", KERNEL, "the kernel threw it out (a stall)"),
        ("not-attached/rejected", KERNEL, "the kernel began to enable it and refused (the kernel: a stall)"),
        ("exited", {**DIED, **KERNEL}, "it was ready and ended by itself (code 3)"),
        ("left-running/held", HOLDER, "the process is gone and the kernel still runs its instance (pid 9)"),
    ],
)  # fmt: skip
def test_only_what_explains_it_is_told(outcome: str, facts: dict[str, Any], told: str) -> None:
    assert words(shipped(), Facts(**facts), outcome, None) == told


def test_a_fault_of_our_own_is_told() -> None:
    fault = OSError(5, "Input/output error")
    assert words(shipped(), Facts(), "fault", fault).endswith("([Errno 5] Input/output error)")


def test_where_readiness_is_a_file_sched_ext_is_nobodys_concern() -> None:
    facts = Facts(exit={"code": 3}, baseline=WITHOUT)
    assert words(shipped().with_profile("file"), facts, "startup-died", None) == "it died before it was ready (code 3)"

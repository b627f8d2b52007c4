"""H4: a deadline that knows progress is extended while there is some, and never beyond its bound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scxlife.fsm.definition import Definition
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import NotAttached, Outcome, Stopped
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.kernel_time import kernel_seconds
from scxlife.platform.linux import LinuxKernel

# A system call for each byte: nearly all of its time is the kernel's. The shell waits for nobody's leave to make the
# file: it makes it when the kernel has worked long enough.
BUSY = "exec dd if=/dev/zero of=/dev/null bs=1 2>/dev/null"
BUSY_THEN_READY = "dd if=/dev/zero of=/dev/null bs=1 count=400000 2>/dev/null; touch {ready}; exec sleep 300"
IDLE = "exec sleep 300"


def run(tmp: Path, script: str, definition: Definition) -> tuple[Outcome, list[str]]:
    """The outcome, and how often each deadline of the attach wait was told."""
    ready = tmp / "ready"
    told: list[str] = []

    def observe(record: Mapping[str, Any]) -> None:
        if record["kind"] == "step" and record["state"] == "attaching":
            told.append(f"{record['event']} → {record['to']}")

    plan = Plan(
        command="/bin/sh",
        arguments=("-c", script.format(ready=ready)),
        environment={"PATH": "/usr/bin:/bin"},
        log_path=str(tmp / "log"),
        ready_file=str(ready),
    )
    return Supervision(LinuxKernel(), definition, plan, observer=observe).run(), told


@pytest.fixture
def definition() -> Definition:
    return (
        shipped()
        .with_profile("file")
        # 10 ms of 2 s: a busy machine gives that to whatever asks for it.
        .with_settings(liveness=0.0, attach_timeout=2.0, attach_at_most=6.4, verifier_share=0.005)
    )


def test_H4_a_process_that_the_kernel_works_for_gets_more_time_and_no_more_than_the_bound(
    tmp_path: Path, definition: Definition
) -> None:
    outcome, told = run(tmp_path, BUSY, definition)
    assert isinstance(outcome, NotAttached)
    assert "s of it in the kernel" in outcome.reason
    assert told[-1] == "attach_over → killing"
    assert set(told[:-1]) == {"attach_late → attaching"}


def test_H4_a_process_that_does_nothing_gets_none(tmp_path: Path, definition: Definition) -> None:
    outcome, told = run(tmp_path, IDLE, definition)
    assert (type(outcome), told[-1]) == (NotAttached, "attach_late → killing")
    # On a slow machine its own start has been work, once.
    assert told[:-1] in ([], ["attach_late → attaching"])


def test_H4_what_is_ready_after_its_first_deadline_is_ready(tmp_path: Path, definition: Definition) -> None:
    patient = definition.with_settings(attach_timeout=0.01, attach_at_most=60.0, verifier_share=0.0, run_for=0.0)
    outcome, told = run(tmp_path, BUSY_THEN_READY, patient)
    assert type(outcome) is Stopped
    assert told[0] == "attach_late → attaching"
    assert told[-1] == "ready → running"


def test_no_share_asks_for_no_progress(tmp_path: Path, definition: Definition) -> None:
    outcome, told = run(tmp_path, BUSY, definition.with_settings(verifier_share=None))
    assert (type(outcome), told) == (NotAttached, ["attach_late → killing"])


def test_the_kernels_time_of_a_process_that_is_gone_is_unknown(tmp_path: Path) -> None:
    assert kernel_seconds(LinuxKernel(), 2**22 + 1) is None

"""What single actions keep, where the simulated kernel can't be in the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from scxlife.fsm.events import Event
from scxlife.lifecycle.actions import DETAILS, Actions
from scxlife.lifecycle.facts import Facts
from scxlife.lifecycle.guards import reason_of
from scxlife.lifecycle.logfile import open_log
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.payload import Payload
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.processes import Process
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.linux import LinuxKernel


def actions(facts: Facts) -> Actions:
    kernel, plan = LinuxKernel(), Plan(command="/none")
    return Actions(
        kernel,
        shipped(),
        plan,
        facts,
        Process(kernel),
        Payload(kernel, plan, facts, lambda cause: None),
        announce=lambda name, facts: None,
        post=lambda name, data, cause: None,
        source=lambda name: None,
    )


def says(scheduler: str | None, verb: str, **more: Any) -> Event:
    return Event("kernel_says", {"scheduler": scheduler, "verb": verb, "reason": None, "detail": None, **more})


@pytest.mark.parametrize(
    ("ours", "said", "kept"),
    [("mine", "mine", True), ("mine", None, True), ("mine", "other", False), (None, "other", True), (None, None, True)],
)
def test_what_the_kernel_says_of_another_scheduler_is_not_said_of_ours(
    ours: str | None, said: str | None, kept: bool
) -> None:
    facts = Facts(ops=ours)
    actions(facts).note_kernel_reason(says(said, "disabled", reason="a stall"))
    assert facts.kernel_reason == ("a stall" if kept else None)


def test_who_attaches_again_has_not_kept_its_former_link() -> None:
    facts = Facts(ops="mine", link_kept=True, kernel_reason="a stall")
    actions(facts).note_kernel_reason(says("mine", "enabled"))
    assert (facts.link_kept, facts.kernel_reason) == (False, "a stall")


def test_details_are_kept_up_to_a_bound() -> None:
    facts = Facts()
    act = actions(facts)
    act.note_kernel_reason(says("mine", "error"))
    for number in range(DETAILS + 5):
        act.note_kernel_reason(says("mine", "error", detail=f"line {number}"))
    assert facts.kernel_details == [f"line {number}" for number in range(DETAILS)]


def test_one_life_that_ends_before_it_was_ready_has_failed_to_start() -> None:
    life = Supervision(LinuxKernel(), shipped(), Plan(command="/none"), observer=lambda record: None)
    assert life.failed is True
    assert life.failure == ""
    life.facts.failure = "no such thing"
    assert life.failure == "no such thing"


def test_of_several_ends_that_a_scheduler_prints_the_last_one_counts(tmp_path: Path) -> None:
    log = open_log(LinuxKernel(), str(tmp_path / "log"))
    os.write(log.fd, b"EXIT: the first\nattached again\nEXIT: the last\nbye\n")
    facts = Facts(log=log)
    assert reason_of(LinuxKernel(), shipped(), facts) == "the last"
    assert reason_of(LinuxKernel(), shipped().with_profile("file"), facts) is None
    os.close(log.fd)

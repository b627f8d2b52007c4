"""The page about the guest says what the code says."""

from __future__ import annotations

from pathlib import Path

from scxlife.fsm import decide
from scxlife.lifecycle import init
from scxlife.lifecycle.options import boot_ending as boot_definition
from scxlife.lifecycle.options import shipped

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "guest.md").read_text()


def test_every_file_system_that_is_mounted_is_named() -> None:
    assert [kind for kind, _ in (*init.MOUNTS, *init.WANTED_MOUNTS) if f"`{kind}`" not in PAGE] == []


def test_the_bounds_are_those_of_the_definitions() -> None:
    limit = shipped().with_profile("boot").settings["log_limit"]
    assert isinstance(limit, int)
    assert f"last {limit >> 20} MiB are kept" in PAGE
    assert f"at most {boot_definition().settings['drain_timeout']:g} s" in PAGE
    assert f"for at most {init.ACK_TIMEOUT:g} s" in PAGE


def test_the_order_of_a_failed_start_is_that_of_its_table() -> None:
    failed = decide(boot_definition(), "supervising", "startup_died", {})
    assert failed.actions == (
        "show_log",
        "tell_died",
        "tell_outcome",
        "tell_exit",
    )
    assert decide(boot_definition(), failed.target, "told", {}).actions == ("stop_probe",)

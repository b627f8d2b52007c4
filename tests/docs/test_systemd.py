"""The page about services says what the unit, the metrics and the definition say."""

from __future__ import annotations

import re
from pathlib import Path

from tests.systemd.bounds import start_bound, stop_bound

from scxlife.lifecycle.commands.unit import UNIT
from scxlife.lifecycle.metrics import FAMILIES
from scxlife.lifecycle.options import shipped

PAGE = (Path(__file__).parents[2] / "docs" / "systemd.md").read_text()
SHIPPED = UNIT.read_text()


def test_every_metric_is_named_and_no_other() -> None:
    rows = "".join(re.findall(r"^\| (`scxlife_.*?) \|", PAGE, re.MULTILINE))
    assert set(re.findall(r"scxlife_\w+", rows)) == set(FAMILIES)


def test_the_times_are_the_definitions_and_the_units() -> None:
    assert f"{start_bound(shipped()):g} s until a start\nhas failed" in PAGE
    assert f"{stop_bound(shipped()):g} s until a stop has ended" in PAGE
    for setting in ("TimeoutStopSec=45s", "Type=notify", "Restart=on-failure", "Delegate=yes", "KillMode=mixed"):
        assert f"\n{setting}\n" in SHIPPED
        assert f"`{setting}`" in PAGE
    assert "not after 2, 14, 126, 127" in PAGE
    assert "RestartPreventExitStatus=2 14 126 127" in SHIPPED
    assert "after 5 s, three starts in ten minutes" in PAGE
    assert "RestartSec=5s" in SHIPPED and "StartLimitBurst=3" in SHIPPED and "StartLimitIntervalSec=10min" in SHIPPED


def test_the_capabilities_are_the_units() -> None:
    rows = re.findall(r"^\| (?:and )?(CAP_\w+) \|", PAGE, re.MULTILINE)
    assert f"CapabilityBoundingSet={' '.join(rows)}\n" in SHIPPED


def test_what_is_said_to_be_absent_is_absent() -> None:
    for setting in ("ProtectKernelLogs=", "ProtectControlGroups="):
        assert f"`{setting}`" in PAGE
        assert f"\n{setting}" not in SHIPPED

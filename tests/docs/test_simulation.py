"""docs/simulation.md: its scenarios are replayed as they stand there; its words are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from tests.docs.pages import play, sessions, write_files

from scxlife.lifecycle.simulated.scenario import parse
from scxlife.platform.sim.faults import Fault
from scxlife.platform.sim.outside import Happening
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import Step

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"


def test_the_scenarios_are_replayed_as_they_stand_there(tmp_path: Path) -> None:
    names = write_files(PAGE, tmp_path)
    assert names == ["ejected.yaml", "killed.yaml", "daemon.yaml"]
    for name in names:
        parse((tmp_path / name).read_text())
    assert len(sessions(PAGE)) == 3
    for session in sessions(PAGE):
        assert play(session, tmp_path) == session.output


def test_every_kind_of_step_happening_fault_and_kernel_is_named() -> None:
    named = set(re.findall(r"`([a-z0-9.-]+)`", PAGE.read_text()))
    kinds = {
        re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
        for union in (Step, Happening, Fault)
        for cls in get_args(union)
    }
    assert kinds | set(PROFILES) <= named

"""Every defect that is put back is found, and its shortest run is one that `scxlife replay` accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.explore.mutants import ACCEPTED, MUTANTS, Mutant, try_out


@pytest.mark.parametrize(
    "mutant", [mutant for mutant in MUTANTS if not mutant.slow], ids=lambda mutant: mutant.defect.replace(" ", "_")
)
def test_a_defect_is_found_by_a_run_that_replay_accepts(mutant: Mutant, tmp_path: Path) -> None:
    assert try_out(mutant, tmp_path).replay in ACCEPTED

"""The same scenario, the same tape, byte for byte, on whatever interpreter runs this."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .golden import GOLDEN, ROOT, digests, text

RENEW = "python -m tests.simulated.golden > tests/simulated/golden.txt"


def lines(told: str) -> list[str]:
    return told.splitlines()


def test_every_scenario_tells_here_what_it_told_elsewhere() -> None:
    assert lines(text(digests())) == lines(GOLDEN.read_text()), f"if that is meant: {RENEW}"


@pytest.mark.parametrize("hashes", ["0", "1", "4294967295"])
def test_and_whatever_the_hashes_of_strings_are(hashes: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulated.golden"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hashes},
        capture_output=True,
        text=True,
        check=True,
    )
    assert lines(done.stdout) == lines(GOLDEN.read_text())

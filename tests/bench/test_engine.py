"""The benchmark runs, and its contestants agree; what it measures is for a person on a quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).with_name("engine.py")
LIMIT_S = 600


def test_every_contestant_does_the_same(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCH), "--quick", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    for peer in ("plain dict", "transitions", "python-statemachine", "Automat", "sismic", "xstate-statemachine"):
        assert f"\n  {peer} " in done.stdout, "a peer is missing: pip install -e '.[bench]'"
    assert json.loads(figures.read_text())

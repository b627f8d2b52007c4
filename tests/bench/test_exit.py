"""The benchmark runs, and every waiter hears of its children; what it measures is for a person on a quiet machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).with_name("exit.py")
LIMIT_S = 120


def test_every_waiter_knows_of_each_end() -> None:
    done = subprocess.run([sys.executable, BENCH, "2"], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    for waiter in ("C poll", "Python select.poll", "asyncio", "Popen.wait", "psutil", "scxlife: step"):
        assert f"\n  {waiter}" in done.stdout, "a peer is missing: pip install -e '.[bench]'"

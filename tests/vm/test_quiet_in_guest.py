"""Property 8 on a real kernel: while a scheduler is attached and nothing happens, PID 1 sleeps."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.schedulers.build import fault_scheduler

pytestmark = pytest.mark.guest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 700
WINDOWS = 10
# PID 1 looks closer for a while after each change; some window of two seconds must be without a single look, which
# what looks every 50 ms would never have. Where there is one, how much memory PID 1 has, in KiB.
PAYLOAD = f"""
switches() {{ awk '/ctxt_switches/ {{ n += $2 }} END {{ print n }}' /proc/1/status; }}
for window in $(seq {WINDOWS}); do
    before=$(switches); sleep 2
    [ $(switches) = $before ] && exec awk '/VmRSS/ {{ print "quiet", $2 }}' /proc/1/status
done
"""
RESIDENT_KIB = 30_000_000 // 1024


def test_pid_1_is_not_woken_and_stays_small_while_nothing_happens() -> None:
    scheduler = ["--scheduler", str(fault_scheduler())]
    done = subprocess.run(
        [*SCXLIFE, "vm", "run", "--json", "--timeout", "600s", *scheduler, "--", "sh", "-c", PAYLOAD],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.stdout, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (outcome["outcome"], outcome["payload"]) == ("stopped", {"exit": {"code": 0}})
    quiet, kib = outcome["payload_output"]["stdout"]["text"].split()
    assert quiet == "quiet"
    assert int(kib) <= RESIDENT_KIB

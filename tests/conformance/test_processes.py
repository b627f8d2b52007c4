"""The simulation held against the kernel that runs the tests: the same scenario, simulated and with real processes.

Both must go the same way through the table, to the same outcome, with the same status, and print the same; and the
real one can only be later than the simulated one, whose machine is idle.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scxlife.lifecycle.simulated.beside import beside
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import dump

from .processes import SCENARIOS
from .random_processes import COUNT, hundred

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
#: Seconds behind the idle machine. Whoever is later than this has not only been kept waiting.
TOLERANCE = 5.0
LIMIT = 60
# Their lives are mostly sleep.
AT_A_TIME = 4


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_host_goes_the_way_that_the_simulation_goes(name: str) -> None:
    scenario = SCENARIOS[name]
    assert violations(run(scenario)) == []
    lines: list[str] = []
    same = beside(scenario, lines.append)
    print("\n".join(lines))
    assert same and lateness(lines[-1]) < TOLERANCE


def test_the_host_goes_the_way_of_a_hundred_random_scenarios(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.yaml" for number in range(COUNT)]
    for file, scenario in zip(files, hundred(), strict=True):
        file.write_text(dump(scenario))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        reports = dict(zip(files, pool.map(played, files), strict=True))
    # What went another way beside three others is shown, and has to go the right one alone.
    for file, report in reports.items():
        if differs(report):
            print(f"{file.read_text()}\n{report.stdout}{report.stderr}")
            reports[file] = played(file)
    late = sorted(lateness(report.stdout) for report in reports.values())
    print(f"{len(late)} played, {late[len(late) // 2]:.3f} s late at most in half of them, {late[-1]:.3f} s in all")
    wrong = [
        f"{file.read_text()}\n{report.stdout}{report.stderr}" for file, report in reports.items() if differs(report)
    ]
    assert not wrong, "\n\n".join(wrong)


def played(file: Path) -> subprocess.CompletedProcess[str]:
    command = [*SCXLIFE, "replay", "--real", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)


def differs(report: subprocess.CompletedProcess[str]) -> bool:
    return report.returncode != 0 or lateness(report.stdout) >= TOLERANCE


def lateness(said: str) -> float:
    """What `replay --real` says in its last line."""
    found = re.search(r"([0-9.]+) s later at most", said)
    return float("inf") if found is None else float(found[1])

"""`scxlife paths` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DOOR = Path(__file__).parents[1] / "machines" / "door.yaml"


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scxlife.lifecycle", "paths", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words", [(), ("--pairs",)])
def test_the_paths_as_data_are_those_as_text(words: tuple[str, ...]) -> None:
    text, data = typed(*words, DOOR), typed(*words, "--json", DOOR)
    assert (text.returncode, data.returncode, text.stderr, data.stderr) == (0, 0, "", "")
    told = json.loads(data.stdout)
    assert told["missed"] == []
    lines = text.stdout.splitlines()
    assert len(lines) == len(told["paths"]) + 2
    for line, path in zip(lines, told["paths"], strict=False):
        assert line.split()[0] == path["start"]
        assert line.endswith(path["steps"][-1]["state"])
        assert line.count("→") == len(path["steps"])


def test_what_is_no_definition_is_told_as_check_tells_it(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("format: 1\n")
    for file in (broken, tmp_path / "missing.yaml"):
        done = typed(file)
        assert (done.returncode, done.stdout) == (2, "")
        assert file.name in done.stderr and "Traceback" not in done.stderr

"""docs/ci.md: both pipelines do the same, and what they do is done here; one guest is booted for it, one to judge."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.docs.emulated import BOOT, emulated
from tests.docs.pages import Session, blocks, play

from scxlife.lifecycle.cli import _parser

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "ci.md"
FILES = {block.title: block.text for block in blocks(PAGE) if block.title is not None}
KEPT = ["run.tape", "my.log", "dump.txt"]


def github() -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.safe_load(FILES[".github/workflows/scheduler.yml"])["jobs"]["guest"]["steps"]
    return steps


def gitlab() -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load(FILES[".gitlab-ci.yml"])["guest"]
    return job


def commands() -> list[str]:
    """What both do once scxlife is set up."""
    script: list[str] = gitlab()["script"]
    return script


def test_both_pipelines_run_the_same_commands_and_keep_the_same_files() -> None:
    run = [step["run"] for step in github() if "run" in step]
    assert run[-len(commands()) :] == commands()
    assert gitlab()["artifacts"]["paths"] == github()[-1]["with"]["path"].split() == KEPT
    assert github()[-1]["if"] == "always()" and gitlab()["artifacts"]["when"] == "always"


def test_what_sets_it_up_is_a_target_of_the_makefile() -> None:
    set_up = [*(step.get("run", "") for step in github()), *gitlab()["before_script"]]
    targets = {match[1] for line in set_up if (match := re.fullmatch(r"make -C scxlife (\w+)", line))}
    assert targets == {"guest"}
    assert re.search(r"^guest: ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_option_is_one_of_the_command() -> None:
    told = [line for text in FILES.values() for line in re.findall(rf"{BOOT}.*", text)]
    assert len(told) == 3
    for line in told:
        words = line.removeprefix("scxlife ").partition(" -- ")[0].split()
        _parser("vm").parse_args([*words, "--", "true"])


@pytest.mark.guest
def test_the_commands_of_a_pipeline_do_what_they_are_for(tmp_path: Path) -> None:
    checked = [f"{emulated(command)} || exit 1" for command in commands()]
    printed = play(Session((*checked, "echo all done"), "", 0), tmp_path)
    assert printed.endswith(
        "outcome stopped: the same\n"
        "settings of its own: cadence 0.2, parent_death_signal null, log_limit 67108864\n"
        "all done\n"
    ), printed
    assert [name for name in KEPT if not (tmp_path / name).exists()] == []


@pytest.mark.guest
def test_the_result_can_be_judged_by_the_json(tmp_path: Path) -> None:
    play(Session((commands()[0],), "", 0), tmp_path)
    script = FILES["judge.sh"].replace(BOOT, emulated(BOOT))
    (tmp_path / "judge.sh").write_text(script)
    printed = play(Session(('sh judge.sh 2>/dev/null; echo "exit code $?"',), "", 0), tmp_path)
    assert printed == "stopped, payload 3, attached 1 time(s)\nexit code 1\n"
    assert "It prints `stopped, payload 3, attached 1 time(s)` and exits with 1." in PAGE.read_text()

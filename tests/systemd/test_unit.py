"""The shipped unit and its pages as systemd's and man's own tools judge them, and its times against the lifecycle's."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.systemd.bounds import start_bound, stop_bound

from scxlife.fsm.durations import parse_duration
from scxlife.lifecycle.commands import run
from scxlife.lifecycle.commands.unit import INSTALLED, UNIT, unit_for
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import OUTCOMES, USAGE
from scxlife.lifecycle.usage import UsageError

ROOT = Path(__file__).parent.parent.parent
PAGES = {"man1": UNIT.parent.parent / "man" / "scxlife.1", "man8": UNIT.parent.parent / "man" / "scxlife@.service.8"}


def systemd_version() -> int:
    told = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, timeout=60).stdout
    return int(told.split()[1])


SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 60
#: `systemd-analyze security`, of 10, as systemd 252 weighs it. Others, which know more settings, differ a little.
EXPOSURE = 2.0 if systemd_version() == 252 else 2.5


def settings(text: str) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))


def seconds(name: str) -> float:
    return parse_duration(settings(UNIT.read_text())[name].replace("min", "m"))


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as a user gets it, under the name of an instance."""
    file = tmp_path / "scxlife@scx_simple.service"
    subprocess.run([*SCXLIFE, "unit", "-o", file], check=True, timeout=LIMIT)
    return file


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    for section, page in PAGES.items():
        (tmp_path / "man" / section).mkdir(parents=True)
        shutil.copy(page, tmp_path / "man" / section)
    return tmp_path / "man"


# -- what others say of it


def test_systemd_finds_nothing_to_mend_in_the_unit(unit: Path, manual: Path) -> None:
    environment = {**os.environ, "MANPATH": f"{manual}:"}
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=LIMIT, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_judges_its_exposure_as_written_down(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert overall is not None, done.stdout + done.stderr
    assert float(overall[1]) <= EXPOSURE


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_the_page_is_sound(page: Path) -> None:
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")
    shown = subprocess.run(
        ["man", "--warnings", "--local-file", page],
        capture_output=True,
        text=True,
        env={**os.environ, "MANWIDTH": "80"},
    )
    assert (shown.returncode, shown.stderr) == (0, "")


# -- what is in the pages


def test_the_page_has_every_option_and_every_exit_code() -> None:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    page = PAGES["man1"].read_text()
    listed = {f"--{name}" for name in re.findall(r"^\.It Fl -([a-z-]+)", page, re.MULTILINE)}
    assert listed == {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}
    codes = set(map(int, re.findall(r"^\.It (\d+)(?: , \d+)?$", page, re.MULTILINE)))
    assert codes == {0, USAGE, 130, *(outcome.exit_code for outcome in OUTCOMES.values())}


def test_the_pages_and_the_unit_are_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        tool = tomllib.load(file)["tool"]["setuptools"]
    placed = {ROOT / name for names in tool["data-files"].values() for name in names}
    assert {page.resolve() for page in placed} == {page.resolve() for page in PAGES.values()}
    assert "systemd/*.service" in tool["package-data"]["scxlife.lifecycle"]


# -- its times, against the lifecycle's own


def test_who_is_stopped_has_ended_before_systemd_loses_patience() -> None:
    assert stop_bound(shipped()) < seconds("TimeoutStopSec")


def test_who_does_not_attach_has_said_so_before_systemd_loses_patience() -> None:
    assert start_bound(shipped()) < seconds("TimeoutStartSec")


def test_the_bounds_are_the_definitions() -> None:
    assert start_bound(shipped().with_settings(attach_at_most=600.0)) - start_bound(shipped()) == 540.0
    assert stop_bound(shipped().with_settings(stop_grace=60.0)) - stop_bound(shipped()) == 2 * 50.0


def test_what_always_fails_meets_its_limit_however_slowly_it_fails() -> None:
    burst = int(settings(UNIT.read_text())["StartLimitBurst"])
    each = start_bound(shipped()) + seconds("RestartSec")
    assert burst * each < seconds("StartLimitIntervalSec")


def test_what_it_may_take_is_bounded() -> None:
    told = settings(UNIT.read_text())
    for name in ("TasksMax", "MemoryMax", "LimitNOFILE"):
        assert told[name] not in ("", "infinity"), name
    for name in ("RuntimeDirectoryMode", "LogsDirectoryMode"):
        assert int(told[name], 8) & 0o077 == 0, name
    assert int(told["UMask"], 8) & 0o077 == 0o077
    assert int(told["OOMScoreAdjust"]) < 0


def test_the_scheduler_gets_two_of_the_units_capabilities() -> None:
    told = settings(UNIT.read_text())
    bounds, inherited = (set(told[name].split()) for name in ("CapabilityBoundingSet", "AmbientCapabilities"))
    assert inherited == {"CAP_BPF", "CAP_PERFMON"}
    assert inherited < bounds
    assert told["NoNewPrivileges"] == "yes", "without it the kernel gives root's children all of them"


@pytest.mark.parametrize("starts", [1, 2, 3, 4, 9])
def test_a_start_keeps_three_logs_before_its_own(tmp_path: Path, starts: int) -> None:
    """ExecStartPre= of the unit, as systemd starts it: its quotes and `$$` undone."""
    log = tmp_path / "a b.log"
    words = shlex.split(settings(UNIT.read_text())["ExecStartPre"].removeprefix("-"))
    command = [*(word.replace("$$", "$") for word in words[:-1]), str(log)]
    for start in range(starts):
        subprocess.run(command, check=True, timeout=LIMIT)
        assert not log.exists()
        log.write_text(str(start))
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    names = ["a b.log", *(f"a b.log.{number}" for number in (1, 2, 3))]
    assert kept == {name: str(starts - 1 - age) for age, name in enumerate(names[:starts])}


def test_a_stall_that_the_kernel_judges_is_not_taken_for_a_hang_of_ours() -> None:
    watchdog_of_the_kernel = 30.0
    assert seconds("WatchdogSec") / 2 > watchdog_of_the_kernel


def test_no_second_try_is_made_where_it_can_not_help() -> None:
    prevented = set(map(int, settings(UNIT.read_text())["RestartPreventExitStatus"].split()))
    names = {name for name, outcome in OUTCOMES.items() if outcome.exit_code in prevented}
    assert names == {"left-running", "spawn-failed", "not-configured"}
    assert prevented - {outcome.exit_code for outcome in OUTCOMES.values()} == {USAGE}


# -- scxlife unit


def test_the_unit_starts_the_program_that_wrote_it(unit: Path) -> None:
    (command,) = re.findall("^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    program = command.partition(" run ")[0].split()
    assert Path(program[0]).is_absolute()
    told = subprocess.run([*program, "--version"], capture_output=True, text=True, timeout=LIMIT)
    assert told.stdout.startswith("scxlife ")
    assert unit.stat().st_mode & 0o777 == 0o644


PLACES = [
    "100% of $HOME",
    "${HOME} $$",
    "$life",
    "%n%i%%",
    "a;b",
    " two  spaces ",
    "ünï—日本",
    "@x",
    "-x",
    "#=~{}[]&|<>",
    "non\u00a0breaking",
]
NO_PLACES = ['a"b', "a'b", "a\\b", "a\tb", "a\nb", "a\x7fb", "a\x1bb", "a\udcffb"]


@pytest.mark.parametrize("name", PLACES)
def test_a_program_at_any_path_can_be_started(tmp_path: Path, name: str) -> None:
    """`systemd-analyze verify` looks for the program where it understands it to be."""
    program = tmp_path / name / "scxlife"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert verified(tmp_path, unit_for((str(program),))) == ""
    program.unlink()
    assert "is not executable" in verified(tmp_path, unit_for((str(program),)))


def verified(folder: Path, text: str) -> str:
    (folder / "scxlife@x.service").write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", folder / "scxlife@x.service"]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT).stderr


@pytest.mark.parametrize("name", NO_PLACES, ids=ascii)
def test_a_path_that_systemd_refuses_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="hint: install scxlife at another path") as raised:
        unit_for((f"/opt/{name}/scxlife",))
    assert ascii(name[1]) in str(raised.value)


def test_a_package_keeps_the_shipped_line() -> None:
    assert unit_for((INSTALLED,)) == UNIT.read_text()


def written(*words: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*SCXLIFE, "unit", *words], capture_output=True, text=True, timeout=LIMIT, cwd=folder)
    assert "Traceback" not in done.stderr
    return done


def refused(done: subprocess.CompletedProcess[str], reason: str) -> bool:
    return (done.returncode, done.stdout) == (2, "") and reason in done.stderr


def test_a_file_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    assert refused(written("-o", tmp_path / "nowhere" / "x.service"), "No such file or directory")
    assert refused(written("-o", tmp_path / "file" / "x.service"), "Not a directory")
    assert refused(written("-o", tmp_path), "Is a directory")
    assert refused(written("-o", tmp_path / "fifo"), "No such device or address")
    assert refused(written("-o", tmp_path / ("x" * 300)), "File name too long")
    assert refused(written("-o", "/dev/full"), "No space left on device")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "file"]


def test_a_link_to_a_unit_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("unit")
    assert written("-o", tmp_path / "link").returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert "ExecStart=" in (tmp_path / "unit").read_text()


def test_a_link_to_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert refused(written("-o", tmp_path / "loop"), "Too many levels of symbolic links")
    assert (tmp_path / "loop").is_symlink()


def test_a_device_keeps_its_permissions(tmp_path: Path) -> None:
    before = Path("/dev/null").stat().st_mode
    assert written("-o", "/dev/null").returncode == 0
    assert Path("/dev/null").stat().st_mode == before

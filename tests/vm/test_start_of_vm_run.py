"""What `vm run` does up to the start of QEMU: the second time, nothing that was found the first time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import scxlife

PACKAGE = Path(scxlife.__file__).parent
SCRIPT = Path(__file__).with_name("until_qemu.py")
#: Seconds: only so that a test that fails ends.
LIMIT = 120.0
#: What finds the answers that are remembered, and what takes long to import and is for other commands.
UNUSED = {
    "cattrs",
    "difflib",
    "elftools",
    "hypothesis",
    "scxlife.fsm.compile",
    "scxlife.fsm.lint",
    "scxlife.fsm.loader",
    "scxlife.fsm.structure",
    "sysconfig",
    "tarfile",
    "yaml",
}
#: Loaded modules; with 3.11 there are 230 to 250.
MOST_MODULES = 280
#: Files that are no code: records, manifests, archives, the kernel, the scheduler, what is read of /proc.
MOST_FILES = 40


@attrs.frozen
class Runs:
    """A copy of this package, a cache, and what a run needs."""

    folder: Path

    @property
    def package(self) -> Path:
        return self.folder / "source" / "scxlife"

    def start(self, *words: str, **more: str) -> dict[str, Any]:
        environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(self.package.parent),
            "XDG_CACHE_HOME": f"{self.folder}/cache",
            **more,
        }
        options = ["--accel", "tcg", "--kernel", f"{self.folder}/vmlinuz"]
        argv = [sys.executable, str(SCRIPT), "vm", "run", *options, *(words or ("./mine", "--", "true"))]
        done = subprocess.run(argv, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def remembered(self, *words: str) -> dict[str, Any]:
        """The first run that starts no other program, since all that it needs has been found."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            found = self.start(*words)
            if not found["started"] and not loaded(found):
                return found
        raise AssertionError(f"it is never remembered: {found['started']}, {loaded(found)}")


def loaded(found: dict[str, Any]) -> set[str]:
    """What was loaded of what is not used."""
    return UNUSED & set(found["modules"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    runs = Runs(tmp_path_factory.mktemp("runs"))
    shutil.copytree(PACKAGE, runs.package, ignore=shutil.ignore_patterns("__pycache__"))
    (runs.folder / "bin").mkdir()
    qemu = runs.folder / "bin" / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho QEMU emulator version 8.2.0\n")
    qemu.chmod(0o755)
    (runs.folder / "vmlinuz").write_text("a kernel")
    shutil.copy("/bin/true", runs.folder / "mine")
    first = runs.start()
    assert {"elftools", "yaml", "scxlife.fsm.lint"} <= set(first["modules"])
    assert sys.executable in first["started"]
    return runs


@pytest.mark.parametrize(
    "words",
    [(), ("./mine",), ("--no-scheduler", "--", "true"), ("--stage", "b=./mine", "./other", "--", "true")],
    ids=["payload", "scheduler alone", "payload alone", "staged"],
)
def test_a_second_start_finds_nothing_anew(runs: Runs, words: tuple[str, ...]) -> None:
    shutil.copy("/bin/false", runs.folder / "other")
    found = runs.remembered(*words)
    assert len(found["modules"]) < MOST_MODULES
    assert len(found["files"]) < MOST_FILES


@pytest.mark.parametrize(
    ("changed", "found_again"),
    [
        ("fsm/definition.py", {"elftools", "yaml"}),
        ("lifecycle/payload.py", {"elftools"}),
        ("platform/linux/kernel.py", {"elftools"}),
        ("fsm/table.py", {"yaml"}),
        ("lifecycle/scheduler.yaml", {"yaml"}),
        ("lifecycle/boot.yaml", {"yaml"}),
        ("platform/vm/elf.py", {"elftools"}),
    ],
)
def test_an_edited_file_of_the_package_is_seen(runs: Runs, changed: str, found_again: set[str]) -> None:
    """What PID 1 is made of gives another base, what reads definitions another definition."""
    runs.remembered()
    file = runs.package / changed
    file.write_text(f"{file.read_text()}\n# edited\n")
    assert {"elftools", "yaml"} & set(runs.start()["modules"]) >= found_again


def test_a_rebuilt_scheduler_is_looked_into_again(runs: Runs) -> None:
    runs.remembered()
    mine = runs.folder / "mine"
    mine.write_bytes(mine.read_bytes())
    again = runs.start()
    assert ("elftools" in again["modules"], again["started"]) == (True, [])


@pytest.mark.parametrize("words", [("vm", "run", "--help"), ("vm", "--help"), ("run", "--help"), ("ctl", "--help")])
def test_help_imports_no_other_command(runs: Runs, words: tuple[str, ...]) -> None:
    runs.remembered()
    code = (
        "import sys, scxlife.lifecycle.cli as cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit: print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(runs.package.parent),
        "XDG_CACHE_HOME": f"{runs.folder}/cache",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, timeout=LIMIT
    )
    modules = done.stderr.split()
    commands = {name for name in modules if name.startswith("scxlife.lifecycle.commands.")}
    others = {f"scxlife.lifecycle.commands.{name}" for name in ("run", "vm", "ctl", "check", "fuzz")} - {
        f"scxlife.lifecycle.commands.{words[0]}"
    }
    assert f"scxlife.lifecycle.commands.{words[0]}" in commands
    assert commands & others == set()
    assert "elftools" not in modules

"""The simulation's tests under every interpreter from 3.11 to 3.14 that is here: in PATH, pyenv's, or named.

    python -m tests.pythons [PYTHON…]

Each has a virtual environment of its own below .venv/pythons. Of each minor version the newest is taken. Shows what
each came to, and whether the runs of a seed are the same under all; exit 1 if anything failed or differs. A version
that is not here is named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ROOT / ".venv" / "pythons"
MINORS = (11, 12, 13, 14)
TESTS = (
    "tests/fsm",
    "tests/simulated",
    "tests/platform/sim",
    "tests/lifecycle/test_fuzz_command.py",
    "tests/lifecycle/test_replay_command.py",
)
DRAWN = ("-m", "tests.simulated.drawn", "7", "500")
VERSION = "import sys; print(*sys.version_info[:3], sys.implementation.name)"


def candidates(named: list[str]) -> Iterator[Path]:
    yield from map(Path, named)
    yield from (Path(found) for minor in MINORS if (found := shutil.which(f"python3.{minor}")))
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(home.glob("versions/*/bin/python3"))
    yield Path(sys.executable)


def version(python: Path) -> tuple[int, ...] | None:
    """Of CPython; None for what does not run, or is another one."""
    try:
        told = subprocess.run([python, "-c", VERSION], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(map(int, told[:3])) if told[3:] == ["cpython"] else None


def found(named: list[str]) -> dict[int, tuple[tuple[int, ...], Path]]:
    """By the minor version: the newest of each."""
    newest: dict[int, tuple[tuple[int, ...], Path]] = {}
    for python in candidates(named):
        its = version(python)
        if its is not None and its[0] == 3 and its[1] in MINORS:
            newest[its[1]] = max(newest.get(its[1], (its, python)), (its, python), key=lambda one: one[0])
    return newest


def room(its: tuple[int, ...], python: Path) -> Path:
    """Its own interpreter, in an environment that has all that the tests need."""
    folder = ROOMS / ".".join(map(str, its))
    mine = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([mine, "-m", "pip", "install", "-q", "-e", f"{ROOT}[dev]"], check=True)
        (folder / "ready").touch()
    return mine


def main() -> int:
    here = found(sys.argv[1:])
    for minor in MINORS:
        if minor not in here:
            print(f"3.{minor}: there is none here", flush=True)
    failed, drawn = False, set()
    for _, (its, python) in sorted(here.items()):
        try:
            mine = room(its, python)
        except subprocess.CalledProcessError as error:
            failed = True
            print(f"{'.'.join(map(str, its))}: its environment can't be made: {error}", flush=True)
            continue
        tested = subprocess.run([mine, "-m", "pytest", "-q", *TESTS], cwd=ROOT, capture_output=True, text=True)
        told = subprocess.run([mine, *DRAWN], cwd=ROOT, capture_output=True, text=True)
        if tested.returncode or told.returncode:
            failed = True
            print(tested.stdout, told.stderr, sep="\n")
        drawn.add(told.stdout)
        last = tested.stdout.rstrip().rpartition("\n")[2]
        print(f"{'.'.join(map(str, its))}: {last}; {told.stdout.strip()}", flush=True)
    if len(drawn) > 1:
        print("the runs of a seed differ")
    return 1 if failed or len(drawn) != 1 else 0


if __name__ == "__main__":
    sys.exit(main())

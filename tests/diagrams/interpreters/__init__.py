"""Two interpreters of SCXML that are none of ours, under a clock that is set by hand: Qt's and SCION."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BUILT = HERE.parents[2] / "build" / "interpreters"


def _built(folder: Path, name: str, make: Any) -> Path:
    """What `make` puts into `folder`, made once by one process, and again when what it is made of has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, made_of = folder / ".made-of", (HERE / name).read_text()
        if not stamp.exists() or stamp.read_text() != made_of:
            make(folder)
            stamp.write_text(made_of)
    return folder


def _run(*words: str | Path, cwd: Path) -> None:
    done = subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, f"{words[0]}: {done.stderr[-2000:]}"


def _compile(folder: Path) -> None:
    headers = "/usr/include/x86_64-linux-gnu/qt6"
    if not Path(headers).exists():
        headers = subprocess.run(
            ["qmake6", "-query", "QT_INSTALL_HEADERS"], capture_output=True, text=True
        ).stdout.strip()
    includes = [f"-I{headers}{module}" for module in ("", "/QtCore", "/QtScxml")]
    source = HERE / "qt.cpp"
    _run("g++", "-O1", "-fPIC", "-std=c++17", *includes, source, "-o", "qt", "-lQt6Scxml", "-lQt6Core", cwd=folder)


def _install(folder: Path) -> None:
    assert shutil.which("npm"), "SCION needs npm and node: apt-get install nodejs npm"
    shutil.copy(HERE / "package.json", folder)
    _run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", cwd=folder)


def qt() -> list[str]:
    """The words that run Qt's interpreter, compiled the first time."""
    return [str(_built(BUILT / "qt", "qt.cpp", _compile) / "qt")]


def scion() -> list[str]:
    """The words that run SCION, installed the first time."""
    folder = _built(BUILT / "scion", "package.json", _install)
    shutil.copy(HERE / "scion.js", folder)
    return ["node", str(folder / "scion.js")]


def states(interpreter: list[str], document: Path, orders: Iterable[dict[str, Any]]) -> list[list[str]]:
    """The active states at first, and after each of the orders."""
    lines = "".join(f"{json.dumps(order)}\n" for order in orders)
    environment = {**os.environ, "QT_LOGGING_RULES": "*.debug=false;*.info=false"}
    done = subprocess.run(
        [*interpreter, str(document)], input=lines, capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]

"""`scxlife vm run` with a QEMU that sends a script, and what came of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from tests.vm import scripts

HERE = Path(__file__).parent
#: Bytes above what a sound run takes.
ROOM = 64 << 20


@attrs.frozen
class Run:
    """One run of the command: `text` is all that it printed, `strays` are files that it touched and nobody named."""

    status: int
    text: str
    strays: list[str]
    peak: int
    folder: Path

    @property
    def outcome(self) -> dict[str, Any]:
        """What --json printed."""
        found: dict[str, Any] = json.loads(self.text.splitlines()[-1])
        return found

    def clear(self) -> None:
        """Give its disk space back."""
        shutil.rmtree(self.folder)

    def tape(self, number: int | None = None) -> list[str]:
        file = self.folder / ("tape" if number is None else f"tape.{number}")
        return file.read_text().splitlines() if file.exists() else []


class Bench:
    """Runs the command in one process of its own, again and again. `folder` is what it may write into."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], script: Path) -> None:
        self._folder = folder
        self._process = process
        self._script = script
        self._runs = 0
        self.sound_peak = 0

    def run(self, script: Sequence[scripts.Step], *words: str, lives: int = 0, before: Mapping[str, str] = {}) -> Run:
        """`lives` is how many tapes of lives may be made; `before` are symbolic links in the run's folder."""
        self._runs += 1
        folder = self._folder / "runs" / str(self._runs)
        folder.mkdir(parents=True)
        for name, target in before.items():
            (folder / name).symlink_to(target)
        self._script.write_text(json.dumps(script))
        output = folder / "output"
        named = [folder / name for name in ("tape", "log", "dump")]
        options = [f"--{file.name}={file}" for file in named]
        command = ["vm", "run", "--cold", "--accel=tcg", f"--kernel={self._folder}/vmlinuz"]
        command += ["--scheduler=/bin/true", *options]
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps({"words": [*command, *words], "output": str(output)}), file=self._process.stdin, flush=True)
        told = json.loads(self._process.stdout.readline())
        allowed = {"/dev/null", *map(str, named), *(f"{folder}/tape.{number}" for number in range(1, lives + 1))}
        own = (f"{self._folder}/tmp/", f"{self._folder}/cache/")
        strays = [path for path in told["touched"] if path not in allowed and not path.startswith(own)]
        strays += [
            str(file) for file in folder.iterdir() if str(file) not in {*allowed, str(output)} | _links(before, folder)
        ]
        return Run(told["status"], output.read_bytes().decode(), strays, told["peak"], folder)


def _links(before: Mapping[str, str], folder: Path) -> set[str]:
    return {str(folder / name) for name in before}


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    _, script = scripts.install(folder)
    (folder / "vmlinuz").write_bytes(b"no kernel")
    (folder / "tmp").mkdir()
    environment = {**scripts.environment(folder), "TMPDIR": str(folder / "tmp")}
    argv = [sys.executable, str(HERE / "audited.py")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            made = Bench(folder, process, script)
            for _ in range(2):  # the first one imports
                made.sound_peak = made.run(scripts.SOUND).peak
            yield made
        finally:
            assert process.stdin is not None
            process.stdin.close()


def complaints(run: Run, sound_peak: int) -> list[str]:
    """What no guest can do to its host, and this one did, in words."""
    wrong = []
    if "Traceback" in run.text:
        wrong.append("a traceback")
    if letters := sorted({letter for line in run.text.split("\n") for letter in line if not letter.isprintable()}):
        wrong.append(f"on the terminal: {letters}")
    if run.strays:
        wrong.append(f"touched: {run.strays}")
    if run.peak > sound_peak + ROOM:
        wrong.append(f"{(run.peak - sound_peak) >> 20} MiB more than a sound run")
    return wrong

"""Where a mutant meets its killer: a copy of the packages, mutated, in front of the real one in the path."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from .catalogue import ROOT, Mutant

FOLDERS = ("fsm", "lifecycle", "platform", "diagrams", "src", "tests", "docs")
FILES = ("pyproject.toml", "README.md", "Makefile")
SEED = 0
EXAMPLES = 2000

# pytest(1): exit codes
_PASSED, _FAILED = 0, 1
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


@attrs.frozen
class Verdict:
    """`by` is the property or the test that noticed, None when nobody did. `examples` were drawn by then, if any were;
    `seconds` of real time."""

    by: str | None
    examples: int | None
    seconds: float


class Laboratory:
    """`folder` holds a copy of all that the suite needs; one mutant at a time lives in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, symlinks=True)
        for name in FILES:
            shutil.copy2(ROOT / name, folder / name)

    @contextmanager
    def with_mutant(self, mutant: Mutant) -> Iterator[None]:
        """Raises ValueError for one that does not fit."""
        file = self._folder / mutant.file
        text, times = file.read_text(), file.stat()
        file.write_text(mutant.applied(text))
        try:
            yield
        finally:
            file.write_text(text)
            # With its old time, so that what was compiled of it is right again.
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def attacked(self, wanted: str | None = None) -> Verdict:
        """By drawn scenarios, of which only violations of the `wanted` property count."""
        began = time.monotonic()
        asked = () if wanted is None else (wanted,)
        done = self.run("-m", "tests.mutants.attack", str(SEED), str(EXAMPLES), *asked)
        if done.returncode:
            raise RuntimeError(f"the attack could not be run:\n{done.stderr}")
        told = json.loads(done.stdout)
        # A problem names its file; which folder that was in says nothing.
        violation = told["violation"] and told["violation"].replace(f"{self._folder}/src/scxlife/", "")
        return Verdict(violation, told["examples"], time.monotonic() - began)

    def judged(self, mutant: Mutant) -> Verdict:
        """By its own killer."""
        with self.with_mutant(mutant):
            if mutant.attacked:
                return self.attacked(mutant.killer)
            began = time.monotonic()
            return Verdict(self._tested(mutant.killer), None, time.monotonic() - began)

    def _tested(self, test: str) -> str | None:
        done = self.run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test)
        if done.returncode == _PASSED:
            return None
        failed = _FAILURE.search(done.stdout)
        if done.returncode == _FAILED and failed is not None:
            return failed[1]
        raise RuntimeError(f"{test} could not be run:\n{done.stdout}{done.stderr}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """This interpreter, on the copy."""
        path = f"{self._folder / 'src'}:{self._folder}"
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    with TemporaryDirectory(prefix="scxlife-mutants-") as folder:
        yield Laboratory(Path(folder))

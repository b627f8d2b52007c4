"""Where a mutant meets its killer: a copy of the packages, mutated, in front of the real one in the path."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Protocol

import attrs

from .catalogue import ROOT, Mutant

FOLDERS = ("fsm", "lifecycle", "platform", "diagrams", "src", "tests", "docs")
FILES = ("pyproject.toml", "README.md", "Makefile")
SEED = 0
EXAMPLES = 2000

NOTHING: Mapping[str, str] = MappingProxyType({})

# Seconds of real time, on a busy machine, for a test and for the attack: who waits for ever is noticed too.
PATIENCE = 120
PATIENCE_ATTACKED = 900

# pytest(1): exit code
_PASSED = 0
PLUGINS = ("-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin")
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


@attrs.frozen
class Verdict:
    """`by` is the property or the test that noticed, None when nobody did. `examples` were drawn by then, if any were;
    `seconds` of real time."""

    by: str | None
    examples: int | None
    seconds: float


class Patch(Protocol):
    """What can be done to a file."""

    @property
    def file(self) -> str: ...

    def applied(self, text: str) -> str: ...


class Laboratory:
    """`folder` holds a copy of all that the suite needs; one mutant at a time lives in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, symlinks=True)
        for name in FILES:
            shutil.copy2(ROOT / name, folder / name)
        # Plugins that happen to be installed would take longer to load than most tests take.
        self.environment = {
            "PYTHONPATH": f"{folder / 'src'}:{folder}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }

    @contextmanager
    def with_mutant(self, mutant: Patch) -> Iterator[None]:
        """Raises ValueError for one that does not fit."""
        file = self.folder / mutant.file
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
        done = self.run("-m", "tests.mutants.attack", str(SEED), str(EXAMPLES), *asked, patience=PATIENCE_ATTACKED)
        if done is None:
            return Verdict("the attack does not end", None, time.monotonic() - began)
        if done.returncode:
            raise RuntimeError(f"the attack could not be run:\n{done.stderr}")
        told = json.loads(done.stdout)
        # A problem names its file; which folder that was in says nothing.
        violation = told["violation"] and told["violation"].replace(f"{self.folder}/src/scxlife/", "")
        return Verdict(violation, told["examples"], time.monotonic() - began)

    def judged(self, mutant: Mutant) -> Verdict:
        """By its own killer."""
        with self.with_mutant(mutant):
            if mutant.attacked:
                return self.attacked(mutant.killer)
            began = time.monotonic()
            return Verdict(self._tested(mutant.killer), None, time.monotonic() - began)

    def _tested(self, test: str) -> str | None:
        """By pytest: which test failed."""
        done = self.run("-m", "pytest", "-q", "-x", *PLUGINS, test, patience=PATIENCE)
        if done is None:
            return f"{test}, which does not end"
        if done.returncode == _PASSED:
            return None
        if (failed := failure(done.stdout)) is None:
            raise RuntimeError(f"{test} could not be run:\n{done.stdout}{done.stderr}")
        return failed

    def run(
        self, *arguments: str, environment: Mapping[str, str] = NOTHING, patience: float | None = None
    ) -> subprocess.CompletedProcess[str] | None:
        """This interpreter, on the copy; None when it had to be ended, after `patience` seconds."""
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as process:
            try:
                said, complained = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                return None
            finally:
                # Not yet reaped, where it has not ended: the group's number is its own.
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


def failure(said: str) -> str | None:
    """The test that pytest says has failed, or could not be run."""
    found = _FAILURE.search(said)
    return None if found is None else found[1]


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    with TemporaryDirectory(prefix="scxlife-mutants-") as folder:
        yield Laboratory(Path(folder))

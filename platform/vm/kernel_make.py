"""make(1) in a kernel's tree, out of the tree, with all that it says in a log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import attrs

from scxlife.platform.vm import cache, children
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.progress import Step

_TAIL_LINES = 15


class BuildFailed(ArtifactError):
    """make failed. The message ends with its last lines, ``log`` holds all of them."""

    def __init__(self, message: str, hint: str, log: Path) -> None:
        super().__init__(message, hint)
        self.log = log


@attrs.frozen
class Make:
    """One build: what is compiled from ``linux`` goes to ``objects``."""

    linux: Path
    objects: Path
    release: str
    pahole: Path
    local_version: str
    log: Path
    file: TextIO
    tail: list[str] = attrs.field(factory=list)

    def run(self, *words: str, timeout: float, step: Step, line: Callable[[str], None] | None = None) -> None:
        """``make words`` for this build. Raises BuildFailed."""
        variables = [f"O={self.objects}", f"PAHOLE={self.pahole}", f"LOCALVERSION={self.local_version}"]
        self.call(["make", f"--directory={self.linux}", *variables, *words], timeout=timeout, step=step, line=line)

    def call(self, argv: list[str], *, timeout: float, step: Step, line: Callable[[str], None] | None = None) -> None:
        def keep(text: str) -> None:
            self.file.write(f"{text}\n")
            self.tail.append(text)
            del self.tail[:-_TAIL_LINES]
            if line is not None:
                line(text)

        try:
            code = children.run(argv, timeout=timeout, out=keep, tick=step.tick, cwd=self.linux, env=_environment())
        except children.Overdue as error:
            raise BuildFailed(
                str(error), f"run it again: it goes on where it was; the log: {self.log}", self.log
            ) from error
        if code != 0:
            raise BuildFailed(
                "\n  ".join([f"{Path(argv[0]).name} failed with status {code}", *self.tail]),
                f"the whole log: {self.log}",
                self.log,
            )


@contextmanager
def making(linux: Path, objects: Path, pahole: Path, local_version: str, release: str) -> Iterator[Make]:
    log = cache.prepare(cache.cache_root() / "logs") / f"kernel-{release}.log"
    with cache.create(log) as file:
        yield Make(linux, objects, release, pahole, local_version, log, file)


def _environment() -> Mapping[str, str]:
    # CFLAGS, ARCH, KCONFIG_CONFIG or MAKEFLAGS of whoever calls must not decide what is built.
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**env, "LC_ALL": "C.UTF-8", "KBUILD_BUILD_USER": "scxlife", "KBUILD_BUILD_HOST": "scxlife"}

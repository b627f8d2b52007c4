"""pytest in a fork of this process, which has loaded what it needs: a fresh one takes longer to start than to ask."""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import pytest

# What tests and packages import, beside themselves.
_LOADED = ("_hypothesis_pytestplugin", "hypothesis.strategies", "attrs", "cattrs", "yaml", "transitions", "coverage")
_OWN = ("tests", "scxlife")


def prepare() -> None:
    """Load all that does not change."""
    for name in _LOADED:
        import_module(name)
    # It loads its own parts when it is first asked for something.
    pytest.main(["--version", "-p", "no:cacheprovider"])


def asked(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str], patience: float
) -> tuple[int, str] | None:
    """pytest's exit code and what it said, in the copy at `folder`; None when it had to be ended."""
    said = folder / "said.txt"
    pid = os.fork()
    if pid == 0:
        _become(folder, said, environment)
        try:
            code = int(pytest.main(list(arguments)))
        except BaseException:
            traceback.print_exc()
            code = pytest.ExitCode.INTERNAL_ERROR
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    pidfd = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([pidfd], [], [], patience)
    finally:
        os.close(pidfd)
        # Not yet reaped, so the group's number is its own.
        os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return (os.waitstatus_to_exitcode(status), said.read_text()) if ended else None


def _become(folder: Path, said: Path, environment: Mapping[str, str]) -> None:
    """In the child: as if it had been started in the copy."""
    os.setpgid(0, 0)
    os.chdir(folder)
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    here = str(Path(__file__).parents[2])
    sys.path[:] = [str(folder / "src"), str(folder), *(path for path in sys.path if path not in ("", here))]
    for name in [name for name in sys.modules if name.partition(".")[0] in _OWN]:
        del sys.modules[name]
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, to in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(fd, to)
    os.close(output)
    os.close(nothing)

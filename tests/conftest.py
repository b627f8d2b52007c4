"""No silent skip: where CI runs, a test that could not run counts as one that failed.

And signals mean what they do on a terminal: who starts the tests in the background has SIGINT and SIGQUIT ignored, or
SIGHUP by nohup(1), which every program below would inherit.

And where it may, each process of the tests has a cgroup of its own: what a test leaves behind on purpose would be
reported by what another one starts meanwhile.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scxlife.platform.cgroup import own
from scxlife.platform.linux import LinuxKernel

_skipped: list[str] = []

for _number, _heard in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _heard)


@pytest.fixture(scope="session", autouse=True)
def _cgroup_of_our_own() -> Iterator[None]:
    try:
        around = Path(own(LinuxKernel()))
        ours = around / f"tests-{os.getpid()}"
        ours.mkdir()
        (ours / "cgroup.procs").write_text("0")
    except OSError:
        yield
        return
    yield
    (around / "cgroup.procs").write_text("0")
    # Another session's, or a process that a failed test has left, is in it.
    with suppress(OSError):
        ours.rmdir()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _skipped.append(f"{report.nodeid}: {why}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _skipped and os.environ.get("CI") and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped and os.environ.get("CI"):
        terminalreporter.section("could not run, which CI counts as failures", red=True)
        for line in _skipped:
            terminalreporter.line(line)

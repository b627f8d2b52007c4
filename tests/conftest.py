"""No silent skip: where CI runs, a test that could not run counts as one that failed.

And signals mean what they do on a terminal: who starts the tests in the background has SIGINT and SIGQUIT ignored, or
SIGHUP by nohup(1), which every program below would inherit.
"""

from __future__ import annotations

import os
import signal

import pytest

_skipped: list[str] = []

for _number, _heard in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _heard)


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

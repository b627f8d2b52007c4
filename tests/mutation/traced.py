"""A plugin for pytest, `-p tests.mutation.traced`: which test runs which line, and then only those that run one.

Hypothesis draws few examples in both: enough to reach a line, and a tenth of the time.

With MUTATION_DURATIONS each test that is not in that file is a context of coverage's, and what it took is written there
if it passed. With MUTATION_TESTS only the tests listed there are run, in that order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# At most, of each property.
EXAMPLES = 50

DURATIONS = os.environ.get("MUTATION_DURATIONS")
TESTS = os.environ.get("MUTATION_TESTS")
_known: dict[str, float] = json.loads(Path(DURATIONS).read_text()) if DURATIONS else {}
_took: dict[str, float] = {}
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if DURATIONS:
        import coverage

        tracing = coverage.Coverage.current()
        assert tracing is not None
        tracing.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _took[report.nodeid] = _took.get(report.nodeid, 0.0) + report.duration
    if not report.passed:
        _failed.add(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if item.nodeid not in _known]
    for item in items:
        test = getattr(item, "obj", None)
        said = getattr(test, "_hypothesis_internal_use_settings", None)
        if said is not None:
            few = hypothesis.settings(said, max_examples=min(said.max_examples, EXAMPLES))
            test._hypothesis_internal_use_settings = few  # type: ignore[union-attr]
    if TESTS:
        order = {test: place for place, test in enumerate(json.loads(Path(TESTS).read_text()))}
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])


def pytest_sessionfinish() -> None:
    if DURATIONS:
        passed = {test: took for test, took in _took.items() if test not in _failed}
        Path(DURATIONS).write_text(json.dumps(_known | passed))

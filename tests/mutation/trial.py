"""One change against the tests that run it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs
from tests.mutants.laboratory import PLUGINS, Laboratory, failure

from . import forked
from .changes import Change
from .reach import Reach, is_of
from .settings import Settings

# So many files of tests are asked first: to collect all that reach a line takes longer than what they ask.
_FIRST = 3
# Real seconds for tests that took so many unmutated.
_AT_LEAST, _TIMES = 25, 5


@attrs.frozen
class Verdict:
    """`by` is the test that noticed, None when nobody did."""

    change: Change
    before: str
    after: str
    by: str | None
    seconds: float


class Trial:
    def __init__(self, settings: Settings, room: Laboratory, reach: Reach) -> None:
        self._settings = settings
        self._room = room
        self._reach = reach

    def of(self, change: Change) -> Verdict:
        began = time.monotonic()
        before, after = change.shown((self._room.folder / change.file).read_text())
        with self._room.with_mutant(change):
            by = next((by for tests in self._batches(change) if (by := self._noticed(tests)) is not None), None)
        return Verdict(change, before, after, by, time.monotonic() - began)

    def control(self, changes: Iterable[Change]) -> str | None:
        """The test that notices something though nothing was changed; None when all is well."""
        batches = (tests for change in changes for tests in self._batches(change))
        return next((by for tests in batches if (by := self._noticed(tests)) is not None), None)

    def _batches(self, change: Change) -> Iterator[Sequence[str]]:
        tests: list[str] = []
        spent = 0.0
        for test in sorted(self._reach.of(change.file, change.line), key=lambda test: not self._is_eager(test, change)):
            if not self._is_eager(test, change):
                spent += self._reach.seconds[test]
            if tests and spent > self._settings.seconds:
                break
            tests.append(test)
        files = Counter(_file(test) for test in tests)
        first = sorted(files, key=lambda file: (not self._is_eager(file, change), -files[file]))[:_FIRST]
        for batch in ([t for t in tests if _file(t) in first], [t for t in tests if _file(t) not in first]):
            if batch:
                yield batch

    def _is_eager(self, test: str, change: Change) -> bool:
        return is_of(test, change.file) or test.startswith(self._settings.eager)

    def _noticed(self, tests: Sequence[str]) -> str | None:
        remaining = list(tests)
        while remaining:
            by = self._tested(remaining)
            if by is None or not by.startswith(self._settings.doubted) or self._tested([by]) is not None:
                return by
            remaining.remove(by)
        return None

    def _tested(self, tests: Sequence[str]) -> str | None:
        chosen = self._room.folder / "chosen.json"
        chosen.write_text(json.dumps(tests))
        took = sum(self._reach.seconds.get(test, 0.0) for test in tests)
        files = sorted({_file(test) for test in tests})
        done = forked.asked(
            self._room.folder,
            ("-q", "-x", *PLUGINS, "-p", "tests.mutation.traced", "--hypothesis-seed=0", *files),
            {**self._room.environment, "MUTATION_TESTS": str(chosen)},
            _AT_LEAST + _TIMES * took,
        )
        if done is None:
            return f"{files[-1]}, which does not end"
        code, said = done
        return failure(said) or f"{files[-1]}, which ends with {code}" if code else None


def _file(test: str) -> str:
    return test.partition("::")[0]

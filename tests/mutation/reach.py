"""Who runs which line: the suite once, under coverage."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from coverage import Coverage, CoverageData
from tests.mutants.laboratory import PLUGINS, Laboratory

# Seconds of real time for all tests, on a busy machine.
_PATIENCE = 7200
# Tests, for a line that is run by none.
_OF_EACH_LINE = 5
_PHASE = re.compile(r" \((setup|call|teardown)\)$")


class Reach:
    """`folder` keeps what was traced of the code in `room`; only tests that it does not know are run again."""

    def __init__(self, folder: Path, room: Path) -> None:
        self._room = room
        self._data = folder / "coverage"
        self._durations = folder / "durations.json"
        self.seconds: dict[str, float] = {}
        self._lines: dict[str, dict[int, set[str]]] = {}

    def trace(self, room: Laboratory, tests: Sequence[str]) -> None:
        if not self._durations.exists():
            self._durations.write_text("{}")
        trace = room.folder / "tests" / "mutation" / "trace"
        done = room.run(
            *("-m", "pytest", "-q", *PLUGINS, "-p", "tests.mutation.traced", *tests),
            environment={
                # What is compiled now need not be compiled for each change.
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPATH": f"{trace}:{room.folder / 'src'}:{room.folder}",
                "COVERAGE_PROCESS_START": str(trace / "coverage.ini"),
                "MUTATION_DATA": str(self._data),
                "MUTATION_DURATIONS": str(self._durations),
            },
            patience=_PATIENCE,
        )
        if done is None:
            raise RuntimeError(f"the tests did not end within {_PATIENCE} s")
        combined = Coverage(data_file=str(self._data))
        if self._data.exists():
            combined.load()
        combined.combine([str(self._data.parent)])
        combined.save()
        self.seconds = json.loads(self._durations.read_text())
        if not self.seconds:
            raise RuntimeError(f"no test passed:\n{done.stdout}{done.stderr}")

    def of(self, file: str, line: int) -> list[str]:
        """The tests that run this line, the file's own first, then the quickest. For a line that runs when it is
        imported these are the file's own, and some for each of its lines."""
        lines = self._of_file(file)
        # An expression of several lines is told by its first, or by some.
        nearest = max((known for known in lines if known <= line), default=0)
        found = lines.get(nearest, set())
        if not found:
            found = {test for tests in lines.values() for test in self._quickest(tests)[:_OF_EACH_LINE]}
            found |= {test for test in self.seconds if is_of(test, file)}
            # A file of declarations has no line that a test runs: whoever it may be.
            found = found or set(self.seconds)
        return sorted(self._quickest(found), key=lambda test: not is_of(test, file))

    def _quickest(self, tests: Iterable[str]) -> list[str]:
        return sorted(tests, key=lambda test: (self.seconds[test], test))

    def _of_file(self, file: str) -> dict[int, set[str]]:
        if file not in self._lines:
            data = CoverageData(str(self._data))
            data.read()
            found: dict[int, set[str]] = defaultdict(set)
            called = _in_functions(self._room / file)
            for measured in data.measured_files():
                if re.search(rf"/scxlife-mutants-[^/]+/{re.escape(file)}$", measured):
                    for line, contexts in data.contexts_by_lineno(measured).items():
                        tests = {_PHASE.sub("", context) for context in contexts}
                        # Whoever imports it asks nothing of it.
                        found[line] |= tests & self.seconds.keys() if line in called else set()
            self._lines[file] = dict(found)
        return self._lines[file]


def _in_functions(file: Path) -> set[int]:
    """The lines that run when somebody calls, not when somebody imports: what stands in functions."""
    functions = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))
    return {line for each in functions for line in range(each.body[0].lineno, (each.end_lineno or 0) + 1)}


def is_of(test: str, file: str) -> bool:
    """Whether the test, or its file, is called after this one."""
    return PurePath(test.partition("::")[0]).stem.startswith(f"test_{PurePath(file).stem}")

"""Collects problems while a definition is checked, each at the place of a path in the file."""

from __future__ import annotations

from .codes import ERROR
from .marks import Marks
from .problems import Path, Place, Problem


class Findings:
    """All that was found so far."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.problems: list[Problem] = []

    def add(self, path: Path, code: str, message: str) -> None:
        self.at(self.marks.place(path), code, message)

    def at(self, place: Place, code: str, message: str) -> None:
        self.problems.append(Problem(place, code, message))

    def included(self, path: Path) -> bool:
        """Whether the part comes from another file: what is overridden or not needed there was meant for others."""
        return self.marks.place(path).file != self.marks.place(()).file

    @property
    def fatal(self) -> bool:
        """Whether any of them is an error."""
        return any(problem.severity == ERROR for problem in self.problems)

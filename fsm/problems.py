"""What is wrong with a definition, where, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .codes import severity

Path = tuple[str | int, ...]


class Place(NamedTuple):
    """A position in a file; line and column count from 1, in characters. `width` is how much of the line is meant."""

    file: str
    line: int
    column: int
    width: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(NamedTuple):
    """One finding, printed as `file:line:column: code message`. Problems sort in the order of the file."""

    place: Place
    code: str
    message: str

    @property
    def severity(self) -> str:
        """`error` or `warning`."""
        return severity(self.code)

    def __str__(self) -> str:
        return f"{self.place}: {self.code} {self.message}"


class DefinitionError(ValueError):
    """A definition that can't be used. `problems` holds every finding, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


# Names above this length are not compared, and not shown whole.
LONGEST = 100


def shortened(name: str) -> str:
    """A name as it can stand in a message."""
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}…"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, if one is near."""
    if len(name) > LONGEST:
        return None
    names = [other for other in known if len(other) <= LONGEST]
    import difflib  # only a mistake pays for it

    lowered = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when a known name is near, else nothing."""
    near = closest(name, known)
    return f"; did you mean {near!r}?" if near else ""

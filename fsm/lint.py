"""Checks a definition as a whole: from its text to a definition that can run, or to all that is wrong with it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike, fspath

import attrs

from .bounded_files import read_bounded
from .codes import ERROR
from .compile import compile_document
from .definition import Definition
from .include import read_whole
from .problems import DefinitionError, Place, Problem
from .structure import structure
from .yaml_reader import MAX_BYTES


@attrs.frozen
class Report:
    """What a check found. `definition` is there when no problem is an error; `texts` holds every file that was
    read, for quoting its lines."""

    definition: Definition | None
    problems: tuple[Problem, ...]
    texts: Mapping[str, bytes] = attrs.Factory(dict)

    @property
    def errors(self) -> int:
        """How many of the problems are errors."""
        return sum(problem.severity == ERROR for problem in self.problems)

    @property
    def warnings(self) -> int:
        """How many of the problems are warnings."""
        return len(self.problems) - self.errors


def check_text(text: str | bytes, file: str = "<definition>") -> Report:
    """Check the definition in `text`. `file` names it in problems and is where its includes are looked for."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    texts: dict[str, bytes] = {file: raw}
    try:
        with _uncollected():
            whole = read_whole(raw, file, texts)
            document = structure(whole.data, whole.findings)
            definition = compile_document(document, whole.findings, whole.layers)
    except DefinitionError as error:
        return Report(None, error.problems, texts)
    problems = tuple(sorted(set(whole.findings.problems)))
    return Report(None if whole.findings.fatal else definition, problems, texts)


@contextmanager
def _uncollected() -> Iterator[None]:
    """A large file is a million small objects and no garbage: looking through them again and again takes three times
    as long as reading them."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def check(path: str | PathLike[str]) -> Report:
    """Check the definition in the file at `path`; a file that can't be read is a problem like any other."""
    name = fspath(path)
    try:
        text = read_bounded(name, MAX_BYTES)
    except OSError as error:
        return Report(None, (Problem(Place(name, 1, 1), "unreadable", error.strerror or str(error)),))
    return check_text(text, name)

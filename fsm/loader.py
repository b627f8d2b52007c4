"""Loading a machine's definition from its YAML file."""

from __future__ import annotations

from os import PathLike

from .definition import Definition
from .lint import Report, check, check_text
from .problems import DefinitionError


def loads(text: str | bytes, file: str = "<definition>") -> Definition:
    """The definition in `text`. Raises DefinitionError, which holds every problem with its place.

    Warnings don't stop it: `scxlife check`, or `scxlife.fsm.check`, tells of them.
    """
    return _sound(check_text(text, file))


def load(path: str | PathLike[str]) -> Definition:
    """The definition in the file at `path`. Raises DefinitionError, also for a file that can't be read."""
    return _sound(check(path))


def _sound(report: Report) -> Definition:
    if report.definition is None:
        raise DefinitionError(report.problems)
    return report.definition

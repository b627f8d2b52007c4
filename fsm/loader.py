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
    return sound(check_text(text, file))


def load(path: str | PathLike[str]) -> Definition:
    """The definition in the file at `path`. Raises DefinitionError, also for a file that can't be read."""
    return sound(check(path))


def sound(report: Report) -> Definition:
    """The definition that `report` is about. Raises DefinitionError if something is wrong with it."""
    if report.definition is None:
        raise DefinitionError(report.problems)
    return report.definition

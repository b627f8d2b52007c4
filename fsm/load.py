"""Loading a machine's definition from its YAML file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from .compile import compile_document
from .definition import Definition
from .document import structure
from .problems import DefinitionError, Place, Problem
from .yaml_reader import read_yaml


def loads(text: str | bytes, file: str = "<definition>") -> Definition:
    """The definition in `text`. Raises DefinitionError, which holds every problem with its place."""
    data, marks = read_yaml(text.encode() if isinstance(text, str) else text, file)
    return compile_document(structure(data, marks), marks)


def load(path: str | PathLike[str]) -> Definition:
    """The definition in the file at `path`. Raises DefinitionError, also for a file that can't be read."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        place = Place(str(path), 1, 1)
        raise DefinitionError([Problem(place, "unreadable", error.strerror or str(error))]) from None
    return loads(text, str(path))

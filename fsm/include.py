"""One definition out of several files: what a file says goes before what it includes.

`include: [spine.yaml]` takes over every part of a file beside it or below. Named parts are joined by their names, and
of a part that both have, each key of the nearer file goes first. Rows stay apart: those of the nearer file are asked
before included ones, however widely they name their cells. Two files that are included side by side may not say
different things of one name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import NamedTuple

import attrs

from .document import Document, key_of
from .findings import Findings
from .given_file import open_given
from .marks import VALUE, Joined
from .problems import Path
from .yaml_reader import MAX_BYTES, read_yaml

_SECTIONS = {key_of(field): field.type for field in attrs.fields(Document)}
MAPPINGS = tuple(key for key, kind in _SECTIONS.items() if str(kind).startswith("dict"))
LISTS = tuple(key for key, kind in _SECTIONS.items() if str(kind).startswith("list"))
MAX_FILES = 64


@attrs.frozen(eq=False, repr=False)
class Whole:
    """All files as one: the data, its findings with their marks, and for each row how deeply it was included."""

    data: object
    findings: Findings
    layers: dict[str, list[int]]


class _Part(NamedTuple):
    """One file: how deeply it is included, and by which files."""

    data: dict[str, object]
    findings: Findings
    depth: int
    file: str
    above: tuple[str, ...]


def read_bounded(path: str) -> bytes:
    """The bytes of a file, at most one more than a definition may have. Raises OSError; never blocks on a pipe that
    nobody writes to, never reads a device."""
    with open_given(path) as file:
        return file.read(MAX_BYTES + 1)


def read_whole(text: bytes, file: str, texts: dict[str, bytes]) -> Whole:
    """The definition in `text`, with all that it includes. `file` is its path, or a name in angle brackets. Every
    text that was read is put into `texts`.

    Raises DefinitionError for what can't be read at all.
    """
    texts[file] = text
    data, findings = read_yaml(text, file)
    if not isinstance(data, dict) or "include" not in data:
        return Whole(data, findings, {})
    first = _Part(data, findings, 0, file, ())
    joiner = _Joiner(first)
    for part in _parts(first, texts):
        joiner.add(part)
    return Whole(joiner.data, joiner.findings, joiner.layers)


def _parts(first: _Part, texts: dict[str, bytes]) -> Iterator[_Part]:
    """The first part and all that it includes, the nearest first, each file once."""
    waiting = [first]
    for part in waiting:
        waiting += _included(part, texts)
        yield part


def _included(part: _Part, texts: dict[str, bytes]) -> list[_Part]:
    wanted = part.data.get("include", [])
    if not isinstance(wanted, (str, list)):
        text = "a name or a list of names is wanted here"
        part.findings.add(("include", VALUE), "wrong-type", text)
        return []
    found = []
    for index, name in enumerate([wanted] if isinstance(wanted, str) else wanted):
        path: Path = ("include", index)
        if not isinstance(name, str):
            part.findings.add(path, "wrong-type", "a name is wanted here")
            continue
        target = _target(name, part.file, path, part.findings)
        if target is None:
            continue
        if target in (*part.above, part.file):
            circle = " → ".join([*part.above, part.file, target])
            part.findings.add(path, "include", f"{name} includes itself: {circle}")
        elif len(texts) >= MAX_FILES:
            part.findings.add(path, "include", f"more than {MAX_FILES} files")
        elif target not in texts:
            found += _read(part, target, path, texts)
    return found


def _target(name: str, file: str, path: Path, findings: Findings) -> str | None:
    if file.startswith("<"):
        findings.add(path, "include", f"{name}: a definition that is no file has no files beside it")
        return None
    if FilePath(name).is_absolute() or ".." in FilePath(name).parts:
        findings.add(path, "include", f"{name} is not beside the file or below it")
        return None
    return os.path.normpath(FilePath(file).parent / name)


def _read(part: _Part, target: str, path: Path, texts: dict[str, bytes]) -> list[_Part]:
    try:
        text = read_bounded(target)
    except OSError as error:
        part.findings.add(path, "unreadable", f"{target}: {error.strerror or error}")
        return []
    texts[target] = text
    data, findings = read_yaml(text, target)
    if not isinstance(data, dict):
        findings.add((), "wrong-type", "a mapping is wanted here")
    return [_Part(data if isinstance(data, dict) else {}, findings, part.depth + 1, target, (*part.above, part.file))]


class _Joiner:
    """Puts parts together, the nearest first, and remembers where each piece stands."""

    def __init__(self, first: _Part) -> None:
        self.data: dict[str, object] = {}
        self.marks = Joined(first.findings.marks)
        self.findings = Findings(self.marks)
        self.layers: dict[str, list[int]] = {key: [] for key in LISTS}
        self.said_at: dict[Path, int] = {}

    def add(self, part: _Part) -> None:
        self.findings.problems += part.findings.problems
        for key, value in part.data.items():
            if key in LISTS and isinstance(value, list):
                self._rows(part, key, value)
            elif key in MAPPINGS and isinstance(value, dict):
                section = self.data.setdefault(key, {})
                if isinstance(section, dict):
                    self.marks.routes.setdefault((key,), (part.findings.marks, (key,)))
                    for name, declared in value.items():
                        self._name(part, section, (key, name), declared)
            elif key in (*LISTS, *MAPPINGS) and part.depth:
                text = f"a {'list' if key in LISTS else 'mapping'} is wanted here"
                self.findings.at(part.findings.marks.place((key, VALUE)), "wrong-type", text)
            elif key not in self.data:
                self.data[key] = value
                self._stands((key,), part)
            elif key == "format" and self.data[key] != value:
                text = f"this is format {value}, and its includer {self.data[key]}"
                self.findings.at(part.findings.marks.place((key, VALUE)), "include", text)

    def _stands(self, path: Path, part: _Part) -> None:
        self.marks.routes[path] = (part.findings.marks, path)
        self.said_at[path] = part.depth

    def _depth(self, path: Path) -> int:
        """How deeply the file is included that says what stands at the path."""
        while path not in self.said_at:
            path = path[:-1]
        return self.said_at[path]

    def _rows(self, part: _Part, key: str, rows: list[object]) -> None:
        present = self.data.setdefault(key, [])
        if not isinstance(present, list):
            return  # told as a wrong type when the document is structured
        for index in range(len(rows)):
            self.marks.routes[(key, len(present) + index)] = (part.findings.marks, (key, index))
        present += rows
        self.layers[key] += [part.depth] * len(rows)

    def _name(self, part: _Part, into: dict[str, object], path: Path, value: object) -> None:
        name = str(path[-1])
        if name not in into:
            into[name] = dict(value) if isinstance(value, dict) else value
            self._stands(path, part)
            if isinstance(value, dict):
                for key in value:
                    self._stands((*path, key), part)
            return
        present = into[name]
        if isinstance(present, dict) and isinstance(value, dict):
            for key, inner in value.items():
                self._name(part, present, (*path, key), inner)
        elif self._depth(path) == part.depth and present != value:
            text = f"{'.'.join(map(str, path))} is said in {self.marks.place(path)} as well, and differently"
            self.findings.at(part.findings.marks.place(path), "include", text)

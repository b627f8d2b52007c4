"""One definition out of several files: what a file says goes before what it includes.

`include: [spine.yaml]` takes over every part of a file beside it or below. Named parts are joined by their names, and
of a part that both have, each key of the nearer file goes first. Rows stay apart: those of the nearer file are asked
before included ones, however widely they name their cells. Two files that are included side by side may not say
different things of one name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path as FilePath

import attrs

from .document import Document, key_of
from .findings import Findings
from .marks import VALUE, Joined
from .problems import Path
from .yaml_reader import MAX_BYTES, read_yaml

_SECTIONS = {key_of(field): field.type for field in attrs.fields(Document)}
MAPPINGS = tuple(key for key, kind in _SECTIONS.items() if str(kind).startswith("dict"))
LISTS = tuple(key for key, kind in _SECTIONS.items() if str(kind).startswith("list"))
MAX_FILES = 64


@attrs.frozen(eq=False, repr=False)
class Whole:
    """All files as one: the data, its findings with their marks, for each row how deeply it was included, and the
    texts for quoting lines."""

    data: object
    findings: Findings
    layers: dict[str, list[int]]
    texts: dict[str, bytes]


class _Part:
    def __init__(self, data: dict[str, object], findings: Findings, depth: int) -> None:
        self.data, self.findings, self.depth = data, findings, depth


def read_bounded(path: str) -> bytes:
    """The bytes of a file, at most one more than a definition may have. Raises OSError; never blocks on a pipe that
    nobody writes to, never reads a device."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(0, "it is a directory")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(0, "it is neither a file nor a pipe")
        os.set_blocking(fd, True)
        return file.read(MAX_BYTES + 1)


def read_whole(text: bytes, file: str) -> Whole:
    """The definition in `text`, with all that it includes. `file` is its path, or a name in angle brackets.

    Raises DefinitionError for what can't be read at all.
    """
    texts = {file: text}
    data, findings = read_yaml(text, file)
    if not isinstance(data, dict) or "include" not in data:
        return Whole(data, findings, {}, texts)
    first = _Part(data, findings, 0)
    joiner = _Joiner(first)
    for part in sorted(_parts(first, file, texts, []), key=lambda part: part.depth):
        joiner.add(part)
    return Whole(joiner.data, joiner.findings, joiner.layers, texts)


def _parts(part: _Part, file: str, texts: dict[str, bytes], above: list[str]) -> Iterator[_Part]:
    """The part and all that it includes, the nearest first, each file once."""
    yield part
    wanted = part.data.get("include")
    names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    for index, name in enumerate(names):
        path: Path = ("include", index) if isinstance(wanted, list) else ("include",)
        if not isinstance(name, str):
            continue  # told as a wrong type when the document is structured
        target = _target(name, file, path, part.findings)
        if target is None:
            continue
        if target in (*above, file):
            part.findings.add(path, "include", f"{name} includes itself: {' → '.join([*above, file, target])}")
        elif len(texts) >= MAX_FILES:
            part.findings.add(path, "include", f"more than {MAX_FILES} files")
        elif target not in texts:
            yield from _included(part, target, path, texts, [*above, file])


def _target(name: str, file: str, path: Path, findings: Findings) -> str | None:
    if file.startswith("<"):
        findings.add(path, "include", f"{name}: a definition that is no file has no files beside it")
        return None
    if FilePath(name).is_absolute() or ".." in FilePath(name).parts:
        findings.add(path, "include", f"{name} is not beside the file or below it")
        return None
    return os.path.normpath(FilePath(file).parent / name)


def _included(part: _Part, target: str, path: Path, texts: dict[str, bytes], above: list[str]) -> Iterator[_Part]:
    try:
        text = read_bounded(target)
    except OSError as error:
        part.findings.add(path, "unreadable", f"{target}: {error.strerror or error}")
        return
    texts[target] = text
    data, findings = read_yaml(text, target)
    if isinstance(data, dict):
        yield from _parts(_Part(data, findings, part.depth + 1), target, texts, above)
    else:
        findings.add((), "wrong-type", "a mapping is wanted here")
        yield _Part({}, findings, part.depth + 1)


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
            elif key not in self.data:
                self.data[key] = value
                self._stands((key,), part)
            elif key == "format" and self.data[key] != value:
                text = f"this is format {value}, and its includer {self.data[key]}"
                self.findings.at(part.findings.marks.place((key, VALUE)), "include", text)

    def _stands(self, path: Path, part: _Part) -> None:
        self.marks.routes[path] = (part.findings.marks, path)
        self.said_at[path] = part.depth

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
        elif self.said_at[path] == part.depth and present != value:
            text = f"{'.'.join(map(str, path))} is said in {self.marks.place(path)} as well, and differently"
            self.findings.at(part.findings.marks.place(path), "include", text)

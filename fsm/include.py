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
from .problems import Findings, Path, Place
from .yaml_reader import MAX_BYTES, read_yaml

_SECTIONS = {key_of(field): field.type for field in attrs.fields(Document)}
MAPPINGS = tuple(key for key, kind in _SECTIONS.items() if str(kind).startswith("dict"))
LISTS = tuple(key for key, kind in _SECTIONS.items() if str(kind).startswith("list"))
MAX_FILES = 64


@attrs.define
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
    parts = list(_parts(_Part(data, findings, 0), file, texts, []))
    return _joined(parts, texts)


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


def _joined(parts: list[_Part], texts: dict[str, bytes]) -> Whole:
    data: dict[str, object] = {}
    marks: dict[Path, Place] = dict(parts[0].findings.marks)
    findings = Findings(marks)
    layers: dict[str, list[int]] = {key: [] for key in LISTS}
    said_at: dict[Path, int] = {}
    for part in sorted(parts, key=lambda part: part.depth):
        findings.problems += part.findings.problems
        for key, value in part.data.items():
            if key in LISTS and isinstance(value, list):
                rows = data.setdefault(key, [])
                assert isinstance(rows, list)
                _copy_rows(part, key, value, len(rows), marks)
                rows += value
                layers[key] += [part.depth] * len(value)
            elif key in MAPPINGS and isinstance(value, dict):
                section = data.setdefault(key, {})
                assert isinstance(section, dict)
                marks.setdefault((key,), part.findings.marks[key,])
                for name, declared in value.items():
                    _join(part, section, (key, name), declared, marks, said_at, findings)
            elif key not in data:
                data[key] = value
                _copy(part, (key,), marks)
                said_at[(key,)] = part.depth
            elif key == "format" and data[key] != value:
                text = f"this is format {value}, and its includer {data[key]}"
                findings.at(part.findings.marks[key,], "include", text)
    return Whole(data, findings, layers, texts)


def _join(
    part: _Part,
    into: dict[str, object],
    path: Path,
    value: object,
    marks: dict[Path, Place],
    said_at: dict[Path, int],
    findings: Findings,
) -> None:
    name = str(path[-1])
    if name not in into:
        into[name] = dict(value) if isinstance(value, dict) else value
        _copy(part, path, marks)
        for below in [path, *((*path, key) for key in value)] if isinstance(value, dict) else [path]:
            said_at[below] = part.depth
        return
    present = into[name]
    if isinstance(present, dict) and isinstance(value, dict):
        for key, inner in value.items():
            _join(part, present, (*path, key), inner, marks, said_at, findings)
    elif said_at[path] == part.depth and present != value:
        text = f"{'.'.join(map(str, path))} is said in {marks[path]} as well, and differently"
        findings.at(part.findings.marks[path], "include", text)


def _copy(part: _Part, path: Path, marks: dict[Path, Place]) -> None:
    size = len(path)
    for known, place in part.findings.marks.items():
        if known[:size] == path:
            marks.setdefault(known, place)


def _copy_rows(part: _Part, key: str, rows: list[object], offset: int, marks: dict[Path, Place]) -> None:
    """Marks of rows that stand behind those of nearer files."""
    for known, place in part.findings.marks.items():
        if len(known) > 1 and known[0] == key and isinstance(known[1], int):
            marks[(key, known[1] + offset, *known[2:])] = place
    marks.setdefault((key,), part.findings.marks[key,])

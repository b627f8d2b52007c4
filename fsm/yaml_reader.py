"""YAML as plain data, with the place of every key and value kept.

PyYAML's own loading loses what a definition's author needs: it keeps the last of two duplicate keys without a
word, and reads the keys `on`, `off`, `yes`, `no` as booleans (YAML 1.1). So the node tree is composed by PyYAML's
safe parser and turned into data here: keys are always text, a duplicate is a problem, tags are refused, and
aliases cost no more than what they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from .problems import DefinitionError, Place, Problem

Path = tuple[str | int, ...]
Marks = Mapping[Path, Place]

# Bounds for hostile files: a definition of a thousand states stays far below them.
MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 2_000_000

_PLAIN_TAGS = {"str", "int", "float", "bool", "null", "map", "seq"}
_TAG_PREFIX = "tag:yaml.org,2002:"


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self.nodes = 0

    def place(self, mark: yaml.Mark) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def problem(self, node: yaml.Node, code: str, message: str) -> None:
        self.problems.append(Problem(self.place(node.start_mark), code, message))

    def read(self, node: yaml.Node, path: Path) -> object:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.problem(node, "too-large", f"more than {MAX_NODES} values, aliases counted each time they stand")
            raise DefinitionError(self.problems)
        if len(path) > MAX_DEPTH:
            self.problem(node, "too-deep", f"nested deeper than {MAX_DEPTH} levels")
            raise DefinitionError(self.problems)
        self.marks.setdefault(path, self.place(node.start_mark))
        tag = node.tag.removeprefix(_TAG_PREFIX)
        if tag not in _PLAIN_TAGS:
            if tag in ("timestamp", "binary", "merge", "value") and isinstance(node, yaml.ScalarNode):
                return node.value
            self.problem(node, "yaml-tag", f"tag {node.tag!r}: a definition is plain data")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, tag)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        data: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problem(key, "wrong-type", "a key must be plain text")
                continue
            name = str(key.value)
            if name in data:
                first = self.marks[(*path, name)]
                self.problem(key, "duplicate-key", f"key {name!r} stands already at line {first.line}")
                continue
            self.marks[(*path, name)] = self.place(key.start_mark)
            data[name] = self.read(value, (*path, name))
        return data

    def _scalar(self, node: yaml.Node, tag: str) -> object:
        text = str(node.value)
        try:
            if tag == "int":
                return int(text.replace("_", ""), 0)
            if tag == "float":
                return float(text.replace("_", ""))
        except ValueError:
            return text  # YAML 1.1's octal and sexagesimal forms: text, so that a wrong type is said with its place
        if tag == "bool":
            return text.lower() in ("true", "yes", "on")
        return None if tag == "null" else text


def read_yaml(text: bytes, file: str) -> tuple[object, Marks]:
    """The data of the one document in `text` and where each part of it stands, by its path of keys and indices.

    Raises DefinitionError for anything that is not one plain YAML document in UTF-8.
    """
    start = Place(file, 1, 1)
    if len(text) > MAX_BYTES:
        raise DefinitionError([Problem(start, "too-large", f"{len(text)} bytes; at most {MAX_BYTES} are read")])
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - (text.rfind(b"\n", 0, error.start) + 1) + 1
        raise DefinitionError([Problem(Place(file, line, column), "not-utf8", "not UTF-8 text")]) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(decoded, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else start
        message = "; ".join(part for part in (error.context, error.problem) if part)
        # Newer versions of libyaml bound the depth themselves.
        code = "too-deep" if "nesting depth" in message else "yaml-syntax"
        raise DefinitionError([Problem(place, code, message)]) from None
    except yaml.YAMLError as error:
        raise DefinitionError([Problem(start, "yaml-syntax", str(error).splitlines()[0])]) from None
    except RecursionError:
        raise DefinitionError([Problem(start, "too-deep", f"nested deeper than {MAX_DEPTH} levels")]) from None
    if node is None:
        raise DefinitionError([Problem(start, "empty", "the file holds no definition")])
    reader = _Reader(file)
    data = reader.read(node, ())
    if reader.problems:
        raise DefinitionError(reader.problems)
    return data, reader.marks

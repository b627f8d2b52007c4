"""YAML as plain data, with the place of every key and value kept.

PyYAML's own loading loses what a definition's author needs: it keeps the last of two duplicate keys without a
word, and reads the words `on`, `off`, `yes` and `no` as truth values (YAML 1.1). So the node tree is composed by
PyYAML's safe parser and turned into data here, as YAML 1.2 reads it: `on` and `off` are text, keys are text, a
duplicate is a problem, tags are refused, and aliases cost no more than what they stand for.
"""

from __future__ import annotations

import math
import re

import yaml

from .problems import DefinitionError, Findings, Path, Place, Problem

# Bounds for hostile files: a definition of a thousand states stays far below them.
MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 2_000_000

_PLAIN_TAGS = {"str", "int", "float", "bool", "null", "map", "seq"}
_AS_TEXT = {"timestamp", "binary", "merge", "value"}
_TAG_PREFIX = "tag:yaml.org,2002:"
_TRUTH = {"true": True, "false": False}
_BOM = b"\xef\xbb\xbf"
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[Path, Place] = {}
        self.findings = Findings(self.marks)
        self.nodes = 0

    def place(self, node: yaml.Node) -> Place:
        start, end = node.start_mark, node.end_mark
        scalar = isinstance(node, yaml.ScalarNode) and end.line == start.line
        return Place(self.file, start.line + 1, start.column + 1, max(1, end.column - start.column) if scalar else 1)

    def problem(self, node: yaml.Node, code: str, message: str) -> None:
        self.findings.at(self.place(node), code, message)

    def read(self, node: yaml.Node, path: Path) -> object:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.problem(node, "too-large", f"more than {MAX_NODES} values, aliases counted each time they stand")
            raise DefinitionError(self.findings.problems)
        if len(path) > MAX_DEPTH:
            self.problem(node, "too-deep", f"nested deeper than {MAX_DEPTH} levels")
            raise DefinitionError(self.findings.problems)
        self.marks.setdefault(path, self.place(node))
        tag = node.tag.removeprefix(_TAG_PREFIX)
        if tag not in _PLAIN_TAGS:
            if tag in _AS_TEXT and isinstance(node, yaml.ScalarNode) and node.style is None:
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
            tag = key.tag.removeprefix(_TAG_PREFIX)
            if tag == "null" or (tag == "bool" and name.lower() in _TRUTH):
                self.problem(key, "yaml-boolean", f"the key {name or '(nothing)'} is no text in YAML: put it in quotes")
                continue
            if name in data:
                first = self.marks[(*path, name)]
                self.problem(key, "duplicate-key", f"key {name!r} stands already at line {first.line}")
                continue
            self.marks[(*path, name)] = self.place(key)
            data[name] = self.read(value, (*path, name))
        return data

    def _scalar(self, node: yaml.Node, tag: str) -> object:
        text = str(node.value)
        try:
            if tag == "int":
                return int(text.replace("_", ""), 0)
            if tag == "float":
                number = float(
                    text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan").replace(".NaN", "nan")
                )
                return number if math.isfinite(number) else text
        except ValueError:
            return text  # YAML 1.1's octal and sexagesimal forms: text, so that a wrong type is said with its place
        if tag == "bool":
            # What YAML 1.1 alone takes for a truth value stays a word; who wants a truth value says so.
            return _TRUTH.get(text.lower(), Word(text))
        return None if tag == "null" else text


class Word(str):
    """A text that YAML 1.1 reads as a truth value: `on`, `off`, `yes`, `no`, without quotes."""

    __slots__ = ()


def read_yaml(text: bytes, file: str) -> tuple[object, Findings]:
    """The data of the one document in `text`; its marks, and what is wrong with it so far, in the findings.

    Raises DefinitionError for anything that is not one plain YAML document in UTF-8.
    """
    start = Place(file, 1, 1)
    text = text.removeprefix(_BOM)
    if len(text) > MAX_BYTES:
        raise DefinitionError([Problem(start, "too-large", f"more than {MAX_BYTES} bytes: that is no definition")])
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        before = text[text.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")
        place = Place(file, line, len(before) + 1)
        raise DefinitionError([Problem(place, "not-utf8", f"byte {text[error.start]:#04x} is not UTF-8")]) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(decoded, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else start
        raise DefinitionError([Problem(place, *_syntax(error))]) from None
    except yaml.YAMLError as error:
        raise DefinitionError([Problem(_unacceptable(decoded, file), "yaml-syntax", _first(error))]) from None
    except RecursionError:
        raise DefinitionError([Problem(start, "too-deep", f"nested deeper than {MAX_DEPTH} levels")]) from None
    if node is None:
        raise DefinitionError([Problem(start, "empty", "the file holds no definition")])
    reader = _Reader(file)
    data = reader.read(node, ())
    return data, reader.findings


def _syntax(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    message = "; ".join(part for part in (error.context, error.problem) if part)
    if "single document" in message:
        return "several-documents", "a second document begins here: one file holds one definition"
    # Newer versions of libyaml bound the depth themselves.
    return ("too-deep" if "nesting depth" in message else "yaml-syntax"), message


def _first(error: yaml.YAMLError) -> str:
    """PyYAML's words without its own account of the place."""
    return str(error).splitlines()[0]


def _unacceptable(text: str, file: str) -> Place:
    """Where a character stands that YAML does not allow: the one error of PyYAML's that has no mark."""
    found = _NOT_YAML.search(text)
    before = text[: found.start()] if found else ""
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)

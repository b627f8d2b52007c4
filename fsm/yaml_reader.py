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

from .findings import Findings
from .lines import last_place, place_at
from .marks import Tree, place_of
from .names import NAME
from .problems import DefinitionError, Place, Problem, shortened

# Bounds for hostile files: a definition of a thousand states stays far below them.
MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 2_000_000

_BOM = b"\xef\xbb\xbf"
_NOT_YAML = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
# A number of more digits is no number of anything here.
_DIGITS = 20

# What `_Loader` calls the nodes that have no tag of their own.
_PLAIN, _QUOTED, _COLLECTION = "plain", "quoted", "collection"


class Quoted(str):
    """A text in quotes, or in a block: never a number, a duration or a truth value."""

    __slots__ = ()


class Word(str):
    """A text that YAML 1.1 reads as a truth value and YAML 1.2 does not: `on`, `off`, `yes`, `no`, without quotes."""

    __slots__ = ()


_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{
        text: Word(text)
        for word in ("yes", "no", "on", "off", "y", "n")
        for text in (word, word.capitalize(), word.upper())
    },
}


class _Untyped:
    """Composes nodes without guessing at the type of each: PyYAML's own resolver takes most of the time."""

    def resolve(self, kind: type, value: object, implicit: object) -> str:
        if kind is not yaml.ScalarNode:
            return _COLLECTION
        return _PLAIN if isinstance(implicit, tuple) and implicit[0] else _QUOTED


class _Loader(_Untyped, getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    pass


class _PythonLoader(_Untyped, yaml.BaseLoader):
    """Takes the escape of a lone surrogate, which libyaml does not."""


class _Reader:
    def __init__(self, findings: Findings, file: str, most: int) -> None:
        self.findings = findings
        self.most = most
        self.file = file
        self.nodes = 0

    def problem(self, node: yaml.Node, code: str, message: str) -> None:
        self.findings.at(place_of(node, self.file), code, message)

    def tagged(self, node: yaml.Node) -> None:
        name = node.tag[1:]
        negated = NAME.fullmatch(name) and f"; to ask that guard {name} does not hold, write `unless: {name}`"
        self.problem(node, "yaml-tag", f"tag {node.tag!r}: a definition is plain data{negated or ''}")

    def read(self, node: yaml.Node, depth: int) -> object:
        self.nodes += 1
        if self.nodes > self.most:
            self.problem(node, "too-large", f"more than {self.most} values, aliases counted each time they stand")
            raise DefinitionError(self.findings.problems)
        tag = node.tag
        if tag == _PLAIN:
            return _plain(node.value)
        if tag == _QUOTED:
            return Quoted(node.value)
        if tag != _COLLECTION:
            self.tagged(node)
            return None
        if depth == MAX_DEPTH:
            self.problem(node, "too-deep", f"nested deeper than {MAX_DEPTH} levels")
            raise DefinitionError(self.findings.problems)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        return [self.read(item, depth + 1) for item in node.value]

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, object]:
        data: dict[str, object] = {}
        first: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problem(key, "wrong-type", "a key must be plain text")
                continue
            name = key.value
            if key.tag not in (_PLAIN, _QUOTED):
                self.tagged(key)
            if key.tag == _PLAIN and name in _WORDS and not isinstance(_WORDS[name], Word):
                self.problem(key, "yaml-boolean", f"the key {name or '(nothing)'} is no text in YAML: put it in quotes")
            elif name in data:
                line = first[name].start_mark.line + 1
                words = f"key {shortened(name)!r} stands already at line {line}: put both under one"
                self.problem(key, "duplicate-key", words)
            else:
                first[name] = key
                data[name] = self.read(value, depth + 1)
        return data


def _plain(text: str) -> object:
    """A scalar without quotes, as YAML 1.2's core schema reads it; what neither reads alike stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "0123456789+-.":
        try:
            if len(text) <= _DIGITS and _INTEGER.fullmatch(text):
                return int(text, 0)
            if _FLOAT.fullmatch(text):
                number = float(text)
                return number if math.isfinite(number) else text
        except ValueError:
            return text  # more digits than Python converts
    return text


def read_yaml(text: bytes, file: str, *, most: int = MAX_NODES, surrogates: bool = False) -> tuple[object, Findings]:
    """The data of the one document in `text`; its marks, and what is wrong with it so far, in the findings. It has
    `most` values at most. With `surrogates` a text may have the escapes of bytes that are no UTF-8.

    Raises DefinitionError for anything that is not one plain YAML document in UTF-8.
    """
    start = Place(file, 1, 1)
    if len(text) > MAX_BYTES:
        raise DefinitionError([Problem(start, "too-large", f"more than {MAX_BYTES} bytes: that is no definition")])
    text = text.removeprefix(_BOM)
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8")
        place = place_at(before, len(before), file)
        raise DefinitionError([Problem(place, "not-utf8", f"byte {text[error.start]:#04x} is not UTF-8")]) from None
    try:
        node = yaml.compose(decoded, Loader=_PythonLoader if surrogates else _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else start
        place = min(place, last_place(decoded, file))  # what is missing at the end is missed behind it
        code, message = _syntax(error)
        if code == "yaml-syntax":
            from .syntax import explained  # only a mistake pays for it

            place, message = explained(error, decoded, file) or (place, message)
        raise DefinitionError([Problem(place, code, message)]) from None
    except yaml.YAMLError as error:
        raise DefinitionError([Problem(_unacceptable(decoded, file), "yaml-syntax", _first(error))]) from None
    except RecursionError:
        raise DefinitionError([Problem(start, "too-deep", f"nested deeper than {MAX_DEPTH} levels")]) from None
    if node is None:
        raise DefinitionError([Problem(start, "empty", "the file holds no definition")])
    findings = Findings(Tree(file, node))
    data = _Reader(findings, file, most).read(node, 0)
    if any(problem.code == "yaml-tag" for problem in findings.problems):
        raise DefinitionError(findings.problems)
    return data, findings


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
    found = re.search(_NOT_YAML, text)  # compiled here: it takes longer than reading a definition
    return place_at(text, found.start() if found else 0, file)

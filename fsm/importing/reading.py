"""From what the user names to a draft: which kind it is, and its text, read with a bound."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import PurePath

from scxlife.fsm.bounded_files import read_bounded

from .chart import Chart, clean
from .draft import Draft, flatten
from .problem import ImportProblem

MAX_BYTES = 4 * 1024 * 1024
TRANSITIONS, STATEMACHINE, XSTATE, SCXML = "transitions", "python-statemachine", "xstate", "scxml"
FORMATS = (TRANSITIONS, STATEMACHINE, XSTATE, SCXML)


def drafted(source: str, text: bytes, kind: str | None) -> Draft:
    """The draft of the machine in the file `source` with the content `text`. Raises ImportProblem."""
    return _flat(lambda: _file(source, text, kind))


def drafted_object(name: str, found: object, kind: str | None) -> Draft:
    """The draft of a Python object that `name` led to. Raises ImportProblem."""
    from .objects import chart_of

    return _flat(lambda: chart_of(found, name, kind))


def read(path: str) -> bytes:
    """The content of a file. Raises ImportProblem where it can't be read or is too large."""
    try:
        text = read_bounded(path, MAX_BYTES)
    except OSError as error:
        raise ImportProblem(f"it can't be read: {error.strerror or error}") from None
    if len(text) > MAX_BYTES:
        raise ImportProblem(f"it has more than {MAX_BYTES} bytes: too large to import")
    return text


def _flat(chart: Callable[[], Chart]) -> Draft:
    try:
        return flatten(chart())
    except RecursionError:
        raise ImportProblem("it is nested too deeply to import") from None


def _file(source: str, text: bytes, kind: str | None) -> Chart:
    origin = clean(PurePath(source).name)
    if kind == STATEMACHINE:
        raise ImportProblem("a python-statemachine class is named as module:Class, not as a file")
    if kind == SCXML or (kind is None and text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")):
        from . import scxml

        return scxml.read(text, origin)
    data = _data(text, source)
    if not isinstance(data, dict):
        raise ImportProblem("it holds no mapping, so no machine")
    if kind is None:
        kind = XSTATE if isinstance(data.get("states"), dict) else TRANSITIONS
    if kind == XSTATE:
        from . import xstate

        return xstate.read(data, origin)
    from . import transitions_machine

    return transitions_machine.read(data, origin)


def _data(text: bytes, source: str) -> object:
    """JSON, or else YAML without tags; duplicate keys are refused in both."""
    if text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        try:
            return json.loads(text.removeprefix(b"\xef\xbb\xbf"), object_pairs_hook=_pairs, parse_int=_integer)
        except json.JSONDecodeError as error:
            if source.endswith(".json"):
                raise ImportProblem(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
        except UnicodeDecodeError:
            raise ImportProblem("it is not UTF-8 text") from None
    from scxlife.fsm.problems import DefinitionError
    from scxlife.fsm.yaml_reader import read_yaml

    try:
        data, findings = read_yaml(text, source, most=200_000)
    except DefinitionError as error:
        raise ImportProblem(_first(error)) from None
    if findings.problems:
        raise ImportProblem(_first(DefinitionError(findings.problems)))
    return data


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ImportProblem(f"the key {clean(key)!r} stands there twice in one object")
        found[key] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ImportProblem("a number of more than 20 digits is no number of a machine")
    return int(digits)


def _first(error: Exception) -> str:
    problem = error.problems[0]  # type: ignore[attr-defined]
    return f"line {problem.place.line}: {problem.message}"

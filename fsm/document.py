"""The YAML format as attrs classes: what an author may write, before names are resolved.

cattrs structures them strictly: an unknown key, a missing key and a value of another type are problems at the
place where they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from .durations import parse_duration
from .problems import DefinitionError, Place, Problem, did_you_mean
from .yaml_reader import Marks, Path


class Names(tuple[str, ...]):
    """One name or a list of names."""

    __slots__ = ()


NO_NAMES = Names()


class Scalar:
    """A setting's value: text, number, truth value or nothing."""


@attrs.frozen
class SettingDoc:
    value: Scalar
    doc: str = ""


@attrs.frozen
class EventDoc:
    source: str | None = None
    timer: str | None = None
    rank: int | None = None
    doc: str = ""


@attrs.frozen
class StateDoc:
    doc: str = ""
    phase: str | None = None
    sources: Names = NO_NAMES
    entry: Names = NO_NAMES
    exit: Names = NO_NAMES
    deadlines: Names = NO_NAMES
    no_deadline: str | None = None
    final: str | None = None


@attrs.frozen
class ActionDoc:
    """What an action does, and which events of `source: action` it may post. Its text alone is the short form."""

    doc: str = ""
    posts: Names = NO_NAMES


@attrs.frozen
class OutcomeDoc:
    doc: str = ""
    reasons: dict[str, str] = attrs.Factory(dict)


@attrs.frozen
class RowDoc:
    in_: Names
    on: Names
    to: str | None = None
    do: Names = NO_NAMES
    if_: Names = NO_NAMES
    unless: Names = NO_NAMES
    verdict: str | None = None
    note: str = ""


@attrs.frozen
class ReasonedDoc:
    """A row of `ignore`, `defer`, `reject` or `impossible`."""

    in_: Names
    on: Names
    because: str
    if_: Names = NO_NAMES
    unless: Names = NO_NAMES


@attrs.frozen
class ProfileDoc:
    doc: str = ""
    sources: dict[str, str | None] = attrs.Factory(dict)
    settings: dict[str, Scalar] = attrs.Factory(dict)


@attrs.frozen
class Document:
    format: int
    machine: str
    version: int
    initial: str
    states: dict[str, StateDoc]
    events: dict[str, EventDoc]
    rows: list[RowDoc]
    doc: str = ""
    settings: dict[str, SettingDoc] = attrs.Factory(dict)
    sources: dict[str, str | None] = attrs.Factory(dict)
    guards: dict[str, str] = attrs.Factory(dict)
    actions: dict[str, ActionDoc] = attrs.Factory(dict)
    outcomes: dict[str, OutcomeDoc] = attrs.Factory(dict)
    groups: dict[str, Names] = attrs.Factory(dict)
    profiles: dict[str, ProfileDoc] = attrs.Factory(dict)
    ignore: list[ReasonedDoc] = attrs.Factory(list)
    defer: list[ReasonedDoc] = attrs.Factory(list)
    reject: list[ReasonedDoc] = attrs.Factory(list)
    impossible: list[ReasonedDoc] = attrs.Factory(list)


_CLASSES: tuple[type, ...] = (
    SettingDoc,
    EventDoc,
    StateDoc,
    ActionDoc,
    OutcomeDoc,
    RowDoc,
    ReasonedDoc,
    ProfileDoc,
    Document,
)
_KEYS = {"in_": "in", "if_": "if", "no_deadline": "no-deadline"}


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a truth value", int: "a number"}
    return "nothing" if value is None else names.get(type(value), "a number")


def _strict(wanted: type, called: str) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not wanted:
            raise TypeError(f"{called} is wanted here, not {_kind(value)}")
        return value

    return structure


def _names(value: Any, _: Any) -> Names:
    if isinstance(value, str):
        return Names((value,))
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Names(value)
    raise TypeError("a name or a list of names is wanted here")


def _scalar(value: Any, _: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if not isinstance(value, str):
        raise TypeError(f"a plain value is wanted here, not {_kind(value)}")
    if value[:1].isdigit():
        return parse_duration(value)
    return value


def _optional_text(value: Any, _: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"text is wanted here, not {_kind(value)}")
    return value


# Classes whose documentation alone may stand for the whole.
_SHORT: dict[type, Callable[[str], object]] = {ActionDoc: ActionDoc}


def _class_hook(converter: Converter, cls: type) -> Callable[[Any, Any], Any]:
    renames = {field.name: override(rename=_KEYS[field.name]) for field in attrs.fields(cls) if field.name in _KEYS}
    structure: Callable[[Any, Any], Any] = make_dict_structure_fn(
        cls,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        **renames,  # type: ignore[arg-type]
    )

    def checked(value: Any, wanted: Any) -> Any:
        if isinstance(value, str) and cls in _SHORT:
            return _SHORT[cls](value)
        if not isinstance(value, dict):
            raise TypeError(f"a mapping is wanted here, not {_kind(value)}")
        return structure(value, wanted)

    return checked


def _container(factory: Callable[..., Any], wanted: type, called: str) -> Callable[[Any, Converter], Any]:
    """A hook factory that refuses anything but `wanted`: text is iterable, and a number has no length."""

    def make(cls: Any, converter: Converter) -> Callable[[Any, Any], Any]:
        inner = factory(cls, converter)

        def checked(value: Any, _: Any) -> Any:
            if not isinstance(value, wanted):
                raise TypeError(f"{called} is wanted here, not {_kind(value)}")
            return inner(value, cls)

        return checked

    return make


def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    # Strict primitives first: the generated class hooks look them up when they are made, and cattrs' own hook for
    # str would turn a list into its text.
    converter.register_structure_hook(str, _strict(str, "text"))
    converter.register_structure_hook(int, _strict(int, "a whole number"))
    converter.register_structure_hook(Names, _names)
    converter.register_structure_hook(Scalar, _scalar)
    converter.register_structure_hook_func(lambda cls: cls == (str | None), _optional_text)
    converter.register_structure_hook_factory(
        lambda cls: getattr(cls, "__origin__", None) is list,
        _container(list_structure_factory, list, "a list"),
    )
    converter.register_structure_hook_factory(
        lambda cls: getattr(cls, "__origin__", None) is dict,
        _container(mapping_structure_factory, dict, "a mapping"),
    )
    for cls in _CLASSES:
        converter.register_structure_hook(cls, _class_hook(converter, cls))
    return converter


def structure(data: object, marks: Marks) -> Document:
    """The document for plain data. Raises DefinitionError with every problem of form, each at its place."""
    try:
        return _converter().structure(data, Document)
    except (ClassValidationError, TypeError, ValueError) as error:
        raise DefinitionError(_problems(error, (), marks)) from None


def nearest(marks: Marks, path: Path) -> Place:
    """The place of `path`, or of the closest part around it that the file has."""
    while path not in marks:
        path = path[:-1]
    return marks[path]


def _problems(error: BaseException, path: Path, marks: Marks) -> list[Problem]:
    if isinstance(error, IterableValidationError):
        grouped, others = error.group_exceptions()
        found = [p for inner, note in grouped for p in _problems(inner, (*path, note.index), marks)]
        return found + [p for inner in others for p in _problems(inner, path, marks)]
    if isinstance(error, ClassValidationError):
        named, others = error.group_exceptions()
        found = []
        for inner, note in named:
            key = _KEYS.get(note.name, note.name)
            if isinstance(inner, KeyError) and (*path, key) not in marks:
                text = f"key {key!r} is missing"
                found.append(Problem(nearest(marks, path), "missing-key", text))
            else:
                found += _problems(inner, (*path, key), marks)
        return found + [p for inner in others for p in _problems(inner, path, marks)]
    if isinstance(error, ForbiddenExtraKeysError):
        known = [_KEYS.get(field.name, field.name) for field in attrs.fields(error.cl)]
        return [
            Problem(nearest(marks, (*path, key)), "unknown-key", f"unknown key {key!r}{did_you_mean(key, known)}")
            for key in sorted(error.extra_fields)
        ]
    return [Problem(nearest(marks, path), "wrong-type", str(error))]

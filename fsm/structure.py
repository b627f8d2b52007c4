"""From plain data to the document's attrs classes, by cattrs, and from its errors to problems with a place.

cattrs structures strictly here: an unknown key, a missing key and a value of another type are problems at the place
where they stand.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from .document import CLASSES, NAMED, ActionDoc, Document, GuardDoc, Names, Scalar, key_of
from .durations import Seconds, parse_duration
from .findings import Findings
from .marks import VALUE
from .names import no_name
from .problems import DefinitionError, Path, closest, did_you_mean, shortened
from .yaml_reader import Quoted, Word

_KEYS = {field.name: key_of(field) for cls in CLASSES for field in attrs.fields(cls)}


# What is meant for a number of something.
_NUMERIC = re.compile(r"[-+.]*\d")


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    names = {dict: "a mapping", list: "a list", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")


def _strict(wanted: type, called: str) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, str) and wanted is str:
            return str(value)
        if type(value) is not wanted:
            found = "one with a fraction" if isinstance(value, float) else _kind(value)
            quotes = " in quotes" if isinstance(value, Quoted) else ""
            raise TypeError(f"{called} is wanted here, not {found}{quotes}")
        return value

    return structure


def _names(value: Any, _: Any) -> Names:
    if isinstance(value, str):
        return Names((str(value),))
    if not isinstance(value, list):
        raise TypeError(f"a name or a list of names is wanted here, not {_kind(value)}")
    for item in value:
        if not isinstance(item, str):
            raise TypeError(f"a name is wanted here, not {_kind(item)}")
    return Names(map(str, value))


class AmbiguousWord(ValueError):
    """A setting's value that YAML 1.1 and 1.2 read differently."""


def _scalar(value: Any, _: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if not isinstance(value, str):
        raise TypeError(f"a plain value is wanted here, not {_kind(value)}")
    if isinstance(value, Word):
        raise AmbiguousWord(f"{value!s} is a truth value to some YAML readers: say true or false, or put it in quotes")
    if _NUMERIC.match(value) and not isinstance(value, Quoted):
        try:
            return Seconds(parse_duration(value))  # numbers were read before: otherwise this is 0755 or 1:30
        except ValueError as error:
            # No number of something at all: perhaps a text was meant.
            quotes = "; a text that begins with a digit stands in quotes" if "write a number" in str(error) else ""
            raise ValueError(f"{error}{quotes}") from None
    return str(value)


def _optional_text(value: Any, _: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"text is wanted here, not {_kind(value)}")
    return None if value is None else str(value)


# Classes whose documentation alone may stand for the whole.
_SHORT: dict[type, Callable[[str], object]] = {ActionDoc: ActionDoc, GuardDoc: GuardDoc}


def _class_hook(converter: Converter, cls: type) -> Callable[[Any, Any], Any]:
    renames = {field.name: override(rename=key_of(field)) for field in attrs.fields(cls) if key_of(field) != field.name}
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
    converter.register_structure_hook(bool, _strict(bool, "true or false"))
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
    for cls in CLASSES:
        converter.register_structure_hook(cls, _class_hook(converter, cls))
    return converter


_CONVERTER: list[Converter] = []


def structure(data: object, findings: Findings) -> Document:
    """The document for plain data. Raises DefinitionError with every problem of form, each at its place.

    A key that is near to a known one is reported and taken for it, so that one run tells of what follows as well.
    """
    _check_names(data, findings)
    if not _CONVERTER:
        _CONVERTER.append(_converter())
    try:
        document: Document = _CONVERTER[0].structure(data, Document)
    except (ClassValidationError, TypeError, ValueError) as error:
        form = _Form(findings, data)
        form.problems(error, ())
        if form.report():
            raise DefinitionError(findings.problems) from None
        for path, key, meant in form.keys:
            _rename(data, path, key, meant)
            if meant is not None and not findings.marks.has((*path, meant)):
                findings.marks.take_for(path, key, meant)
        return structure(data, findings)
    return document


def _mapping(data: object) -> dict[str, object]:
    return data if isinstance(data, dict) else {}


def _check_names(data: object, findings: Findings) -> None:
    """Report the names that are none, whatever else is wrong."""
    if not isinstance(data, dict):
        return
    declared: list[Path] = [(section, name) for section in NAMED for name in _mapping(data.get(section))]
    for name, outcome in _mapping(data.get("outcomes")).items():
        reasons = _mapping(_mapping(outcome).get("reasons"))
        declared += [("outcomes", name, "reasons", reason) for reason in reasons]
    for path in declared:
        if (text := no_name(str(path[-1]))) is not None:
            findings.add(path, "bad-name", text)


def _rename(data: Any, path: Path, key: str, meant: str | None) -> None:
    """Put what stands under a misspelt key under the one that was meant, unless that is there as well."""
    for part in path:
        data = data[part]
    value = data.pop(key)
    if meant is not None:
        data.setdefault(meant, value)


class _Form:
    """Turns cattrs' tree of errors into problems with a place."""

    def __init__(self, findings: Findings, data: Any) -> None:
        from . import habits  # only a mistake pays for it

        self.habits = habits
        self.findings = findings
        self.data = data
        self.keys: list[tuple[Path, str, str | None]] = []
        self.missing: list[tuple[Path, str]] = []
        self.others = False

    def problems(self, error: BaseException, path: Path) -> None:
        if isinstance(error, IterableValidationError):
            grouped, others = error.group_exceptions()
            for inner, item in grouped:
                self.problems(inner, (*path, item.index))
            for inner in others:
                self.problems(inner, path)
        elif isinstance(error, ClassValidationError):
            named, others = error.group_exceptions()
            for inner, note in named:
                key = _KEYS[str(note.name)]
                if isinstance(inner, KeyError) and not self.findings.marks.has((*path, key)):
                    self.missing.append((path, key))
                else:
                    self.problems(inner, (*path, key))
            for inner in others:
                self.problems(inner, path)
        elif isinstance(error, ForbiddenExtraKeysError):
            known = [key_of(field) for field in attrs.fields(error.cl)]
            for key in sorted(error.extra_fields):
                self._unknown(error.cl, path, key, known)
        else:
            self.others = True
            code = "yaml-boolean" if isinstance(error, AmbiguousWord) else "wrong-type"
            wanted = self.habits.shape(path) if isinstance(error, TypeError) else None
            self.findings.add((*path, VALUE), code, f"{error}; {wanted}" if wanted else str(error))

    def _unknown(self, cls: type, path: Path, key: str, known: list[str]) -> None:
        """Tell of a key that the class does not have, and take it for the one that was probably meant."""
        meant, hint = self.habits.renamed(cls, key), self.habits.advice(cls, key)
        if meant is not None:
            hint = f": here it is `{meant}`"
        elif hint is not None:
            hint = f": {hint}"
        else:
            meant, hint = closest(key, known), did_you_mean(key, known)
            if not hint and " " in key:
                hint = "; a text with a comma in it stands in quotes"
            elif not hint and self._nothing_at((*path, key)):
                hint = "; several names are a list, in brackets: [one, two]"
        self.findings.add((*path, key), "unknown-key", f"unknown key {shortened(key)!r}{hint}")
        self.keys.append((path, key, meant))

    def _nothing_at(self, path: Path) -> bool:
        value = self.data
        for part in path:
            value = value[part]
        return value is None

    def report(self) -> bool:
        """Tell of missing keys, but not of one that an unknown key may stand for. Whether that leaves no document."""
        meant = {(path, key) for path, _, key in self.keys}
        lost = {path for path, _, key in self.keys if key is None}
        missing: dict[Path, list[str]] = {}
        for path, key in self.missing:
            if (path, key) not in meant and not any(path[:size] in lost for size in range(len(path) + 1)):
                missing.setdefault(path, []).append(key)
        for path, keys in missing.items():
            listed = ", ".join(map(repr, keys))
            text = f"key {listed} is missing" if len(keys) == 1 else f"keys {listed} are missing"
            self.findings.add(path, "missing-key", text)
        return self.others or bool(missing) or bool(lost) or not self.keys

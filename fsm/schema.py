"""The definition format as a JSON Schema, for editors' completion: made from the attrs classes, never by hand."""

from __future__ import annotations

import json
import typing
from typing import Any

import attrs

from .document import CLASSES, FORMAT, Document, Names, Scalar, key_of
from .names import NAME

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME: dict[str, Any] = {"type": "string", "pattern": f"^{NAME.pattern}$"}
_NAMES: dict[str, Any] = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Names: _NAMES,
    Scalar: {"type": ["string", "number", "boolean", "null"]},
    str | None: {"type": ["string", "null"]},
    int | None: {"type": ["integer", "null"]},
}
# Where a documentation alone may stand for the whole.
_SHORT = {"ActionDoc", "GuardDoc"}


def schema() -> dict[str, Any]:
    """The schema of a whole file. A file without `machine` is a part that others include."""
    whole = _class(Document)
    required = whole.pop("required")
    whole["properties"]["format"]["const"] = FORMAT
    return {
        "$schema": DIALECT,
        "title": "scxlife state machine",
        **whole,
        "required": ["format"],
        "if": {"required": ["machine"], "not": {"required": ["include"]}},
        "then": {"required": required},
        "$defs": {_called(cls): _definition(cls) for cls in CLASSES if cls is not Document},
    }


def schema_text() -> str:
    """The schema as it stands in `fsm/definition.schema.json`."""
    return json.dumps(schema(), indent=2) + "\n"


def _called(cls: type) -> str:
    return cls.__name__.removesuffix("Doc").lower()


def _definition(cls: type) -> dict[str, Any]:
    whole = _class(cls)
    return {"oneOf": [{"type": "string"}, whole]} if cls.__name__ in _SHORT else whole


def _class(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    fields = attrs.fields(cls)
    required = [key_of(field) for field in fields if field.default is attrs.NOTHING]
    return {
        "type": "object",
        "description": cls.__doc__,
        "properties": {
            key_of(field): {"description": field.metadata["doc"], **_type(hints[field.name])} for field in fields
        },
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _type(hint: Any) -> dict[str, Any]:
    if attrs.has(hint):
        return {"$ref": f"#/$defs/{_called(hint)}"}
    if typing.get_origin(hint) is list:
        return {"type": "array", "items": _type(typing.get_args(hint)[0])}
    if typing.get_origin(hint) is dict:
        return {"type": "object", "propertyNames": _NAME, "additionalProperties": _type(typing.get_args(hint)[1])}
    return _PLAIN[hint]

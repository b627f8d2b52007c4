"""What a server may tell: each field of an answer, a status and an event with its type. What is not so is malformed.

A field that is not named here is passed on: a newer server may tell more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType
from typing import Any, NoReturn

from .protocol import VERSION

# Bytes of one line: a server lets a client go that leaves as much unread.
LONGEST = 1 << 20
# No number of the protocol needs more than 64 bits, and some of them are formatted as floats.
_LARGEST = 1 << 63

# A type, or several; a mapping is an object with these fields, a list says that null is one too.
_TEXT, _TRUTH, _NUMBER, _WHOLE = (str,), (bool,), (int, float), (int,)
_MAYBE, _MAYBE_WHOLE = (str, NoneType), (int, NoneType)
_Shape = Any

_OUTCOME = {"outcome": _TEXT, "kernel_reason": _MAYBE, "hint": _MAYBE, "log_path": _MAYBE, "reason": _MAYBE}
ANSWER: _Shape = {
    "result": _TEXT,
    "done": _TRUTH,
    "name": _MAYBE,
    "reason": _MAYBE,
    "run": _MAYBE_WHOLE,
    "instance": _MAYBE_WHOLE,
    "enable_seq": _MAYBE_WHOLE,
    "outcome": [_OUTCOME],
    "owner": [{"pid": _MAYBE_WHOLE, "command": _MAYBE}],
}
STATUS: _Shape = {
    "state": _TEXT,
    "desired": _MAYBE,
    "attached": _MAYBE,
    "drift": _TRUTH,
    "kernel": [{"state": _MAYBE, "ops": _MAYBE, "enable_seq": _MAYBE_WHOLE, "instance": _MAYBE_WHOLE}],
    "run": [{"name": _MAYBE, "number": _WHOLE, "state": _TEXT, "pid": _MAYBE_WHOLE, "log": _MAYBE}],
    "runs": _MAYBE_WHOLE,
    "restarts": _MAYBE_WHOLE,
    "last": [{"outcome": _TEXT, "reason": _TEXT}],
    "restart_in": (int, float, NoneType),
}
EVENT: _Shape = {"event": _TEXT, "t": _NUMBER, "name": _MAYBE}
EVENTS: Mapping[str, _Shape] = {
    "state": {"from": _TEXT, "state": _TEXT, "cause": _TEXT},
    "ended": {"outcome": {"outcome": _TEXT, "reason": _TEXT}},
}
ERROR: _Shape = {"code": _TEXT, "message": _TEXT}


class Malformed(ValueError):
    """What was told is not of the protocol; the text says where."""


def message(line: bytes) -> Mapping[str, Any]:
    """One line as an object of this version. Raises Malformed."""
    try:
        found = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Malformed("a line is no JSON") from None
    if not isinstance(found, dict) or type(found.get("version")) is not int or found["version"] != VERSION:
        raise Malformed(f"a line is not of version {VERSION} of the protocol")
    return found


def answer(found: Mapping[str, Any], do: str) -> Mapping[str, Any]:
    """What `message` answers to a request, checked. Raises Malformed."""
    key, shape = ("status", STATUS) if do in ("status", "watch") else ("answer", ANSWER)
    told: Mapping[str, Any] = checked(found.get(key), shape, key)
    return told


def event(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event in a `message`, checked. Raises Malformed."""
    told: Mapping[str, Any] = checked(found.get("event"), EVENT, "event")
    if told["event"] == "status":
        raise Malformed("a status is no event")
    checked(told, EVENTS.get(told["event"], {}), "event")
    return told


def checked(value: Any, shape: _Shape, where: str) -> Any:
    """`value`, which is of this shape. Raises Malformed."""
    if isinstance(shape, list):
        return None if value is None else checked(value, shape[0], where)
    if not isinstance(shape, dict):
        # For Python true is a number.
        if type(value) not in shape or (isinstance(value, int) and abs(value) >= _LARGEST):
            raise Malformed(f"{where} is of another type")
        return value
    if not isinstance(value, dict):
        raise Malformed(f"{where} is missing, or no object")
    for key, of in shape.items():
        checked(value.get(key), of, f"{where}.{key}")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)

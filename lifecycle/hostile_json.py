"""One JSON object from a source that is not trusted: bounded, strict, and safe to hand on."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

#: Objects and lists inside each other.
DEEPEST = 16
#: A number of the kernel's has 64 bits.
LARGEST = 1 << 64
_DIGITS = len(str(LARGEST))
# A text is skipped as a whole, with the brackets in it, and to the end of the line when it has no end itself.
_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(?P<open>[\[{])|(?P<close>[\]}])')


def parse(raw: bytes, longest: int) -> dict[str, Any]:
    """The object in one line of at most `longest` bytes.

    Raises ValueError for anything else: more than one line, a key that stands there twice, a number that is not finite
    or has more than 64 bits, more than DEEPEST levels.
    """
    if len(raw) > longest:
        raise ValueError(f"{len(raw)} bytes, where {longest} are the most")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if "\n" in text or "\r" in text:
        raise ValueError("more than one line")
    _check_depth(text)
    try:
        found = json.loads(
            text, object_pairs_hook=_once, parse_constant=_refused, parse_int=_whole, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _check_depth(text: str) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text):
        if found["open"]:
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"nested more than {DEEPEST} levels deep")
        elif found["close"]:
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS or not -LARGEST < (number := int(digits)) < LARGEST:
        raise ValueError("a number of more than 64 bits")
    return number


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("a number that is not finite")
    return number

"""JSON that may be read on a terminal: UTF-8 in which nothing paints, moves or answers there."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache

_ASTRAL = 0x10000


def json_text(
    value: object,
    *,
    indent: int | None = None,
    default: Callable[[object], object] | None = None,
    allow_nan: bool = True,
    sort_keys: bool = False,
) -> str:
    r"""`value` as JSON, on one line without `indent`. Raises TypeError and ValueError as json.dumps does.

    Control characters (C1 and DEL too), marks that change the direction of text, lone surrogates and all else that is
    not printable stand there as `\uXXXX`: a reader of JSON gets the same value.
    """
    text = _encoder(indent, default, allow_nan, sort_keys)(value)
    if text.isprintable():
        return text
    # Outside of strings, JSON has no character of that kind but the newlines of `indent`.
    return "".join(c if c.isprintable() or c == "\n" else _escaped(ord(c)) for c in text)


@lru_cache(maxsize=64)
def _encoder(
    indent: int | None, default: Callable[[object], object] | None, allow_nan: bool, sort_keys: bool
) -> Callable[[object], str]:
    # json.dumps makes one for each call.
    return json.JSONEncoder(
        ensure_ascii=False, indent=indent, default=default, allow_nan=allow_nan, sort_keys=sort_keys
    ).encode


def _escaped(point: int) -> str:
    if point < _ASTRAL:
        return f"\\u{point:04x}"
    high, low = divmod(point - _ASTRAL, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"

"""Names in the data of a simulation: errors and signals are called what the manual pages call them."""

from __future__ import annotations

import errno
import signal
from typing import Any

import attrs
from attrs import validators


def _is_errno(instance: object, attribute: object, value: str) -> None:
    if not value.startswith("E") or not hasattr(errno, value):
        raise ValueError(f"{value!r} is not the name of an errno")


def _is_signal(instance: object, attribute: object, value: str) -> None:
    if value not in signal.Signals.__members__:
        raise ValueError(f"{value!r} is not the name of a signal")


def an_errno() -> Any:
    """A field for the name of an errno."""
    return attrs.field(validator=_is_errno)


def an_errno_or_none() -> Any:
    return attrs.field(default=None, validator=validators.optional(_is_errno))


def a_signal(default: str) -> Any:
    """A field for the name of a signal."""
    return attrs.field(default=default, validator=_is_signal)


def signals(*default: str) -> Any:
    """A field for the names of several."""
    return attrs.field(default=default, validator=validators.deep_iterable(_is_signal))


def number(name: str) -> int:
    """An errno's."""
    found: int = getattr(errno, name)
    return found

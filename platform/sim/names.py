"""Names in the data of a simulation: errors and signals are called what the manual pages call them."""

from __future__ import annotations

import errno
import signal
from typing import Any

import attrs
from attrs import validators

_ERRORS = frozenset(errno.errorcode.values())
_SIGNALS = frozenset(signal.Signals.__members__)


def an_errno() -> Any:
    """A field for the name of an errno."""
    return attrs.field(validator=validators.in_(_ERRORS))


def an_errno_or_none() -> Any:
    return attrs.field(default=None, validator=validators.optional(validators.in_(_ERRORS)))


def a_signal(default: str) -> Any:
    """A field for the name of a signal."""
    return attrs.field(default=default, validator=validators.in_(_SIGNALS))


def signals(*default: str) -> Any:
    """A field for the names of several."""
    return attrs.field(default=default, validator=validators.deep_iterable(validators.in_(_SIGNALS)))


def number(name: str) -> int:
    """An errno's."""
    found: int = getattr(errno, name)
    return found

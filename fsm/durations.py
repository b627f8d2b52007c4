"""Durations as people write them: `50ms`, `1.5s`, `2m`, `1h30m`; seconds as float inside."""

from __future__ import annotations

import re

from .definition import LONGEST
from .problems import shortened

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"(\d+(?:\.\d+)?)"
# Each unit at most once, the largest first.
_FORM = re.compile(r"\s*".join(rf"(?:{_NUMBER}\s*{unit}(?![a-z]))?" for unit in reversed(_UNITS)), re.ASCII)
# How systemd, other libraries and people write the units.
_FOREIGN = {
    foreign: unit
    for unit, words in {
        "us": "usec usecs microsecond microseconds µs μs",
        "ms": "msec msecs millis millisecond milliseconds",
        "s": "sec secs second seconds",
        "m": "min mins minute minutes",
        "h": "hr hrs hour hours",
        "d": "day days",
    }.items()
    for foreign in words.split()
}


class Seconds(float):
    """A duration that was written with its unit: what a timer waits for, unlike any other number."""

    __slots__ = ()


def parse_duration(text: str) -> float:
    """Seconds for numbers with their units. Raises ValueError, saying what is wrong and what would be right."""
    written = text.strip()
    seconds = _seconds(written)
    if seconds is None:
        raise ValueError(f"{shortened(text)!r} is not a duration: {_instead(written)}")
    if seconds > LONGEST:
        raise ValueError(f"{shortened(text)!r} is longer than a year: no deadline is")
    return seconds


def _seconds(written: str) -> float | None:
    match = _FORM.fullmatch(written)
    if not written or match is None:
        return None
    amounts = zip(match.groups(), reversed(_UNITS.values()), strict=True)
    return sum(float(amount) * size for amount, size in amounts if amount is not None)


def _instead(written: str) -> str:
    """What to write, as near to what was written as can be told."""
    number = written.lstrip("+-")
    if re.fullmatch(_NUMBER, number, re.ASCII) and float(number) <= LONGEST:
        negative = "is less than no time and " if written.startswith("-") else ""
        return f"it {negative}has no unit; write {number}s, or {number}ms"
    meant = re.sub(r"[^\W\d_]+", lambda word: _FOREIGN.get(word[0].lower(), word[0].lower()), written)
    meant = re.sub(r"(?<=\d),(?=\d)", ".", meant).lstrip("+-")
    meant = re.sub(r"(?<=\d)\s+|\s+(?=\d)", "", meant)
    if _seconds(meant) is not None:
        return f"it is less than no time; write {meant}" if written.startswith("-") else f"did you mean {meant}?"
    return "write a number and a unit, such as 50ms, 1.5s, 2m or 1h30m"


def format_duration(seconds: float) -> str:
    """The shortest exact spelling with one unit, such as `50ms` for 0.05."""
    for unit, size in reversed(_UNITS.items()):
        amount = seconds / size
        if amount >= 1 and round(amount, 9) == int(round(amount, 9)):
            return f"{int(round(amount, 9))}{unit}"
    return f"{seconds:g}s"

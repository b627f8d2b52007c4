"""Durations as people write them: `50ms`, `1.5s`, `2m`, `1h30m`; seconds as float inside."""

from __future__ import annotations

import re

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"(\d+(?:\.\d+)?)"
# Each unit at most once, the largest first.
_FORM = re.compile(r"\s*".join(rf"(?:{_NUMBER}\s*{unit}(?![a-z]))?" for unit in reversed(_UNITS)), re.ASCII)
_ALONE = re.compile(_NUMBER, re.ASCII)
LONGEST = 366 * 86400.0


def parse_duration(text: str, *, alone: bool = True) -> float:
    """Seconds for numbers with their units, or for one number alone, unless `alone` is false. Raises ValueError, saying
    what is wrong and what would be right."""
    written = text.strip()
    if alone and (number := _ALONE.fullmatch(written)):
        seconds = float(number[1])
    elif written and (match := _FORM.fullmatch(written)):
        amounts = zip(match.groups(), reversed(_UNITS.values()), strict=True)
        seconds = sum(float(amount) * size for amount, size in amounts if amount is not None)
    else:
        raise ValueError(
            f"{text!r} is not a duration: write a number and a unit, such as 50ms, 1.5s, 2m or 1h30m; "
            "a number alone is seconds"
        )
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is longer than a year: leave a deadline out rather than set one that never comes")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest exact spelling with one unit, such as `50ms` for 0.05."""
    for unit, size in reversed(_UNITS.items()):
        amount = seconds / size
        if amount >= 1 and round(amount, 9) == int(round(amount, 9)):
            return f"{int(round(amount, 9))}{unit}"
    return f"{seconds:g}s"

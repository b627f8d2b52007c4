"""Durations as people write them: `50ms`, `1.5s`, `2m`, `1h`; seconds as float inside."""

from __future__ import annotations

import re

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)")
LONGEST = 366 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds for a number with its unit. Raises ValueError, saying what was wrong and what would be right."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, such as 50ms, 1.5s, 2m or 1h")
    seconds = float(match[1]) * _UNITS[match[2]]
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

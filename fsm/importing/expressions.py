"""Conditions of other languages as lists of guards: what is no plain conjunction is one guard, with its text as doc."""

from __future__ import annotations

import re

from .chart import Chart, clean

_MEMBER = re.compile(r"""\s*[A-Za-z_]\w*\[\s*(['"])([^'"\]]+)\1\s*\]\s*""")
# As our own export writes it.
_HOLDS = re.compile(r"(!?)holds_*\('([^'\\]+)', _event\)")
_WORD = re.compile(r"\s*[A-Za-z_][\w.]*\s*")
_JOINED = re.compile(r"\s*&&\s*|\s+and\s+|\s*\^\s*")
_NOT = re.compile(r"\s*(?:!(?!=)|not\s+)\s*")
# With one of these the parts of a condition don't stand side by side.
_NESTED = re.compile(r"\|\||[()?\"`]|\bor\b")


def guards(chart: Chart, condition: str) -> tuple[tuple[str, bool], ...]:
    """The guards that hold when `condition` does, declared in `chart`."""
    condition = condition.strip()
    if not condition:
        return ()
    ours = [_HOLDS.fullmatch(part) for part in condition.split(" && ")]
    if all(ours):
        return tuple((chart.guard(match[2]), not match[1]) for match in ours if match)
    parts = _parts(condition)
    return tuple(_guard(chart, part) for part in parts)


def _parts(condition: str) -> list[str]:
    if _NESTED.search(condition):
        return [condition]
    return [part for part in _JOINED.split(condition) if part.strip()]


def _guard(chart: Chart, part: str) -> tuple[str, bool]:
    refused = _NOT.match(part)
    plain = part[refused.end() :] if refused else part
    member = _MEMBER.fullmatch(plain)
    if member:
        return chart.guard(member[2]), not refused
    if _WORD.fullmatch(plain):
        return chart.guard(plain.strip()), not refused
    return chart.guard(part.strip(), clean(part)), True

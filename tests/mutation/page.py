"""The section of docs/mutants.md on general mutation: what the last run of each package has shown."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

from tests.mutants.page import GENERAL

from .confidence import interval
from .settings import Settings
from .trial import Verdict


def page(
    former: str, settings: Settings, drawn: Mapping[str, Sequence[Verdict]], there: Mapping[str, int], seed: int
) -> str:
    """`former` with the section of general mutation anew. `drawn` has the verdicts of each package, `there` how many
    changes there are to draw from; a package that was not drawn from keeps what it had."""
    before, _, said = former.partition(GENERAL)
    parts = dict(_part(text) for text in said.split(_PACKAGE)[1:])
    for package, verdicts in drawn.items():
        parts[package] = _of_package(settings, package, verdicts, there[package], seed)
    return before + _intro(settings) + "".join(f"{_PACKAGE}{name}{parts[name]}" for name in sorted(parts))


# What stands before the name of a package.
_PACKAGE = "\n### `"


def _part(text: str) -> tuple[str, str]:
    name, quote, rest = text.partition("`")
    return name, quote + rest


def _intro(settings: Settings) -> str:
    return f"""{GENERAL}

[cosmic-ray](https://cosmic-ray.readthedocs.io)'s operators, one or two replacements for each operator of the
language, at places drawn at random. Each change is tried against the tests that run its line, those written to
notice first, then the quickest, {settings.seconds:.0f} s of them; no guest is booted. `make mutation` does it,
[settings.yaml](../tests/mutation/settings.yaml) has the operators, the tests, what is left out, and the
reasons that follow.
"""


def _of_package(settings: Settings, package: str, verdicts: Sequence[Verdict], there: int, seed: int) -> str:
    lines = [
        "`",
        "",
        "| places | drawn | killed | no defect | survived | killed of the defects | 95 % interval |",
        "|---:|---:|---:|---:|---:|---:|---|",
        _row(settings, verdicts, there),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}, {os.cpu_count()} cores shared with other work, Python "
        f"{platform.python_version()}, Linux {platform.release()}.",
        *_explained(settings, verdicts),
        "",
    ]
    return "\n".join(lines)


def unexplained(settings: Settings, verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.by is None and _reason(settings, verdict) is None]


def _reason(settings: Settings, verdict: Verdict) -> str | None:
    return settings.reason(verdict.change.file, verdict.before, verdict.after)


def _row(settings: Settings, verdicts: Sequence[Verdict], there: int) -> str:
    killed = sum(verdict.by is not None for verdict in verdicts)
    survived = len(unexplained(settings, verdicts))
    defects = killed + survived
    low, high = interval(killed, defects)
    cells = (
        there,
        len(verdicts),
        killed,
        len(verdicts) - defects,
        survived,
        f"{killed / defects:.1%}",
        f"{low:.1%} to {high:.1%}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _explained(settings: Settings, verdicts: Sequence[Verdict]) -> list[str]:
    survivors = [verdict for verdict in verdicts if verdict.by is None]
    reasoned = sorted(((_reason(settings, verdict) or "", verdict) for verdict in survivors), key=lambda pair: pair[0])
    lines: list[str] = []
    for reason, group in groupby(reasoned, key=lambda pair: pair[0]):
        lines += ["", f"Survived, {reason}:" if reason else "Survived, and not explained:", ""]
        lines += [f"- {verdict.change.file}: `{verdict.before}` → `{verdict.after}`" for _, verdict in group]
    return lines

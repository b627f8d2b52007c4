"""Findings as SARIF 2.1.0 (OASIS), which editors and code review show beside the lines."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from .codes import ERROR, ERRORS, WARNINGS, summary
from .problems import Problem

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def sarif(problems: Iterable[Problem], version: str) -> dict[str, Any]:
    """One SARIF log with one run. `version` is the tool's."""
    found = list(problems)
    codes = [code for code in (*ERRORS, *WARNINGS) if any(problem.code == code for problem in found)]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "scxlife", "version": version, "rules": [_rule(code) for code in codes]}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, codes.index(problem.code)) for problem in found],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    return {
        "id": code,
        "shortDescription": {"text": summary(code)},
        "defaultConfiguration": {"level": "error" if code in ERRORS else "warning"},
    }


def _result(problem: Problem, rule: int) -> dict[str, Any]:
    place = problem.place
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.line,
        "endColumn": place.column + place.width,
    }
    location = {"artifactLocation": {"uri": quote(os.fsencode(place.file))}, "region": region}
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": "error" if problem.severity == ERROR else "warning",
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": location}],
    }

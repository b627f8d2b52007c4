"""`scxlife check`: is this definition one that can run?"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sized
from datetime import datetime
from typing import NoReturn

from scxlife import __version__
from scxlife.fsm.json_text import json_text
from scxlife.fsm.lint import Report, check, check_text
from scxlife.fsm.problems import Problem
from scxlife.fsm.show import printable, show
from scxlife.fsm.yaml_reader import MAX_BYTES
from scxlife.lifecycle.outcomes import USAGE
from scxlife.lifecycle.saved_files import Saved
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.linux import LinuxKernel

SUMMARY = "validate and lint a machine's definition"
DESCRIPTION = """Checks definitions: their form, their names, that the table is total, and that nothing in it is
unreachable, shadowed, a dead end, or impossible and reached all the same."""
EPILOG = """examples:
  scxlife check machine.yaml                      each finding with its line and a caret
  scxlife check --strict machines/*.yaml          for CI: warnings fail too
  scxlife check --format sarif *.yaml > a.sarif   for code review and editors
  scxlife check --format json machine.yaml | jq .problems
  scxlife check - < machine.yaml
  scxlife check --watch machine.yaml              again whenever it is saved, until Ctrl-C

exit codes: 0 clean, 1 only warnings and --strict, 2 with errors
docs/error-codes.md shows each code with a bad and a good example"""

STRICT = 1
STDIN = "<stdin>"
JSON_VERSION = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a definition; - reads standard input")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="default: text")
    parser.add_argument("--watch", action="store_true", help="check again whenever a file of it is saved")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when there are warnings")
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set",
    )


def run(parsed: argparse.Namespace) -> int:
    if parsed.watch:
        _watch(parsed)
    reports = {STDIN if name == "-" else name: _check(name) for name in dict.fromkeys(parsed.files)}
    problems = [problem for report in reports.values() for problem in report.problems]
    if parsed.format == "json":
        print(json_text(_as_json(reports, problems), indent=2))
    elif parsed.format == "sarif":
        from scxlife.fsm.sarif import sarif

        print(json_text(sarif(problems, __version__), indent=2))
    else:
        _tell(reports, colour=_wants_colour(parsed.color))
    if any(report.errors for report in reports.values()):
        return USAGE
    return STRICT if parsed.strict and problems else 0


def _watch(parsed: argparse.Namespace) -> NoReturn:
    """Check, and check again whenever one of the files, or what they include, is saved. Ctrl-C ends it."""
    if parsed.format != "text" or "-" in parsed.files:
        raise UsageError("--watch prints text, of files: it goes with neither --format nor -")
    names, colour = list(dict.fromkeys(parsed.files)), _wants_colour(parsed.color)
    saved = Saved(LinuxKernel())
    saved.watch(names)
    while True:
        reports = {name: check(name) for name in names}
        if saved.watch([file for name, report in reports.items() for file in (name, *report.texts)]):
            # What was included first just now may have been saved before it was watched.
            continue
        _tell(reports, colour=colour)
        changed = ", ".join(map(printable, saved.wait()))
        print(f"\n{datetime.now():%H:%M:%S} {changed}", flush=True)


def _check(name: str) -> Report:
    if name != "-":
        return check(name)
    if sys.stdin is None:
        raise UsageError("-: standard input is closed")
    return check_text(sys.stdin.buffer.read(MAX_BYTES + 1), STDIN)


def _wants_colour(asked: str) -> bool:
    if asked == "auto":
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return asked == "always"


def _tell(reports: dict[str, Report], *, colour: bool) -> None:
    for name, report in reports.items():
        for line in show(report.problems, report.texts, colour=colour):
            print(line)
        if report.definition is not None:
            print(f"{printable(name)}: {size(report)}, every cell decided")
    errors = sum(report.errors for report in reports.values())
    warnings = sum(report.warnings for report in reports.values())
    if errors or warnings:
        print(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")


def size(report: Report) -> str:
    """How large a sound definition is, in words."""
    definition = report.definition
    assert definition is not None
    sizes: dict[str, Sized] = {"state": definition.states, "event": definition.events, "cell": definition.cells}
    counts = ", ".join(_count(len(some), what) for what, some in sizes.items())
    return f"{definition.name} {definition.version}: {counts}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _as_json(reports: dict[str, Report], problems: list[Problem]) -> dict[str, object]:
    return {
        "version": JSON_VERSION,
        "files": [
            {
                "file": name,
                "sound": report.definition is not None,
                "errors": report.errors,
                "warnings": report.warnings,
                "machine": None if report.definition is None else report.definition.name,
            }
            for name, report in reports.items()
        ],
        "problems": [
            {
                "file": problem.place.file,
                "line": problem.place.line,
                "column": problem.place.column,
                "end_column": problem.place.column + problem.place.width,
                "severity": problem.severity,
                "code": problem.code,
                "message": problem.message,
            }
            for problem in problems
        ],
    }

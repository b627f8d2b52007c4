"""`scxlife paths`: test cases for a definition, as text or as data."""

from __future__ import annotations

import argparse

from scxlife.fsm.json_text import json_text
from scxlife.fsm.paths import Path, Row, paths
from scxlife.lifecycle.commands.sound import sound_definition
from scxlife.lifecycle.outcomes import USAGE
from scxlife.lifecycle.usage import UsageError

SUMMARY = "paths through a definition that take every row, to test by"
DESCRIPTION = """Lists shortest paths from the initial state that together take every row which goes somewhere or
defers. Each step is an event, with the answers that guards must give, and the state that follows."""
EPILOG = """examples:
  scxlife paths door.yaml                    one path a line
  scxlife paths --pairs --json door.yaml     every two rows that can follow each other, as data

In Python: scxlife.fsm.paths, whose paths can be the parameters of a test and be run on your own actions.

exit codes: 0 every row is taken, 1 some are not, 2 the definition can't be used"""

MISSED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("definition", metavar="DEFINITION", help="a definition's file")
    parser.add_argument("--pairs", action="store_true", help="take every two rows that can follow each other")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(parsed: argparse.Namespace) -> int:
    definition = sound_definition(parsed.definition)
    if definition is None:
        return USAGE
    try:
        found = paths(definition, pairs=parsed.pairs)
    except ValueError as error:
        raise UsageError(f"{parsed.definition}: {error}") from None
    if parsed.json:
        missed = [[_row(row) for row in rows] for rows in found.missed]
        print(json_text({"paths": [_path(path) for path in found.found], "missed": missed}, indent=2))
    else:
        for path in found.found:
            print(path)
        of_what = "pairs of rows" if parsed.pairs else "rows"
        print(f"\n{len(found.found)} paths take {found.covered} {of_what}")
        for (row,) in found.missed:
            print(f"none takes {row}")
    return MISSED if found.missed else 0


def _path(path: Path) -> dict[str, object]:
    return {
        "start": path.start,
        "steps": [
            {
                "event": step.event,
                "deadline": step.deadline,
                "guards": dict(step.answers),
                "rows": [_row(row) for row in step.rows],
                "state": step.state,
            }
            for step in path.steps
        ],
        "covers": [[_row(row) for row in rows] for rows in path.covers],
    }


def _row(row: Row) -> dict[str, object]:
    return row._asdict()

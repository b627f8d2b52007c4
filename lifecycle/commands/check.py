"""`scxlife check`: is this definition one that can run?"""

from __future__ import annotations

import argparse
import sys

from scxlife.fsm.load import load
from scxlife.fsm.problems import DefinitionError
from scxlife.lifecycle.outcomes import USAGE

SUMMARY = "validate a machine's definition"
EPILOG = """examples:
  scxlife check lifecycle/scheduler.yaml

exit codes: 0 clean, 2 with errors; each error is file:line:column: code message"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE")


def run(parsed: argparse.Namespace) -> int:
    status = 0
    for name in parsed.files:
        try:
            definition = load(name)
        except DefinitionError as error:
            print(error, file=sys.stderr)
            status = USAGE
        else:
            size = f"{len(definition.states)} states, {len(definition.events)} events, {len(definition.cells)} cells"
            print(f"{name}: {definition.name} {definition.version}: {size}, every cell decided")
    return status

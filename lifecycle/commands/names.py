"""`scxlife names`: a definition's names as a Python module, so that a type checker knows them."""

from __future__ import annotations

import argparse
import sys

from scxlife.fsm.typed import NamesError, typed_names
from scxlife.lifecycle.commands.sound import sound_definition
from scxlife.lifecycle.outcomes import USAGE

SUMMARY = "a definition's names as Python types"
DESCRIPTION = """Writes a module with enums for the states, events and outcomes of a definition, and with Protocols for
its actions and guards: a type checker then sees a misspelt event and an action that is missing."""
EPILOG = """examples:
  scxlife names door.yaml > door_names.py
  scxlife names lifecycle/scheduler.yaml | diff - lifecycle/scheduler_names.py    fresh?

exit codes: 0 written, 2 the definition can't be used"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("definition", metavar="DEFINITION", help="a definition's file")


def run(parsed: argparse.Namespace) -> int:
    definition = sound_definition(parsed.definition)
    if definition is None:
        return USAGE
    try:
        text = typed_names(definition, parsed.definition)
    except NamesError as error:
        print(f"scxlife: error: {parsed.definition}: {error}", file=sys.stderr)
        return USAGE
    sys.stdout.write(text)
    return 0

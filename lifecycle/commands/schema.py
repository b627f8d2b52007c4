"""`scxlife schema`: what an editor needs to complete and check a definition while it is written."""

from __future__ import annotations

import argparse
import sys

from scxlife.fsm.schema import schema_text

SUMMARY = "the definition format as JSON Schema, for editors"
EPILOG = """examples:
  scxlife schema > definition.schema.json

Editors with a YAML language server take it from the first line of a definition:
  # yaml-language-server: $schema=definition.schema.json

A schema knows the form of a file; `scxlife check` knows what it means."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""


def run(parsed: argparse.Namespace) -> int:
    sys.stdout.write(schema_text())
    return 0

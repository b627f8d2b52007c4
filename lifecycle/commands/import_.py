"""`scxlife import`: drafts a definition from a machine that was written for another library."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from scxlife.fsm.importing.draft import Draft
from scxlife.fsm.importing.problem import ImportProblem
from scxlife.fsm.importing.reading import FORMATS, MAX_BYTES, drafted, drafted_object, read
from scxlife.fsm.importing.text import draft_text
from scxlife.fsm.lint import check_text
from scxlife.fsm.show import printable
from scxlife.lifecycle.commands.written import write
from scxlife.lifecycle.destinations import check_output
from scxlife.lifecycle.missing_modules import EXTRAS
from scxlife.lifecycle.usage import UsageError

SUMMARY = "draft a definition from a machine of another library"
DESCRIPTION = """Drafts a definition from a machine that was written for transitions, python-statemachine or XState, or
in SCXML. States within states become groups. What the format has no place for becomes a comment where it stood, and
cells of which the original says nothing stand under `undecided`, as what the original does there."""
EPILOG = """examples:
  scxlife import door.scxml -o door.yaml           SCXML
  scxlife import toggle.json                       XState, or the configuration of a transitions machine
  scxlife import lights.yaml --format transitions  the same in YAML
  scxlife import shop.orders:machine               a transitions machine, or its configuration
  scxlife import shop.orders:OrderMachine          a python-statemachine class

MODULE:ATTRIBUTE imports the module, from the current folder too, and so RUNS the code in it: only name one that you
would run. A file is only read.

exit codes: 0 drafted, 2 it can't be imported"""

STDIN = "<stdin>"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SOURCE", help="a file, - for standard input, or MODULE:ATTRIBUTE, whose module is run"
    )
    parser.add_argument("--format", choices=FORMATS, help="what SOURCE is (default: what it looks like)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here instead of to standard output")


def run(parsed: argparse.Namespace) -> int:
    source: str = parsed.source
    check_output("-o", parsed.output)
    try:
        draft = _draft(source, parsed.format)
        text = draft_text(draft)
    except ImportProblem as error:
        raise UsageError(f"{printable(source)}: {error}", error.hint) from None
    report = check_text(text, f"the draft of {source}")
    if report.definition is None:
        problem = min(report.problems)
        raise UsageError(
            f"{printable(source)}: its draft would not load: line {problem.place.line}: {problem.message}",
            "report this, with the machine: it is a defect of scxlife",
        )
    write(text.encode(), parsed.output)
    return 0


def _draft(source: str, kind: str | None) -> Draft:
    if source == "-":
        if sys.stdin is None:
            raise UsageError("-: standard input is closed")
        text = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ImportProblem(f"it has more than {MAX_BYTES} bytes: too large to import")
        return drafted(STDIN, text, kind)
    module, colon, attribute = source.partition(":")
    named = bool(colon) and bool(attribute) and all(part.isidentifier() for part in module.split("."))
    if named and not os.path.lexists(source):
        return drafted_object(source, _object(module, attribute), kind)
    return drafted(source, read(source), kind)


def _object(module: str, attribute: str) -> object:
    """What `attribute` of `module` is. Runs the module. Raises ImportProblem."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise ImportProblem(f"there is no module {error.name}", "run it in the folder of the module") from None
        needed = (error.name or "").partition(".")[0]
        if needed in EXTRAS:
            raise  # one line says which extra has it
        raise ImportProblem(f"the module {module} needs {needed}, which is not installed") from None
    except (Exception, SystemExit) as error:
        raise ImportProblem(f"the module {module} fails: {type(error).__name__}: {printable(str(error))}") from None
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except Exception:
            raise ImportProblem(f"the module {module} has no {printable(attribute)}") from None
    return found

"""`scxlife diagram`: a definition as a picture, as text that others draw, or as its whole table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scxlife.diagrams.dot import dot
from scxlife.diagrams.markdown import markdown
from scxlife.diagrams.mermaid import mermaid
from scxlife.diagrams.page import page
from scxlife.diagrams.plantuml import plantuml
from scxlife.diagrams.render import PICTURES, RenderError, render
from scxlife.diagrams.scxml import scxml
from scxlife.diagrams.selection import ALL, KINDS
from scxlife.fsm.definition import Definition
from scxlife.fsm.problems import did_you_mean
from scxlife.lifecycle.commands.highlighted import highlighted
from scxlife.lifecycle.commands.sound import sound_definition
from scxlife.lifecycle.commands.written import write
from scxlife.lifecycle.destinations import check_output
from scxlife.lifecycle.options import DEFINITION
from scxlife.lifecycle.outcomes import USAGE
from scxlife.lifecycle.usage import UsageError

SUMMARY = "draw a machine's definition"
EPILOG = """examples:
  scxlife diagram -o scheduler.svg              the lifecycle that comes with scxlife
  scxlife diagram my-machine.yaml -o my.png
  scxlife diagram my-machine.yaml | dot -Tpdf -o my.pdf
  scxlife diagram my-machine.yaml -o my.html     every state × event, for a browser
  scxlife diagram --format table                 the same as Markdown
  scxlife diagram --format mermaid               for a Markdown page
  scxlife diagram -o scheduler.puml              PlantUML; .scxml is the W3C's State Chart XML
  scxlife diagram --only spine -o spine.svg      a life in which nothing goes wrong
  scxlife diagram --group stop_and_reap -o stop.png
  scxlife diagram --highlight run.tape -o run.svg             the way that a run took, with its times
  scxlife diagram --highlight tests/regressions/no_pidfd.yaml -o run.svg

--group, --only and --highlight draw a part: dot, svg, png, and without --highlight mermaid and plantuml.
--highlight takes a tape of `run`, `vm run` or `explore --tapes`, or a scenario that `fuzz` has kept.

formats and suffixes: dot (.dot .gv), svg, png, mermaid (.mmd), plantuml (.puml), scxml, table (.md), html

exit codes: 0 drawn, 1 no picture could be made (Graphviz is missing or fails), 2 usage or definition error"""

DRAWN = {"dot": dot, "mermaid": mermaid, "plantuml": plantuml}
WHOLE = {"scxml": scxml, "table": markdown, "html": page}
TEXTS = {**DRAWN, **WHOLE}
FORMATS = (*TEXTS, *PICTURES)
FAILED = 1
SUFFIXES = {f".{name}": name for name in FORMATS if name != "table"} | {
    ".gv": "dot",
    ".mmd": "mermaid",
    ".puml": "plantuml",
    ".md": "table",
    ".htm": "html",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "definition",
        nargs="?",
        default=DEFINITION,
        metavar="DEFINITION",
        help="the YAML file of a machine (default: the lifecycle that comes with scxlife)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="what to write (default: what FILE's suffix says, dot without FILE)"
    )
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME",
        help="only the states of this group or view of the definition, and what is next to them (repeatable)",
    )
    parser.add_argument(
        "--only",
        choices=KINDS,
        default=ALL,
        help="only the steps of a life in which nothing goes wrong, or only all others (default: all)",
    )
    parser.add_argument("--highlight", metavar="TAPE", help="show the way of this run; or of a scenario, *.yaml")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here instead of to standard output")


def run(parsed: argparse.Namespace) -> int:
    output: Path | None = parsed.output
    picture = parsed.format or ("dot" if output is None else SUFFIXES.get(output.suffix.lower()))
    if picture is None:
        return _failed(f"-o {output}: its suffix names no format", f"name one: --format {', '.join(FORMATS)}", USAGE)
    if picture == "png" and output is None and sys.stdout.isatty():
        return _failed("a PNG on a terminal is of no use", "name a file: -o machine.png", USAGE)
    check_output("-o", output)
    definition = sound_definition(parsed.definition)
    if definition is None:
        return USAGE
    try:
        text = _text(definition, picture, parsed)
        content = render(text, picture) if picture in PICTURES else text.encode()
    except RenderError as error:
        return _failed(str(error), error.hint, FAILED)
    write(content, output)
    return 0


def _text(definition: Definition, picture: str, parsed: argparse.Namespace) -> str:
    """The text of a format, or the DOT text behind a picture. Raises UsageError for what can't be drawn so."""
    groups: list[str] = list(dict.fromkeys(parsed.group))
    part = bool(groups) or parsed.only != ALL
    if (part or parsed.highlight is not None) and picture in WHOLE:
        raise UsageError(
            f"{picture} has all of a machine", "--group, --only and --highlight need a picture: -o FILE.svg"
        )
    known = (*definition.views, *definition.groups)
    for name in groups:
        if name not in known:
            meant = did_you_mean(name, known)
            there = f"there are: {', '.join(known)}" if known else "the definition has none"
            raise UsageError(f"{definition.name} has no group or view {name!r}{meant}", there)
    if parsed.highlight is None:
        if picture in WHOLE:
            return WHOLE[picture](definition)
        return DRAWN.get(picture, dot)(definition, groups, parsed.only)
    if part:
        raise UsageError("--highlight shows a whole run", "leave --group and --only out")
    if picture not in ("dot", *PICTURES):
        raise UsageError(f"{picture} can't show a run", "name another format: dot, svg, png")
    from scxlife.diagrams.dot_run import dot_run

    return dot_run(definition, highlighted(definition, parsed.highlight))


def _failed(message: str, hint: str, status: int) -> int:
    print(f"scxlife: error: {message}\nhint: {hint}", file=sys.stderr)
    return status

"""`scxlife diagram`: a definition as a picture, as text that others draw, or as its whole table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scxlife.diagrams.dot import dot
from scxlife.diagrams.files import write_whole
from scxlife.diagrams.markdown import markdown
from scxlife.diagrams.mermaid import mermaid
from scxlife.diagrams.page import page
from scxlife.diagrams.plantuml import plantuml
from scxlife.diagrams.render import PICTURES, RenderError, render
from scxlife.diagrams.scxml import scxml
from scxlife.fsm.lint import check
from scxlife.fsm.show import show
from scxlife.lifecycle.options import DEFINITION
from scxlife.lifecycle.outcomes import USAGE

SUMMARY = "draw a machine's definition"
EPILOG = """examples:
  scxlife diagram -o scheduler.svg              the lifecycle that comes with scxlife
  scxlife diagram my-machine.yaml -o my.png
  scxlife diagram my-machine.yaml | dot -Tpdf -o my.pdf
  scxlife diagram my-machine.yaml -o my.html     every state × event, for a browser
  scxlife diagram --format table                 the same as Markdown
  scxlife diagram --format mermaid               for a Markdown page
  scxlife diagram -o scheduler.puml              PlantUML; .scxml is the W3C's State Chart XML

formats and suffixes: dot (.dot .gv), svg, png, mermaid (.mmd), plantuml (.puml), scxml, table (.md), html

exit codes: 0 drawn, 1 no picture could be made (Graphviz is missing or fails), 2 usage or definition error"""

TEXTS = {"dot": dot, "mermaid": mermaid, "plantuml": plantuml, "scxml": scxml, "table": markdown, "html": page}
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
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here instead of to standard output")


def run(parsed: argparse.Namespace) -> int:
    output: Path | None = parsed.output
    picture = parsed.format or ("dot" if output is None else SUFFIXES.get(output.suffix.lower()))
    if picture is None:
        return _failed(f"-o {output}: its suffix names no format", f"name one: --format {', '.join(FORMATS)}", USAGE)
    if picture == "png" and output is None and sys.stdout.isatty():
        return _failed("a PNG on a terminal is of no use", "name a file: -o machine.png", USAGE)
    report = check(parsed.definition)
    if report.definition is None:
        print(*show(report.problems, report.texts, colour=False), sep="\n", file=sys.stderr)
        return USAGE
    text = TEXTS.get(picture, dot)(report.definition)
    try:
        content = render(text, picture) if picture in PICTURES else text.encode()
    except RenderError as error:
        return _failed(str(error), error.hint, FAILED)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return 0
    try:
        write_whole(output, content)
    except OSError as error:
        return _failed(f"-o {output}: {error.strerror}", "name a file in a folder that can be written", USAGE)
    return 0


def _failed(message: str, hint: str, status: int) -> int:
    print(f"scxlife: error: {message}\nhint: {hint}", file=sys.stderr)
    return status

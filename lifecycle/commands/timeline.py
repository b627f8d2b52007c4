"""`scxlife timeline`: a run's tape as a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path

from scxlife.diagrams.timeline.chart import Chart
from scxlife.diagrams.timeline.html import html
from scxlife.diagrams.timeline.perfetto import perfetto
from scxlife.diagrams.timeline.reading import read
from scxlife.diagrams.timeline.svg import svg
from scxlife.fsm.bounded_files import open_to_read
from scxlife.fsm.definition import Definition
from scxlife.fsm.loader import load
from scxlife.fsm.problems import DefinitionError
from scxlife.fsm.tape_reader import MOST_KEPT, Header, NotATape, TapeReader, lines_of
from scxlife.lifecycle.commands.scenario_file import is_scenario, tapes
from scxlife.lifecycle.commands.written import write
from scxlife.lifecycle.destinations import check_output
from scxlife.lifecycle.options import boot_ending, operations, shipped
from scxlife.lifecycle.outcomes import USAGE
from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.usage import UsageError

SUMMARY = "draw a run: its tape on one axis of time"
DESCRIPTION = """Draws what `scxlife run --tape` or `scxlife vm run --tape` wrote: lanes for the process, the kernel's
state, the machine's state, deadlines, signals, the log and whatever else happened, on one axis. Several tapes that were
written on one machine, such as those of several lives, stand below each other. A scenario (*.yaml), which `scxlife
fuzz` keeps of what it has found, is run again on its simulated kernel, and drawn.

html is one file that opens from disk: it zooms, searches, and tells what happened at each mark. svg is a still picture.
perfetto is trace JSON for ui.perfetto.dev and chrome://tracing."""
EPILOG = """examples:
  scxlife run --tape run.tape -- ./scx_simple
  scxlife timeline run.tape -o run.html
  scxlife timeline run.tape -o run.svg
  scxlife timeline run.tape --format perfetto -o run.json
  scxlife timeline run.tape run.tape.1 run.tape.2 -o lives.html    of `scxlife run --control`, or --restart
  scxlife timeline scenarios/attached-is-true-1f0c3a.yaml -o found.html
  scxlife timeline --definition lamp.yaml lamp.tape -o lamp.html
  xz -dc run.tape.xz | scxlife timeline - > run.svg

formats and suffixes: svg, html (.html .htm), perfetto (.json)

exit codes: 0 drawn, 2 usage or definition error, or not a tape"""

FORMATS: dict[str, Callable[[Sequence[Chart]], str]] = {"svg": svg, "html": html, "perfetto": perfetto}
SUFFIXES = {".svg": "svg", ".html": "html", ".htm": "html", ".json": "perfetto"}
SHIPPED: dict[str, Callable[[], Definition]] = {"scheduler": shipped, "boot": boot_ending, "operations": operations}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tapes", nargs="+", metavar="TAPE", help="a tape, or - for standard input; or a scenario, *.yaml"
    )
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="what to write (default: what FILE's suffix says, svg without FILE)"
    )
    parser.add_argument(
        "--definition",
        metavar="FILE",
        help="the machine's definition, which knows its deadlines (default: of scxlife's own, the shipped one)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here instead of to standard output")


def run(parsed: argparse.Namespace) -> int:
    output: Path | None = parsed.output
    form = parsed.format or ("svg" if output is None else SUFFIXES.get(output.suffix.lower()))
    if form is None:
        raise UsageError(f"-o {output}: its suffix names no format; name one: --format {', '.join(FORMATS)}")
    check_output("-o", output)
    if parsed.tapes.count("-") > 1:
        raise UsageError("standard input can be read once: name - once")
    try:
        charts = [chart for name in parsed.tapes for chart in _charts(name, _given(parsed.definition))]
    except DefinitionError as error:
        return _refused(str(error))
    content = FORMATS[form](charts).encode("utf-8", "backslashreplace")
    for chart in charts:
        if chart.missing:
            print(plain(f"scxlife: warning: {chart.name}: {chart.missing}"), file=sys.stderr)
    write(content, output)
    return 0


def _given(definition: str | None) -> Definition | None:
    return None if definition is None else load(definition)


def _charts(name: str, given: Definition | None) -> list[Chart]:
    """The charts of a tape or of a scenario, which has more where another supervisor came after a kill."""
    title = "standard input" if name == "-" else name
    try:
        if is_scenario(name):
            titles = chain((name,), repeat(f"{name}, after the kill"))
            return [_chart(title, lines, given) for title, lines in zip(titles, tapes(name), strict=False)]
        with ExitStack() as stack:
            if name != "-":
                return [_chart(title, lines_of(stack.enter_context(open_to_read(name)), MOST_KEPT), given)]
            if sys.stdin is None:
                raise UsageError("standard input is closed; name a file instead of -")
            return [_chart(title, lines_of(sys.stdin.buffer, MOST_KEPT), given)]
    except OSError as error:
        raise UsageError(plain(f"{title}: {error.strerror or error}")) from None


def _chart(title: str, lines: Iterable[str | bytes], given: Definition | None) -> Chart:
    try:
        tape = TapeReader(lines)
        return read(title, tape, _definition(title, tape.header, given))
    except NotATape as error:
        raise UsageError(plain(f"{title}:{error.line}: not a tape, or a damaged one: {error.reason}")) from None


def _definition(title: str, header: Header, given: Definition | None) -> Definition | None:
    """The machine's definition: the one that is `given`, else a shipped one of the same version, else none."""
    if given is not None:
        if given.name != header.machine:
            raise UsageError(plain(f"{title} is of machine {header.machine}, and --definition is of {given.name}"))
        return given
    known = SHIPPED.get(header.machine)
    definition = None if known is None else known()
    return definition if definition is not None and definition.version == header.definition else None


def _refused(words: str) -> int:
    print(*map(plain, f"scxlife: error: {words}".split("\n")), sep="\n", file=sys.stderr)
    return USAGE

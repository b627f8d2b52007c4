"""`scxlife replay`: does a tape tell what its definition says?"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs

from scxlife.fsm.bounded_files import open_to_read
from scxlife.fsm.definition import Definition
from scxlife.fsm.json_text import json_text
from scxlife.fsm.loader import load
from scxlife.fsm.problems import DefinitionError, did_you_mean
from scxlife.fsm.replay import Replay, replay
from scxlife.fsm.tape_reader import Header, NotATape, TapeReader, lines_of
from scxlife.lifecycle import interrupts
from scxlife.lifecycle.commands.scenario_file import is_scenario, scenario_in
from scxlife.lifecycle.options import DEFINITION
from scxlife.lifecycle.outcomes import USAGE
from scxlife.lifecycle.plain_text import plain

if TYPE_CHECKING:
    from scxlife.lifecycle.simulated.scenario import Scenario

SUMMARY = "feed a tape back through its definition, or run a scenario again"
DESCRIPTION = """Reads TAPE, which `scxlife run --tape` or `scxlife vm run --tape` wrote, and holds each record against
what the definition says comes next. The first that differs is shown with its line, and no more is read.

A scenario, which `scxlife fuzz` keeps of what it has found, is run again on its simulated kernel and shown step by
step. With --real plain processes play it on this host's kernel as well, in real time, and each step is shown with both
times. What only a simulated machine can do (faults, a full disk) is left out of both and named; a scenario with a
scheduler in it is refused. Ctrl-C is an interrupt of the run: it stops what was started."""
EPILOG = """exit codes:
  0    the same, from the header to the end
  1    a record differs; of a scenario: a property was violated, or with --real this kernel went another way
  2    usage or definition error, not a tape, or a scenario that plain processes can't play
  3    the same as far as it goes, but the tape has no end or its last line is cut off

examples:
  scxlife run --ready none --for 1s --tape run.tape -- sleep 60
  scxlife replay run.tape
  scxlife replay scenarios/attached-is-true-1f0c3a.yaml
  scxlife replay --real daemon.yaml
  scxlife replay --definition lamp.yaml lamp.tape
  xz -dc run.tape.xz | scxlife replay --json -"""

SAME, DIFFERS, CUT_OFF = 0, 1, 3
SHIPPED = "scheduler"
#: Characters of a line that are quoted.
QUOTED = 400


class _Mistake(Exception):
    """What the user can mend; its text says how."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tape", metavar="TAPE", help="a tape, or - for standard input; or a scenario, *.yaml")
    parser.add_argument(
        "--definition", metavar="FILE", help="the machine's definition (default for the scheduler's: the shipped one)"
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="say which settings were not those of this profile; the replay itself always takes the tape's",
    )
    parser.add_argument("--real", action="store_true", help="play a scenario with processes of this host as well")
    parser.add_argument("--json", action="store_true", help="print the result as one object")


def run(parsed: argparse.Namespace) -> int:
    name = "standard input" if parsed.tape == "-" else parsed.tape
    if is_scenario(name):
        return _run_again(name, real=parsed.real)
    if parsed.real:
        return _refuse(f"{name}: --real plays scenarios, *.yaml, and a tape is what has been already")
    try:
        with ExitStack() as stack:
            tape = TapeReader(lines_of(_opened(parsed.tape, stack)))
            definition = _definition(parsed, tape.header, name)
            result = replay(definition, tape)
    except OSError as error:
        return _refuse(f"{name}: {error.strerror or error}")
    except NotATape as error:
        return _refuse(f"{name}:{error.line}: not a tape, or a damaged one: {error.reason}")
    except DefinitionError as error:
        _say(str(error), sys.stderr)
        return USAGE
    except _Mistake as error:
        return _refuse(str(error))
    changed = {key: value for key, value in tape.header.settings.items() if definition.settings.get(key) != value}
    if parsed.json:
        print(json_text(_as_json(name, tape.header, result, changed)))
    else:
        _tell(name, definition, result, changed)
    if result.difference is not None:
        return DIFFERS
    return SAME if result.complete else CUT_OFF


def _run_again(name: str, *, real: bool) -> int:
    from scxlife.lifecycle.simulated.show import show

    try:
        scenario = scenario_in(name)
    except OSError as error:
        return _refuse(f"{name}: {error.strerror or error}")
    if real:
        return _play(name, scenario)
    with interrupts.leaving():
        return DIFFERS if show(scenario, print) else SAME


def _play(name: str, scenario: Scenario) -> int:
    from scxlife.lifecycle.outlet import Outlets
    from scxlife.lifecycle.simulated.beside import beside
    from scxlife.lifecycle.simulated.real import CantPlay
    from scxlife.platform.linux import LinuxKernel

    try:
        with Outlets(LinuxKernel()) as outlets:
            return SAME if beside(scenario, outlets.standard(sys.stdout).line) else DIFFERS
    except CantPlay as error:
        said = "".join(f"\n  {reason}" for reason in error.reasons)
        return _refuse(f"{name}: plain processes can't play this:{said}")
    except OSError as error:
        return _refuse(f"{name}: it could not be played: {error}")


def _opened(tape: str, stack: ExitStack) -> BinaryIO:
    if tape != "-":
        return stack.enter_context(open_to_read(tape))
    if sys.stdin is None:
        raise _Mistake("standard input is closed; name a file instead of -")
    return sys.stdin.buffer


def _definition(parsed: argparse.Namespace, header: Header, name: str) -> Definition:
    if parsed.definition is None and header.machine != SHIPPED:
        machine = json_text(header.machine)
        raise _Mistake(f"{name} is of machine {machine}, which does not come with scxlife; add --definition FILE")
    definition = load(DEFINITION if parsed.definition is None else parsed.definition)
    if parsed.profile is None:
        return definition
    if parsed.profile not in definition.profiles:
        known = ", ".join(definition.profiles) or "it has none"
        near = did_you_mean(parsed.profile, definition.profiles)
        raise _Mistake(f"{definition.name} has no profile {parsed.profile!r} ({known}){near}")
    return definition.with_profile(parsed.profile)


def _tell(name: str, definition: Definition, result: Replay, changed: dict[str, Any]) -> None:
    if result.difference is not None:
        _say(f"{name}:{result.difference.line}: {result.difference}")
        quoted = result.difference.record
        _say(f"    {quoted[:QUOTED]}{'…' if len(quoted) > QUOTED else ''}")
    else:
        way = definition.initial if result.steps == 0 else f"{definition.initial} → … → {result.state}"
        parts = [_counted(result.lines, "record"), _counted(result.steps, "step"), way]
        if result.outcome is not None:
            parts.append(f"outcome {result.outcome}")
        verdict = "the same" if result.complete else f"the same so far, but {result.missing}"
        _say(f"{name}: {', '.join(parts)}: {verdict}")
    if changed:
        _say(f"settings of its own: {', '.join(f'{key} {json_text(value)}' for key, value in changed.items())}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _as_json(name: str, header: Header, result: Replay, changed: dict[str, Any]) -> dict[str, Any]:
    difference = result.difference
    verdict = "differs" if difference is not None else "same" if result.complete else "cut-off"
    return {
        "tape": name,
        "machine": header.machine,
        "definition": header.definition,
        "result": verdict,
        "records": result.lines,
        "steps": result.steps,
        "state": result.state,
        "outcome": result.outcome,
        "missing": result.missing or None,
        "difference": None if difference is None else attrs.asdict(difference),
        "settings": changed,
    }


def _refuse(text: str) -> int:
    _say(f"scxlife: error: {text}", sys.stderr)
    return USAGE


def _say(text: str, out: Any = None) -> None:
    """Print a text that holds words off a tape: what a terminal would obey instead of show is escaped."""
    print(*map(plain, text.split("\n")), sep="\n", file=out)

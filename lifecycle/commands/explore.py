"""`scxlife explore`: everything that can happen to the lifecycle, tried."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from scxlife.fsm.definition import Definition
from scxlife.fsm.json_text import json_text
from scxlife.fsm.loader import load
from scxlife.fsm.problems import DefinitionError, did_you_mean
from scxlife.lifecycle import interrupts
from scxlife.lifecycle.model.exploration import Exploration, Progress, shortened
from scxlife.lifecycle.model.findings import as_json, as_lines, save
from scxlife.lifecycle.model.steps import Model, UnknownToModel
from scxlife.lifecycle.options import DEFINITION
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.vm.progress import progress_on

SUMMARY = "try everything that can happen to the lifecycle"
DESCRIPTION = """Walks every interleaving of what the process, the kernel, a user and the deadlines can do, over the
lifecycle's own table and a small model of the world, and of up to K things out of the ordinary: an action, a guard or
a source that fails, a stranger's scheduler, a stopped process, a child that outlives it, somebody else who reaps, …
In each state it looks for a property that is broken. What breaks one is shown as a shortest run, and with --tapes
written as a tape that `scxlife replay` reads."""
EPILOG = """exit codes:
  0    every property holds as far as was walked
  1    one is broken
  2    usage or definition error
  130  interrupted; what was covered until then is shown

examples:
  scxlife explore                              all that needs no fault: seconds
  scxlife explore --faults 1 --depth 20        the first 20 steps of what needs one at most
  scxlife explore --faults 2                   minutes, and gigabytes of memory
  scxlife explore --profile file --json
  scxlife explore --definition mine.yaml --tapes found
  scxlife replay --definition mine.yaml found/gone-done-stopped.tape
docs/explore.md says what the model knows, and what it leaves out"""

BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--faults", type=_count, default=0, metavar="K", help="things out of the ordinary (default: 0)")
    parser.add_argument("--depth", type=_count, metavar="N", help="no way longer than N steps (default: to the end)")
    parser.add_argument("--profile", default="sched_ext", metavar="NAME", help="of the definition (default: sched_ext)")
    parser.add_argument(
        "--definition", default=DEFINITION, metavar="FILE", help="a lifecycle of your own (default: the shipped one)"
    )
    parser.add_argument("--tapes", type=Path, metavar="FOLDER", help="write each finding there, as a tape")
    parser.add_argument("--json", action="store_true", help="print the result as one object")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def run(parsed: argparse.Namespace) -> int:
    try:
        definition = _chosen(load(parsed.definition), parsed.profile)
        exploration = Exploration(Model(shortened(definition), parsed.faults))
    except OSError as error:
        raise UsageError(f"{parsed.definition}: {error.strerror}") from error
    except DefinitionError as error:
        raise UsageError(str(error)) from error
    except UnknownToModel as error:
        raise UsageError(f"{parsed.definition}: {error}") from error
    _walk(exploration, parsed.depth)
    try:
        tapes = {} if parsed.tapes is None else save(exploration, parsed.tapes)
    except OSError as error:
        raise UsageError(f"--tapes {parsed.tapes}: {error.strerror}") from error
    if parsed.json:
        print(json_text(as_json(exploration, definition, parsed.profile, tapes)))
    else:
        print(*as_lines(exploration, definition, parsed.profile), sep="\n")
    return BROKEN if exploration.found else 0


def _chosen(definition: Definition, profile: str) -> Definition:
    if profile not in definition.profiles:
        known = ", ".join(definition.profiles) or "it has none"
        raise UsageError(f"no profile {profile!r} ({known}){did_you_mean(profile, definition.profiles)}")
    return definition.with_profile(profile)


def _walk(exploration: Exploration, depth: int | None) -> None:
    """Walk to the end, or until somebody interrupts it, which is noticed between two states."""

    def at(progress: Progress) -> None:
        step.at(_position(progress))
        if interrupts.came():
            raise KeyboardInterrupt

    # Millions of tuples and not one ring among them: the collector would look through all of them again and again.
    gc.disable()
    try:
        with interrupts.noted(), progress_on().step("exploring") as step:
            exploration.run(depth, at)
    except KeyboardInterrupt:
        """What was covered until then is shown."""
    finally:
        gc.enable()


def _position(progress: Progress) -> str:
    rate = progress.transitions / progress.seconds if progress.seconds else 0.0
    return (
        f"faults {progress.faults}, depth {progress.depth}, {progress.states:,} states, {progress.waiting:,} waiting, "
        f"{rate:,.0f} transitions/s"
    )

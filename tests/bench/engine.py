"""What the engine costs, beside its peers, in one run.

Walks two machines with every engine (ours twice: the pure `decide` and the live `Runtime`), loads and lints the
scheduler's lifecycle, imports the engine in fresh interpreters, and loads generated definitions of up to 1,000
states × 200 events. A benchmark asserts nothing about time: it fails only when the contestants disagree about what
a machine does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine_figures import Effort, Figures
from engine_machines import MACHINES
from engine_processes import scale, seconds_to_import, seconds_to_load
from engine_report import as_json, as_text
from engine_rounds import Disagreement, Timing, line_up, race
from machine import date, where
from peers import ENTRIES

LIFECYCLE = Path(__file__).parents[2] / "lifecycle" / "scheduler.yaml"
SIZES = ((10, 200), (100, 200), (1000, 200))
LIBRARIES = ("scxlife", "attrs", "cattrs", "PyYAML")
FULL = Effort(rounds=40, sample=0.02, loads=40, imports=25, scales=3)
QUICK = Effort(rounds=3, sample=0.002, loads=3, imports=3, scales=1)
EPILOG = """\
examples:
  python tests/bench/engine.py                       everything, in a minute or two
  python tests/bench/engine.py --quick               few rounds, for CI: the figures are rough
  python tests/bench/engine.py --json engine.json    the tables, and the figures as a file

Peers that are not installed are left out and named: pip install -e '.[bench]' brings all of them.

exit codes: 0 done, whatever the figures are; 1 the contestants disagree, so nothing was compared; 2 wrong usage
"""


def measure(effort: Effort) -> Figures:
    """Everything, in turn. Raises Disagreement, before anything is timed if it can be seen by then."""
    here = where((*LIBRARIES, *(entry.distribution for entry in ENTRIES if entry.distribution is not None)))
    fields = {machine.name: line_up(machine) for machine in MACHINES}
    timings: dict[str, dict[str, Timing]] = {}
    for name, (runners, _) in fields.items():
        say(f"walking {name}")
        timings[name] = race(runners, rounds=effort.rounds, sample=effort.sample)
    (_, absent), *_ = fields.values()
    say("loading the lifecycle")
    lifecycle = seconds_to_load(LIFECYCLE, effort.loads)
    say("importing")
    imports = seconds_to_import(effort.imports)
    scales = []
    for states, events in SIZES:
        say(f"loading {states:,} states × {events} events")
        scales.append(scale(states, events, effort.scales))
    return Figures(here, date(), effort, timings, absent, lifecycle, imports, tuple(scales))


def say(doing: str) -> None:
    """Progress, for who waits; standard output has the tables alone."""
    print(f"{doing} …", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it runs, measures roughly")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    options = parser.parse_args()
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.parent}; make it first, or name another FILE")
    try:
        figures = measure(QUICK if options.quick else FULL)
    except Disagreement as error:
        print(f"the contestants disagree, so there is nothing to compare: {error}", file=sys.stderr)
        return 1
    print(as_text(figures))
    if options.json is not None:
        options.json.write_text(as_json(figures), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

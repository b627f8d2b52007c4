"""docs/conformance.md: every scenario that is run simulated and for real, what both do, and where it is run.

python -m tests.conformance > docs/conformance.md
python -m tests.conformance drawn        the random ones, as scenario files
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from scxlife.lifecycle.outcomes import describe_exit
from scxlife.lifecycle.simulated.beside import Moves
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario, dump

from . import random_processes, random_schedulers
from .processes import SCENARIOS
from .schedulers import PAIRS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance.md"
COMMAND = "python -m tests.conformance > docs/conformance.md"
UEVENTS = Path(__file__).parent / "test_uevents.py"

PLACES = ("host", "6.12", "7.2")
HOST, GUESTS = ("host",), ("6.12", "7.2")
WAY = ("states between spawn and sweep", "outcome")
# In which every way begins and ends.
_BEGIN, _END = ("idle", "locating", "spawning"), ("sweeping", "dismissing", "done")

HEAD = f"""# Conformance

Each of these is run on the [simulated kernel](simulation.md) and for real, and both have to go the same way through the
table, to the same outcome and status, in time. *Host* is the kernel that runs the tests, *6.12* and *7.2* are guests in
QEMU: 6.12 as `scxlife kernel build` makes it, and the newest that Debian ships, 7.2 when this was written. Renew the
page with `{COMMAND}`; `python -m tests.conformance drawn` prints the random
ones as scenarios.
"""


def page() -> str:
    drawn = [
        (f"{random_processes.COUNT} programs, seed {random_processes.SEED}", HOST),
        (f"{random_schedulers.COUNT} lives of the fixture, seed {random_schedulers.SEED}, all in one boot", GUESTS),
        *((f"… that {name}", GUESTS) for name in random_schedulers.NAMES),
    ]
    return "\n".join(
        [
            HEAD,
            *_heading("Plain processes", "conformance/test_processes.py"),
            *_table(("scenario", *WAY), [((name, *_way(one)), HOST) for name, one in SCENARIOS.items()]),
            *_heading("The fixture scheduler", "conformance/test_schedulers_in_guest.py"),
            *_table(("scenario", *WAY), [((name, *_way(one)), GUESTS) for name, (_, _, one) in PAIRS.items()]),
            *_heading("Random ones", "conformance/random_processes.py", "conformance/random_schedulers.py"),
            *_table(("drawn by Hypothesis",), [((what,), places) for what, places in drawn]),
            *_heading("Uevents of a network device", "conformance/test_uevents.py"),
            *_table(("shown",), [((what,), HOST) for what in _uevents()]),
        ]
    )


def _heading(title: str, *files: str) -> list[str]:
    links = ", ".join(f"[{file}](../tests/{file})" for file in files)
    return [f"## {title}", "", f"In {links}.", ""]


def _table(titles: Sequence[str], rows: Iterable[tuple[Sequence[str], Sequence[str]]]) -> list[str]:
    lines = [f"| {' | '.join((*titles, *PLACES))} |", "|---" * (len(titles) + len(PLACES)) + "|"]
    for cells, places in rows:
        lines.append(f"| {' | '.join((*cells, *('yes' if place in places else '' for place in PLACES)))} |")
    return [*lines, ""]


def _way(scenario: Scenario) -> tuple[str, str]:
    done = run(scenario)
    assert done.outcome is not None
    states = [move.to for move in Moves.of(done.records) if move.to not in (*_BEGIN, *_END)]
    return " → ".join(states), f"{done.outcome.name}, {describe_exit(done.outcome.exit)}"


def _uevents() -> Iterable[str]:
    for node in ast.parse(UEVENTS.read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name.removeprefix("test_").replace("_", " ")


def _drawn() -> Iterable[str]:
    for number, scenario in enumerate(random_processes.hundred()):
        yield f"---\n# program {number}\n{dump(scenario)}"
    for number, life in enumerate(random_schedulers.hundred()):
        said = " ".join(word for word in life.arguments if word)
        yield f"---\n# life {number}: {life.name}; the fixture is told: {said}\n{dump(life.scenario)}"


if __name__ == "__main__":
    if sys.argv[1:] == ["drawn"]:
        sys.stdout.writelines(_drawn())
    else:
        sys.stdout.write(page())

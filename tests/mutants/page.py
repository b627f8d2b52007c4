"""docs/mutants.md: the table of a full run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from .catalogue import Mutant, not_put_back
from .laboratory import SEED, Verdict

# Where the part begins that tests.mutation makes.
GENERAL = "## General mutation"

HEAD = """# Mutants

Each line is a defect, or a belief that real systems have proven wrong, put back into the code as a small patch, and
who noticed: a property of the attack on the simulated kernel, with the number of drawn scenarios that it took, or a
test. Made by `make mutants`, which takes some minutes; ids are those of [behaviours](behaviours.md).

| mutant | puts back | what it believes | noticed by | scenarios | seconds |
|---|---|---|---|---:|---:|
"""


def page(clean: Verdict, verdicts: Sequence[tuple[Mutant, Verdict]], former: str) -> str:
    """What stands in the `former` page of general mutation stays."""
    rows = [_row(mutant, verdict) for mutant, verdict in verdicts]
    killed = sum(verdict.by is not None for _, verdict in verdicts)
    attacked = sum(mutant.attacked for mutant, _ in verdicts)
    control = "found nothing" if clean.by is None else f"found: {clean.by}"
    tail = [
        "",
        f"{killed} of {len(verdicts)} killed, {attacked} of them by the attack (seed {SEED}). The same attack on the "
        f"package without a mutant {control} in {clean.examples} scenarios, {clean.seconds:.0f} s.",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores shared with other work, Python "
        f"{platform.python_version()}, Linux {platform.release()}.",
        "",
        "Not put back, or in part only:",
        "",
        *(f"- {name}: {why}" for name, why in not_put_back().items()),
        "",
    ]
    _, heading, general = former.partition(GENERAL)
    return HEAD + "".join(rows) + "\n".join([*tail, heading + general])


def _row(mutant: Mutant, verdict: Verdict) -> str:
    by = verdict.by or "**nobody**"
    noticed = by if mutant.attacked else f"`{by}`"
    after = "" if verdict.examples is None else str(verdict.examples)
    cells = (f"`{mutant.name}`", ", ".join(mutant.ids), mutant.belief, noticed, after, f"{verdict.seconds:.1f}")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

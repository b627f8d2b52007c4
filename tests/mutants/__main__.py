"""Every mutant against its killer.

    python -m tests.mutants [--page docs/mutants.md] [NAME…]

Prints a line for each: what it puts back, which property or test noticed, after how many examples and seconds. The
first is no mutant: the attack on the package as it is, which has to find nothing. Exit 1 when it does, or when a mutant
survives. `--page` writes the table, of a run of all.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .catalogue import catalogue
from .laboratory import Verdict, laboratory
from .page import page


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    mutants = [mutant for mutant in catalogue() if not asked.names or mutant.name in asked.names]
    if missing := set(asked.names) - {mutant.name for mutant in mutants}:
        parser.error(f"no such mutant: {', '.join(sorted(missing))}")
    with laboratory() as room:
        clean = room.attacked()
        _show("(none)", clean)
        verdicts = []
        for mutant in mutants:
            verdict = room.judged(mutant)
            verdicts.append((mutant, verdict))
            _show(f"{mutant.name} [{', '.join(mutant.ids)}]", verdict)
    survivors = [mutant.name for mutant, verdict in verdicts if verdict.by is None]
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} killed", *survivors)
    if asked.page is not None:
        former = asked.page.read_text() if asked.page.exists() else ""
        asked.page.write_text(page(clean, verdicts, former))
    return 0 if clean.by is None and not survivors else 1


def _show(what: str, verdict: Verdict) -> None:
    after = "" if verdict.examples is None else f"{verdict.examples} examples, "
    print(f"{what}: {verdict.by or 'nothing noticed'} ({after}{verdict.seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())

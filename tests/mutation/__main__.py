"""General mutation: changes drawn at random against the tests that run them.

    python -m tests.mutation [--seed 0] [--keep FOLDER] [--page docs/mutants.md] [PACKAGE=COUNT…]

Prints a line for each: where, who noticed, after how many seconds, and the line before and after. With `--keep` what
was traced and who was killed is kept, so that the next run asks only survivors, and what is new. Exit 1 when one
survives that settings.yaml does not explain. `--page` renews what the page says of these
packages.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from tests.mutants.laboratory import laboratory

from . import forked
from .changes import Change, changes, sample
from .page import page, unexplained
from .reach import Reach
from .settings import settings
from .trial import Trial, Verdict

# Changes whose tests are asked without them first.
CONTROL = 2


def main() -> int:
    said = settings()
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("samples", nargs="*", type=_sample, metavar="PACKAGE=COUNT", default=[*said.samples.items()])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    with TemporaryDirectory() as scratch, laboratory() as room:
        folder = asked.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        known = _known(folder / "killed.jsonl")
        reach = Reach(folder, room.folder)
        reach.trace(room, said.tests)
        print(f"{len(reach.seconds)} tests, {sum(reach.seconds.values()):.0f} s", flush=True)
        forked.prepare()
        trial = Trial(said, room, reach)
        there = {package: changes(said, package) for package, _ in asked.samples}
        if by := trial.control(sample([*chain(*there.values())], CONTROL, asked.seed)):
            parser.error(f"nothing was changed, and {by} fails")
        drawn: dict[str, list[Verdict]] = {}
        for package, count in asked.samples:
            drawn[package] = []
            for change in sample(there[package], count, asked.seed):
                verdict = known.get(change) or trial.of(change)
                drawn[package].append(verdict)
                print(_line(verdict), flush=True)
                if verdict.by is not None and change not in known:
                    with (folder / "killed.jsonl").open("a") as kept:
                        kept.write(json.dumps(attrs.asdict(verdict)) + "\n")
    survivors = unexplained(said, [verdict for verdicts in drawn.values() for verdict in verdicts])
    print(f"{len(survivors)} survived that nothing explains", *map(_line, survivors), sep="\n")
    if asked.page is not None:
        counts = {package: len(found) for package, found in there.items()}
        asked.page.write_text(page(asked.page.read_text(), said, drawn, counts, asked.seed))
    return 1 if survivors else 0


def _sample(word: str) -> tuple[str, int]:
    package, _, count = word.partition("=")
    return package, int(count)


def _known(file: Path) -> dict[Change, Verdict]:
    lines = file.read_text().splitlines() if file.exists() else []
    found = [json.loads(line) for line in lines]
    verdicts = [Verdict(**{**told, "change": Change(**told["change"])}) for told in found]
    return {verdict.change: verdict for verdict in verdicts}


def _line(verdict: Verdict) -> str:
    change = verdict.change
    return (
        f"{change.file}:{change.line} {verdict.by or 'nobody noticed'} ({verdict.seconds:.1f} s): "
        f"{verdict.before}  →  {verdict.after}"
    )


if __name__ == "__main__":
    sys.exit(main())

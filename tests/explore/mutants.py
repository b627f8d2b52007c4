"""Defects put back into the lifecycle, and what a walk says of each.

python tests/explore/mutants.py        prints the table
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs
import yaml

from scxlife.fsm.loader import load
from scxlife.lifecycle.model.exploration import Exploration, shortened
from scxlife.lifecycle.model.findings import faults_in, tell
from scxlife.lifecycle.model.steps import Model
from scxlife.lifecycle.options import DEFINITION

#: `scxlife replay` says that the tape is its definition's: to the end, or as far as it goes.
ACCEPTED = (0, 3)


@attrs.frozen
class Mutant:
    """One entry of mutants.yaml; `slow` is one that takes the better part of a minute."""

    defect: str
    breaks: str
    profile: str
    edits: list[dict[str, str]]
    faults: int = 0
    depth: int | None = None
    slow: bool = False

    def text(self) -> str:
        """The mutated definition."""
        text = DEFINITION.read_text()
        for edit in self.edits:
            pattern = r"\s+".join(map(re.escape, edit["was"].split()))
            text, count = re.subn(pattern, edit["is"].replace("\\", r"\\"), text)
            assert count == 1, f"{self.defect}: {count} times in the definition: {edit['was']}"
        return text


MUTANTS = [Mutant(**entry) for entry in yaml.safe_load(Path(__file__).with_name("mutants.yaml").read_text())]


@attrs.frozen
class Verdict:
    """What came of a walk through a mutant: where it shows, how long the way is, and what `scxlife replay` returned."""

    state: str
    states: int
    steps: int
    faults: int
    replay: int


def try_out(mutant: Mutant, folder: Path) -> Verdict:
    """Walk it, and have `scxlife replay` read the tape of what was found. Raises AssertionError when nothing was."""
    file, tape = folder / "mutant.yaml", folder / "mutant.tape"
    file.write_text(mutant.text())
    definition = load(file).with_profile(mutant.profile)
    exploration = Exploration(Model(shortened(definition), mutant.faults))
    exploration.run(mutant.depth)
    found = [finding for finding in exploration.found if finding.property == mutant.breaks]
    assert found, f"{mutant.defect}: {mutant.breaks} holds in {exploration.states} states; {exploration.found}"
    lines: list[str] = []
    way = tell(exploration, found[0], lines.append)
    tape.write_text("".join(f"{line}\n" for line in lines))
    argv = [sys.executable, "-m", "scxlife.lifecycle", "replay", "--json", "--definition", str(file), str(tape)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.stdout and json.loads(done.stdout)["difference"] is None, done
    return Verdict(found[0].state, exploration.states, len(way) - 1, faults_in(way), done.returncode)


def main() -> None:
    print(f"{'defect':<50} {'breaks':<9} {'seen in':<10} {'steps':>5} {'faults':>6} {'states':>8}  replay")
    for mutant in MUTANTS:
        with tempfile.TemporaryDirectory() as folder:
            said = try_out(mutant, Path(folder))
        figures = f"{said.state:<10} {said.steps:>5} {said.faults:>6} {said.states:>8,}"
        replayed = "accepted" if said.replay in ACCEPTED else f"exit code {said.replay}"
        print(f"{mutant.defect:<50} {mutant.breaks:<9} {figures}  {replayed}")


if __name__ == "__main__":
    main()

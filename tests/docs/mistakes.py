"""The forty files of confused authors in `tests/fsm/confused`, each with the first message that it gets."""

from __future__ import annotations

from pathlib import Path

import attrs

from scxlife.fsm.lint import check
from scxlife.fsm.show import show

FOLDER = Path(__file__).parents[1] / "fsm" / "confused"
# The page's regions with the numbers of their files.
REGIONS = {
    "mistakes of YAML": range(1, 20),
    "habits from elsewhere": range(20, 30),
    "the wrong place": range(30, 34),
    "times": range(34, 36),
    "guards and names": range(36, 41),
}


@attrs.frozen
class Mistake:
    """A file, what its author thought, and the first message as its second line has it."""

    path: Path
    thought: str
    message: str

    @property
    def number(self) -> int:
        return int(self.path.name.partition("-")[0])


def mistakes() -> list[Mistake]:
    """All of them, in their order."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        thought, message, *_ = path.read_text().splitlines()
        found.append(Mistake(path, thought.removeprefix("# "), message.removeprefix("# ")))
    return found


def region(name: str) -> str:
    """Each mistake of one region: what its author thought, and what is printed first."""
    return "\n\n".join(_shown(mistake) for mistake in mistakes() if mistake.number in REGIONS[name])


def _shown(mistake: Mistake) -> str:
    name = mistake.path.name
    report = check(mistake.path)
    place = report.problems[0].place._replace(file=name)
    first = report.problems[0]._replace(place=place)
    printed = "\n".join(show([first], {name: mistake.path.read_bytes()}))
    return f"{mistake.number}. {mistake.thought}\n\n```text\n{printed}\n```"

"""What settings.yaml says: what is mutated and how, who may notice, and which survivors are no defects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import yaml

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).parent / "settings.yaml"


@attrs.frozen
class Equivalent:
    """A change that nobody can notice: in `file` the line `before` becomes `after`; None: whatever becomes of it."""

    file: str
    before: str
    because: str
    after: str | None = None


@attrs.frozen
class Settings:
    """`samples` is how many changes are drawn of each package. `operators` are names of cosmic-ray's. `tests` are what
    pytest is given, of which `doubted` are believed when they fail twice: real processes on a busy machine. `eager` are
    asked before all others, as they were written to notice. `seconds` bounds the rest of the tests of one mutant, by
    what they took unmutated."""

    samples: dict[str, int]
    left_out: tuple[str, ...] = attrs.field(converter=tuple)
    operators: tuple[str, ...] = attrs.field(converter=tuple)
    tests: tuple[str, ...] = attrs.field(converter=tuple)
    doubted: tuple[str, ...] = attrs.field(converter=tuple)
    eager: tuple[str, ...] = attrs.field(converter=tuple)
    seconds: float
    equivalents: tuple[Equivalent, ...]

    def reason(self, file: str, before: str, after: str) -> str | None:
        """Why this change is no defect, None when nobody says so."""
        return next(
            (
                known.because
                for known in self.equivalents
                if (known.file, known.before) == (file, before) and known.after in (None, after)
            ),
            None,
        )

    def files(self, package: str) -> Iterator[str]:
        for path in sorted((ROOT / package).glob("*.py")):
            name = str(path.relative_to(ROOT))
            if not any(Path(name).match(pattern) for pattern in self.left_out):
                yield name


def settings() -> Settings:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    grouped = content.pop("equivalent")
    equivalents = tuple(
        Equivalent(**change, because=group["because"]) for group in grouped for change in group["changes"]
    )
    return Settings(**content, equivalents=equivalents)

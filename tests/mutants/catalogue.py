"""The catalogue: what each mutant puts back, where, and who is expected to notice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).parent / "catalogue.yaml"

# The killer of what is no definition; others are the id of a test, or the name of a property.
LOADER = "the loader"


@attrs.frozen
class Mutant:
    """One small patch: `find`, which stands exactly once in `file`, becomes `put`. `ids` are those of
    tests/behaviours.yaml, `belief` is what the mutant takes to be so, `killer` is who has to notice: a property of the
    attack, the loader, or a test."""

    name: str
    ids: tuple[str, ...] = attrs.field(converter=tuple)
    belief: str
    file: str
    find: str
    put: str
    killer: str

    @property
    def attacked(self) -> bool:
        """Whether scenarios are drawn for it."""
        return not self.killer.startswith("tests/")

    def applied(self, text: str) -> str:
        """The mutated text of the file. Raises ValueError where it does not fit any more."""
        found = text.count(self.find)
        if found != 1:
            raise ValueError(f"{self.name}: {self.find!r} stands {found} times in {self.file}, not once")
        return text.replace(self.find, self.put)


def catalogue() -> tuple[Mutant, ...]:
    return tuple(Mutant(**entry) for entry in _content()["mutants"])


def not_put_back() -> Mapping[str, str]:
    """Defects that are not in the catalogue, or not all of them, and why."""
    found: Mapping[str, str] = _content()["not put back, or in part only"]
    return found


def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return content

"""What every benchmark prints: aligned tables, and whether the aims are met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs


@attrs.frozen
class Aim:
    """A bound and what was measured. More is worse, but with `least` it is better."""

    text: str
    bound: float
    measured: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.bound if self.least else self.measured <= self.bound


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = [title]
    for first, *others in lines:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        text.append("  " + "  ".join(cells).rstrip())
    return "\n".join(text)


def aims(title: str, wanted: Iterable[Aim]) -> str:
    rows = [
        (
            aim.text,
            f"{aim.measured:.2f} {aim.unit}",
            f"{'at least' if aim.least else 'at most'} {aim.bound:g} {aim.unit}",
            "met" if aim.met else "MISSED",
        )
        for aim in wanted
    ]
    return table(title, ("", "measured", "aim", ""), rows)

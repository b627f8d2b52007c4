"""The shape of each tone in SVG, as the page's script draws it: none needs its colour to be told from another."""

from __future__ import annotations

from scxlife.diagrams.timeline.chart import Tone


def shape(tone: Tone, x: float, y: float, tall: float = 4.0) -> str:
    """One mark at (x, y), of class `tone-…`; `tall` is half of its height."""
    a, b = f"{x:.1f}", f"{y:.1f}"
    match tone:
        case Tone.FAILED:
            path = f"M{x - 4:.1f} {y - tall:.1f}l8 {2 * tall:.1f}m0 {-2 * tall:.1f}l-8 {2 * tall:.1f}"
        case Tone.VERDICT:
            path = f"M{a} {y - tall - 2:.1f}L{x + 5:.1f} {b}L{a} {y + tall + 2:.1f}L{x - 5:.1f} {b}Z"
        case Tone.DUE:
            path = f"M{x - 5:.1f} {y - tall:.1f}H{x + 5:.1f}L{a} {y + tall:.1f}Z"
        case Tone.DROPPED:
            path = f"M{x - 3:.1f} {y - tall + 1:.1f}h6v{2 * tall - 2:.1f}h-6Z"
        case _:
            return f'<ellipse class="tone-{tone}" cx="{a}" cy="{b}" rx="3.5" ry="{tall - 0.5:.1f}"/>'
    return f'<path class="tone-{tone}" d="{path}"/>'

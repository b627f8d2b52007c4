"""The colours of drawings: each as it is on paper, and in an SVG for who reads on a dark page.

A colour only ever repeats what a shape, a line or a letter says as well.
"""

from __future__ import annotations

PAPER, INK, RULE, FAULT = "#ffffff", "#1a1a1a", "#5b6b7f", "#a3341f"
SPINE, BESIDE, FINAL, FRAME = "#e9f1fb", "#fbf3ea", "#e4efdf", "#8a97a6"
#: Of a run: what was not taken, its words, and the states that were entered.
FAINT, FAINT_INK, ENTERED = "#c3cad3", "#6b7683", "#fff6d6"

_DARK = {
    PAPER: "#14181d",
    INK: "#e8eaed",
    RULE: "#a3b1c2",
    FAULT: "#ff9d85",
    SPINE: "#1d2c40",
    BESIDE: "#37291d",
    FINAL: "#203524",
    FRAME: "#66727f",
    FAINT: "#3f4854",
    FAINT_INK: "#8b96a3",
    ENTERED: "#443a16",
}


def adaptive(svg: bytes) -> bytes:
    """An SVG in these colours, with a style that changes them where a reader likes dark pages."""
    rules = "\n".join(
        f'  [{of}="{light}"] {{ {of}: {dark}; }}' for light, dark in _DARK.items() for of in ("fill", "stroke")
    )
    style = f"<style>\n@media (prefers-color-scheme: dark) {{\n{rules}\n}}\n</style>\n"
    head, end, rest = svg.partition(b"<g ")
    return head + style.encode() + end + rest

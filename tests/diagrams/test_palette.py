"""Light and dark: each colour that a drawing uses has one for dark pages, and words can be read in both."""

from __future__ import annotations

import re
from itertools import product

import pytest

from scxlife.diagrams import palette
from scxlife.diagrams.dot import dot
from scxlife.diagrams.palette import adaptive
from scxlife.diagrams.render import render
from scxlife.fsm.definition import Definition

DARK = dict(re.findall(rb'\[fill="(#[0-9a-f]{6})"\] \{ fill: (#[0-9a-f]{6}); \}', adaptive(b"<svg><g ></g></svg>")))
COLOURS = {name: value for name, value in vars(palette).items() if name.isupper() and not name.startswith("_")}
INKS = ("INK", "RULE", "FAULT", "FAINT_INK")
GROUNDS = {"INK": ("PAPER", "SPINE", "BESIDE", "FINAL", "ENTERED"), "RULE": ("PAPER", "SPINE", "BESIDE", "FINAL")}


def brightness(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((brightness(one), brightness(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("ink", "ground"), [pair for ink in INKS for pair in product([ink], GROUNDS.get(ink, ("PAPER",)))]
)
def test_words_can_be_read_on_light_and_on_dark_pages(ink: str, ground: str) -> None:
    light = COLOURS[ink], COLOURS[ground]
    dark = [DARK[colour.encode()].decode() for colour in light]
    assert contrast(*light) >= 4.5
    assert contrast(*dark) >= 4.5


def test_every_colour_of_a_drawing_has_one_for_dark_pages(shipped: Definition) -> None:
    body = render(dot(shipped), "svg").split(b"</style>")[1]
    used = set(re.findall(rb'(?:fill|stroke)="([^"]+)"', body)) - {b"none", b"transparent"}
    assert used
    assert used <= DARK.keys()


def test_a_png_and_dot_text_have_no_style(shipped: Definition) -> None:
    assert "prefers-color-scheme" not in dot(shipped)
    assert render(dot(shipped), "svg").count(b"prefers-color-scheme: dark") == 1

"""The checked-in drawings are those of the machines as they are now."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from scxlife.diagrams.render import render

from .drawings import COMMAND, FOLDER, ROOT, digest, picture, recorded, sources, texts

TEXT = "{http://www.w3.org/2000/svg}text"


def words(svg: str | bytes) -> list[str]:
    return sorted("".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(TEXT))


def test_the_drawings_are_as_they_would_be_made_now() -> None:
    expected = texts() | {name: digest(source) for name, source in sources().items()}
    contents = {file.name: file.read_text() for file in FOLDER.iterdir()}
    found = {name: recorded(text) if name.endswith(".svg") else text for name, text in contents.items()}
    stale = [name for name in sorted(expected.keys() | found) if expected.get(name) != found.get(name)]
    assert not stale, f"{FOLDER.relative_to(ROOT)}: {', '.join(stale)} out of date; renew with: {COMMAND}"


@pytest.mark.parametrize("name", sources())
def test_a_picture_has_the_words_that_graphviz_writes_now(name: str) -> None:
    """Where they stand differs from one Graphviz to the next, and is not compared."""
    assert words((FOLDER / name).read_text()) == words(render(sources()[name], "svg"))


def test_a_picture_of_another_text_is_told() -> None:
    one, other = 'digraph { a -> b [label="x"] }', 'digraph { a -> b [label="y"] }'
    assert recorded(picture(one).decode()) == digest(one) != digest(other)
    assert recorded(render(one, "svg").decode()) is None


def test_make_knows_the_command_that_the_failure_names() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\ndrawings: ")[1].splitlines()[1]
    assert recipe == "\t$(BIN)/python -m tests.diagrams.drawings"

"""The Mermaid text, as Mermaid itself reads and draws it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import mermaidx
import pytest

from scxlife.diagrams.mermaid import mermaid
from scxlife.fsm.definition import GO, Definition

from .rings import HOSTILE, ring, shown


def drawn(text: str) -> str:
    """All the words of the drawing, in one line."""
    return " ".join(ElementTree.fromstring(mermaidx.render(text).svg()).itertext())


def test_what_is_no_mermaid_is_refused_here() -> None:
    """Else this file would show nothing."""
    with pytest.raises(RuntimeError, match="Parse error"):
        drawn("stateDiagram-v2\n  a --> --> b\n")


def test_it_says_what_the_small_machine_does(kettle: Definition) -> None:
    lines = [line.strip() for line in mermaid(kettle).splitlines()]
    assert lines[:4] == ["---", 'title: "kettle 2"', "---", "stateDiagram-v2"]
    heating = lines.index('state "heating" as s_heating')
    assert lines[heating + 1 : heating + 6] == [
        "s_heating : boil_late after 90s",
        "s_heating : entry / heater_on",
        "s_heating : exit / heater_off",
        "s_heating : level / show_level",
        "s_heating : defers lift",
    ]
    assert [line for line in lines if "-->" in line] == [
        "[*] --> s_cold",
        "s_cold --> s_heating : press #91;filled#93;",
        "s_heating --> s_cold : press, dry",
        "s_heating --> s_hot : boils",
        "s_heating --> s_broken : boil_late, fault",
        "s_hot --> s_cold : cooled",
        "s_hot --> s_hot : press",
        "s_hot --> s_served : lift",
        "s_hot --> s_broken : fault",
        "s_served --> [*]",
        "s_broken --> [*]",
    ]


def test_mermaid_draws_every_machine_with_all_that_it_can_do(machine: Definition) -> None:
    words = set(re.findall(r"[\w-]+", drawn(mermaid(machine))))
    leading = {
        event
        for (_, event), cell in machine.cells.items()
        if any(branch.decision.kind == GO and not branch.decision.internal for branch in cell)
    }
    assert leading
    assert (machine.states.keys() | leading) - words == set()


def test_any_name_is_shown_as_it_is() -> None:
    words = " ".join(drawn(mermaid(ring(HOSTILE))).split())
    for name in map(shown, HOSTILE):
        assert f"about {name}" in words, "the doc of a state"
        assert f"entry / {name}" in words, "an action"
        assert f"group {name}" in words
    assert f"{shown(HOSTILE[0])} 1" in words, "the title"

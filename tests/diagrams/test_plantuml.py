"""The PlantUML text, as PlantUML itself reads and draws it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from scxlife.diagrams.plantuml import plantuml
from scxlife.fsm.definition import GO, Definition
from scxlife.fsm.loader import load

from .rings import HOSTILE, ring, shown


def drawn(folder: Path, definitions: Iterable[Definition]) -> dict[str, str]:
    """All the words of each drawing, in one line, by the machine's name. PlantUML is started once for all of them."""
    texts = {str(index): plantuml(definition) for index, definition in enumerate(definitions)}
    for name, text in texts.items():
        (folder / f"{name}.puml").write_text(text)
    files = [str(folder / f"{name}.puml") for name in texts]
    done = subprocess.run(
        ["plantuml", "-charset", "UTF-8", "-tsvg", *files], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    pictures = {name: ElementTree.parse(folder / f"{name}.svg") for name in texts}
    return {name: " ".join(" ".join(picture.getroot().itertext()).split()) for name, picture in pictures.items()}


def test_what_is_no_plantuml_is_refused_here(tmp_path: Path) -> None:
    """Else this file would show nothing."""
    file = tmp_path / "broken.puml"
    file.write_text("@startuml\na --> --> b\n@enduml\n")
    assert subprocess.run(["plantuml", "-tsvg", str(file)], capture_output=True, timeout=60).returncode != 0


def test_it_says_what_the_small_machine_does(kettle: Definition) -> None:
    lines = plantuml(kettle).splitlines()
    assert (lines[0], lines[2], lines[-1]) == ("@startuml", "title kettle 2", "@enduml")
    assert [line for line in lines if "->" in line] == [
        "[*] --> s_cold",
        "s_cold --> s_heating : press [filled]",
        "s_heating --> s_cold : press, dry",
        "s_heating --> s_hot : boils",
        "s_heating -[dashed]-> s_broken : boil_late, fault",
        "s_hot -[dashed]-> s_cold : cooled",
        "s_hot --> s_hot : press",
        "s_hot --> s_served : lift",
        "s_hot -[dotted]-> s_broken : fault",
        "s_served --> [*]",
        "s_broken --> [*]",
    ]


def test_plantuml_draws_every_machine_with_all_that_it_can_do(tmp_path: Path, files: list[Path]) -> None:
    machines = [load(file) for file in files]
    for machine, words in zip(machines, drawn(tmp_path, machines).values(), strict=True):
        leading = {
            event
            for (_, event), cell in machine.cells.items()
            if any(branch.decision.kind == GO and not branch.decision.internal for branch in cell)
        }
        assert leading
        assert (machine.states.keys() | leading) - set(re.findall(r"[\w-]+", words)) == set(), machine.name


def test_any_name_is_shown_as_it_is(tmp_path: Path) -> None:
    (words,) = drawn(tmp_path, [ring(HOSTILE)]).values()
    for name in map(shown, HOSTILE):
        assert f"about {name}" in words, "the doc of a state"
        assert f"entry / {name}" in words, "an action"
        assert f"group {name}" in words

"""What `scxlife diagram --highlight` draws: a tape, or a scenario that is run on its simulated machine first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scxlife.fsm.definition import Definition
from scxlife.fsm.tape_reader import NotATape, lines_of

if TYPE_CHECKING:
    from scxlife.diagrams.path import Path as Way

SCENARIO = (".yaml", ".yml")


class Unusable(Exception):
    """Nothing can be drawn of what was named. `hint` says what to do next, in a line."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def highlighted(definition: Definition, name: str) -> Way:
    """The way of the run that the file `name` tells, which has to be one of `definition`."""
    from scxlife.diagrams.path import NotOfThis, path_of

    try:
        lines = _played(name) if name.endswith(SCENARIO) else _read(name)
        return path_of(definition, lines)
    except OSError as error:
        raise Unusable(f"--highlight {name}: {error.strerror or error}", "name a tape, or a scenario") from None
    except NotATape as error:
        hint = "scxlife run --tape FILE writes a tape; a scenario's name ends with .yaml"
        raise Unusable(f"--highlight {name}:{error.line}: not a tape, or a damaged one: {error.reason}", hint) from None
    except NotOfThis as error:
        hint = f"name the definition that it is a run of: scxlife diagram FILE --highlight {name}"
        raise Unusable(f"--highlight {name}: not a run of {definition.name}: {error}", hint) from None


def _read(name: str) -> list[bytes]:
    with Path(name).open("rb") as file:
        return list(lines_of(file))


def _played(name: str) -> list[str]:
    from scxlife.lifecycle.simulated.run import run
    from scxlife.lifecycle.simulated.scenario import ScenarioError, parse

    try:
        return run(parse(Path(name).read_text("utf-8"))).lines
    except (UnicodeDecodeError, ScenarioError) as error:
        raise Unusable(f"--highlight {name}: {error}", "docs/simulation.md says what a scenario is") from None

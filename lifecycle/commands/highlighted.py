"""What `scxlife diagram --highlight` draws: a tape, or a scenario that is run on its simulated machine first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.bounded_files import open_to_read
from scxlife.fsm.definition import Definition
from scxlife.fsm.tape_reader import MOST_KEPT, NotATape, lines_of
from scxlife.lifecycle.commands.scenario_file import is_scenario, tapes
from scxlife.lifecycle.usage import UsageError

if TYPE_CHECKING:
    from scxlife.diagrams.path import Path as Way


def highlighted(definition: Definition, name: str) -> Way:
    """The way of the run that the file `name` tells, which has to be one of `definition`. Raises UsageError."""
    from scxlife.diagrams.path import NotOfThis, path_of

    try:
        return path_of(definition, tapes(name)[0] if is_scenario(name) else _read(name))
    except OSError as error:
        raise UsageError(f"--highlight {name}: {error.strerror or error}", "name a tape, or a scenario") from None
    except NotATape as error:
        hint = "scxlife run --tape FILE writes a tape; a scenario's name ends with .yaml"
        said = f"{name}:{error.line}: not a tape, or a damaged one: {error.reason}"
        raise UsageError(f"--highlight {said}", hint) from None
    except NotOfThis as error:
        hint = f"name the definition that it is a run of: scxlife diagram FILE --highlight {name}"
        raise UsageError(f"--highlight {name}: not a run of {definition.name}: {error}", hint) from None


def _read(name: str) -> list[bytes]:
    with open_to_read(name) as file:
        return list(lines_of(file, MOST_KEPT))

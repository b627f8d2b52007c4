"""A whole run as data: the machine, the program, what befalls both, and what the supervisor is asked to do.

The same scenario gives the same tape, byte for byte. A scenario file is YAML; what stands in it at its default is left
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import yaml
from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from scxlife.fsm.definition import Value
from scxlife.platform.sim import faults, outside, program
from scxlife.platform.sim.faults import Fault
from scxlife.platform.sim.outside import Happening
from scxlife.platform.sim.program import Program, Step


@attrs.frozen
class Scenario:
    """`kernel` names a profile of `platform.sim.profiles`, `ready` one of the definition. `program` null: there is no
    such file. After `patience` seconds the supervisor is interrupted, so that every run has an end."""

    kernel: str = "7.2"
    ready: str = "sched_ext"
    program: Program | None = attrs.Factory(Program)
    payload: Program | None = None
    outside: tuple[Happening, ...] = ()
    faults: tuple[Fault, ...] = ()
    settings: Mapping[str, Value] = attrs.Factory(dict)
    patience: float = 20.0
    seed: int = 0
    ignores_children: bool = False
    pids: int = 4096
    eager_reuse: bool = False
    descriptors: int = 1024


# The key that says which of several kinds something is.
_KINDS = ("do", "what")


class ScenarioError(ValueError):
    """A scenario file that can't be used; the text says where."""


def dump(scenario: Scenario) -> str:
    """The scenario as YAML."""
    text: str = yaml.safe_dump(_kind_first(_CONVERTER.unstructure(scenario)), sort_keys=False, width=110)
    return text


def _kind_first(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_kind_first(item) for item in data]
    if not isinstance(data, dict):
        return data
    first = [key for key in _KINDS if key in data]
    return {key: _kind_first(data[key]) for key in (*first, *(key for key in data if key not in first))}


def parse(text: str) -> Scenario:
    """The scenario in `text`. Raises ScenarioError."""
    from cattrs import transform_error

    try:
        return _CONVERTER.structure(yaml.safe_load(text), Scenario)
    except yaml.YAMLError as error:
        raise ScenarioError(f"it is not YAML: {error}") from None
    except Exception as error:  # whatever the structuring meets in a file that anybody may have written
        raise ScenarioError("; ".join(transform_error(error, path="scenario"))) from None


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, omit_if_default=True)
    attrs.resolve_types(program.Fork, vars(program))
    attrs.resolve_types(Program, vars(program))
    tagged: tuple[tuple[Any, str], ...] = ((Step, "do"), (Happening, "what"), (Fault, "what"))
    for union, tag in tagged:
        configure_tagged_union(union, converter, tag_name=tag, tag_generator=_tag)
    converter.register_structure_hook(float | None, lambda value, _: None if value is None else float(value))
    converter.register_structure_hook(Value, lambda value, _: value)
    return converter


def _tag(cls: type) -> str:
    """`LosesUevents` is `loses-uevents` in a file."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__).lstrip("-")


_CONVERTER = _converter()

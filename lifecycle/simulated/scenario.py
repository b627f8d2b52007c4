"""A whole run as data: the machine, the program, what befalls both, and what the supervisor is asked to do.

The same scenario gives the same tape, byte for byte. A scenario file is YAML; what stands in it at its default is left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_args

import attrs
import yaml
from cattrs import Converter
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception

from scxlife.fsm.definition import Definition, Value
from scxlife.fsm.problems import DefinitionError, did_you_mean
from scxlife.fsm.yaml_reader import read_yaml
from scxlife.lifecycle.options import shipped
from scxlife.platform.sim import program
from scxlife.platform.sim.faults import Fault
from scxlife.platform.sim.machine import FOREIGN, FREE, NEXT, ZOMBIE
from scxlife.platform.sim.outside import Happening
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import Program, Step


@attrs.frozen
class Output:
    """Where the tape goes: a pipe or a `terminal` of `capacity` bytes, whose reader takes up to `at_once` bytes `every`
    so many seconds. The supervisor keeps `limit` bytes for it."""

    capacity: int = 65536
    every: float = 0.001
    at_once: int = 65536
    terminal: bool = False
    limit: int = 1 << 20


@attrs.frozen
class Scenario:
    """`kernel` names a profile of `platform.sim.profiles`, `ready` one of the definition. `program` null: there is no
    such file. After `patience` seconds the supervisor is interrupted, so that every run has an end.

    When a signal ends the supervisor at once, another one comes `next_after` seconds later. `former_pid` tells whose
    number the former one's is by then: nobody's, that of its own zombie, the next one's, or a foreign process's. `unit`
    is the key of the socket or service that all of them serve: 16 hexadecimal digits.
    """

    kernel: str = attrs.field(default="7.2", validator=attrs.validators.in_(tuple(PROFILES)))
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
    unit: str | None = None
    output: Output | None = None
    next_after: float = 0.0
    former_pid: str = attrs.field(default=FREE, validator=attrs.validators.in_((FREE, ZOMBIE, NEXT, FOREIGN)))


# Bytes of a file.
LONGEST = 1 << 18
_MOST_VALUES = 20_000
# Of numbers that cost memory or time on the simulated machine; all others are seconds, counts and seeds.
_MOST = {"size": 1 << 24, "pids": 1 << 22, "descriptors": 1 << 20, "count": 1 << 16, "times": 1 << 31, "patience": 1e6}
_LARGEST = 1 << 64
# A supervisor has some descriptors open before anything begins; a poll is in seconds.
_LEAST = {"descriptors": 8, "poll": 0.001, "seed": -_LARGEST}

# The key that says which of several kinds something is.
_KINDS = ("do", "what")
# What a kind was called in older files.
_FORMERLY = {"loses-power": "is-killed"}


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


def parse(text: str | bytes) -> Scenario:
    """The scenario in `text`, which may hold anything. Raises ScenarioError."""
    from cattrs import transform_error

    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > LONGEST:
        raise ScenarioError(f"it is longer than {LONGEST >> 10} KiB: that is no scenario")
    try:
        data, findings = read_yaml(raw, "scenario", most=_MOST_VALUES, surrogates=True)
        problems = findings.problems
    except DefinitionError as error:
        data, problems = {}, list(error.problems)
    except (ValueError, OverflowError) as error:
        raise ScenarioError(f"it is not YAML: {error}") from None
    if problems:
        if problems[0].code == "empty":
            raise ScenarioError("a scenario is a mapping, such as `kernel: '7.2'`, and this is empty")
        place = problems[0].place
        raise ScenarioError(f"it is not YAML: {problems[0].message} (line {place.line}, column {place.column})")
    if not isinstance(data, dict):
        raise ScenarioError(f"a scenario is a mapping, such as `kernel: '7.2'`, and this is {_shape(data)}")
    try:
        _bounded(data, "scenario", [])
        scenario = _CONVERTER.structure(data, Scenario)
        _bounded(attrs.asdict(scenario), "scenario", [])
    except Exception as error:  # whatever the structuring meets in a file that anybody may have written
        said = transform_error(error, path="scenario", format_exception=_said)
        raise ScenarioError("; ".join(said)) from None
    except RecursionError:
        raise ScenarioError("it is nested too deeply") from None
    try:
        _bounded(dict(definition_of(scenario).settings), "settings", [])
    except (KeyError, ValueError) as error:
        raise ScenarioError(str(error.args[0])) from None
    return scenario


def _bounded(value: object, name: str, values: list[None]) -> None:
    """Raises ValueError for what would keep a simulated machine busy for ever, or take all memory."""
    values.append(None)
    if len(values) > _MOST_VALUES:
        raise ValueError(f"a scenario has at most {_MOST_VALUES} values")
    if isinstance(value, dict):
        for key, item in value.items():
            _bounded(item, str(key), values)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _bounded(item, name, values)
    elif isinstance(value, (int, float)):
        most = _MOST.get(name, _LARGEST)
        least = _LEAST.get(name, 0)
        # False for what is not a number, too.
        if not least <= value <= most:
            raise ValueError(f"{name}: {value!s:.40} is no number from {least:g} to {most:g}")


def _shape(data: object) -> str:
    return "empty" if data is None else f"a {type(data).__name__}"


def _said(error: BaseException, wanted: type | None) -> str:
    # A validator of attrs has the field, the wanted values and the value behind its text.
    return str(error.args[0]) if type(error) is ValueError else format_exception(error, wanted)


def definition_of(scenario: Scenario) -> Definition:
    """The shipped definition with the profile and the settings of the scenario. Raises KeyError, ValueError."""
    return _profile(scenario.ready).with_settings(**dict(scenario.settings))


@cache
def _profile(name: str) -> Definition:
    return shipped().with_profile(name)


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, omit_if_default=True)
    attrs.resolve_types(program.Fork, vars(program))
    attrs.resolve_types(Program, vars(program))
    tagged: tuple[tuple[Any, str], ...] = ((Step, "do"), (Happening, "what"), (Fault, "what"))
    for union, tag in tagged:
        configure_tagged_union(union, converter, tag_name=tag, tag_generator=kind_of)
        kinds = {kind_of(cls) for cls in get_args(union)}
        converter.register_structure_hook(union, _of_a_kind(tag, kinds, converter.get_structure_hook(union)))
    converter.register_structure_hook(float | None, lambda value, _: None if value is None else float(value))
    converter.register_structure_hook(Value, lambda value, _: value)
    return converter


def _of_a_kind(tag: str, kinds: set[str], structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(data: Any, cls: Any) -> Any:
        kind = data.get(tag) if isinstance(data, dict) else None
        if kind in _FORMERLY:
            kind = _FORMERLY[kind]
            data = {**data, tag: kind}
        if kind not in kinds:
            raise ValueError(f"{tag}: {kind!r} is none of {', '.join(sorted(kinds))}{did_you_mean(str(kind), kinds)}")
        return structure(data, cls)

    return checked


def kind_of(cls: type) -> str:
    """`LosesUevents` is `loses-uevents` in a file."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__).lstrip("-")


_CONVERTER = _converter()

"""What the engine builds from a definition is built once and lasts as long as the definition."""

from __future__ import annotations

import gc
import pickle
import weakref

import attrs

from scxlife.fsm import loads, prepare
from scxlife.fsm.definition import Definition
from scxlife.fsm.machinery import build
from scxlife.fsm.step import rules_of

LAMP = """
format: 1
machine: lamp
version: 1
initial: dark
settings:
  fade: {value: 3, doc: levels of light}
sources:
  switch: wall
profiles:
  none: {doc: no switch, sources: {switch: null}}
events:
  press: {source: switch}
states:
  dark: {sources: switch, no-deadline: it is dark}
  lit: {sources: switch, no-deadline: it is lit}
rows:
  - {in: dark, on: press, to: lit}
  - {in: lit, on: press, to: dark}
"""


def lamp() -> Definition:
    return loads(LAMP)


def test_another_setting_or_profile_needs_no_second_machine() -> None:
    definition = lamp()
    prepare(definition)
    built = build(definition)
    assert build(definition.with_settings(fade=5)) is built
    assert build(definition.with_profile("none")) is built
    assert build(attrs.evolve(definition, settings={"fade": 7})) is built


def test_many_definitions_in_turn_are_built_once_each() -> None:
    definitions = [lamp() for _ in range(20)]
    built = [build(definition) for definition in definitions]
    assert all(build(definition) is machine for definition, machine in zip(definitions, built, strict=True))
    assert len(set(map(id, built))) == len(definitions)


def test_other_cells_or_states_are_built_anew() -> None:
    definition = lamp()
    built = build(definition)
    assert build(attrs.evolve(definition, cells=dict(definition.cells))) is not built
    assert build(attrs.evolve(definition, states=dict(definition.states))) is not built


def test_what_was_built_goes_with_its_definition() -> None:
    definition = lamp()
    left = weakref.ref(rules_of(definition))
    prepare(definition)
    del definition
    gc.collect()
    assert left() is None


def test_a_built_definition_can_be_pickled() -> None:
    definition = lamp()
    prepare(definition)
    assert pickle.loads(pickle.dumps(definition)) == definition

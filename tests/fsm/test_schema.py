"""The JSON Schema: fresh, valid in itself, and of one mind with the loader about the form of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scxlife.fsm.schema import schema_text
from scxlife.fsm.yaml_reader import read_yaml

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "fsm" / "definition.schema.json"
DEFINITIONS = [ROOT / "lifecycle" / "scheduler.yaml", *sorted((ROOT / "tests" / "machines").glob("*.yaml"))]

LAMP = """\
format: 1
machine: lamp
version: 1
initial: dark
events: {press: {source: caller}}
states:
  dark: {no-deadline: it rests}
  lit: {no-deadline: it shines}
rows:
  - {in: dark, on: press, to: lit}
  - {in: lit, on: press, to: dark}
"""


def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def data(text: str | bytes) -> Any:
    return read_yaml(text.encode() if isinstance(text, str) else text, "lamp.yaml")[0]


def test_the_schema_is_fresh() -> None:
    assert schema_text() == FILE.read_text(), "stale: scxlife schema > fsm/definition.schema.json"


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.name)
def test_a_sound_definition_is_valid(file: Path) -> None:
    assert list(validator().iter_errors(data(file.read_bytes()))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("machine: lamp", "machine: [lamp]"),
        ("version: 1", "version: one"),
        ("format: 1", "format: 2"),
        ("initial: dark\n", ""),
        ("to: lit", "too: lit"),
        ("in: dark, ", ""),
        ("on: press, to: lit", "on: {press: 1}, to: lit"),
        ("{no-deadline: it rests}", "{no_deadline: it rests}"),
        ("press: {", "bad name: {"),
        ("{source: caller}", "[caller]"),
    ],
)
def test_a_mistake_of_form_is_invalid(old: str, new: str) -> None:
    text = LAMP.replace(old, new, 1)
    assert text != LAMP
    assert validator().is_valid(data(LAMP))
    assert not validator().is_valid(data(text))


def test_a_part_for_others_to_include_needs_no_machine() -> None:
    assert validator().is_valid(data("format: 1\nstates:\n  dark: {no-deadline: it rests}\n"))


def test_every_key_says_what_it_means() -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key, inner in node.get("properties", {}).items():
                assert inner.get("description"), key
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(json.loads(FILE.read_text()))

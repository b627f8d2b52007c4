"""What is drawn: a small machine that has one of each thing that a drawing tells apart, and every one in the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from scxlife.fsm.definition import Definition
from scxlife.fsm.loader import load, loads

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "lifecycle" / "scheduler.yaml"
FILES = [
    *(ROOT / "lifecycle" / f"{name}.yaml" for name in ("scheduler", "boot", "operations")),
    *sorted((ROOT / "tests" / "machines").glob("*.yaml")),
]

KETTLE = """\
format: 1
machine: kettle
version: 2
doc: Boils water, once.
initial: cold
settings: {patience: {value: 90s}, rest: {value: null}}
sources: {sensor: sensor}
events:
  fault: {source: action}
  press: {source: caller}
  lift: {source: caller}
  boils: {source: sensor}
  level: {source: sensor}
  dry: {source: sensor}
  boil_late: {timer: patience}
  cooled: {timer: rest}
guards: {filled: there is water in it}
actions: {heater_on: power, heater_off: no power, show_level: a light}
outcomes: {served: {doc: tea}, broken: {doc: no tea}}
states:
  cold: {doc: "it stands, and waits", no-deadline: it may stand for ever}
  heating: {sources: sensor, deadlines: boil_late, entry: heater_on, exit: heater_off}
  hot: {deadlines: cooled}
  served: {final: served}
  broken: {final: broken}
rows:
  - {in: cold, on: press, if: filled, to: heating, note: it clicks}
  - {in: heating, on: boils, to: hot}
  - {in: heating, on: [press, dry], to: cold}
  - {in: heating, on: level, do: show_level}
  - {in: heating, on: [boil_late, fault], to: broken}
  - {in: hot, on: press, to: hot}
  - {in: hot, on: lift, to: served}
  - {in: hot, on: cooled, to: cold}
  - {in: hot, on: fault, to: broken}
defer:
  - {in: heating, on: lift, because: it is too early}
ignore:
  - {in: cold, on: press, because: it is empty}
  - {in: cold, on: [lift, fault], because: nothing is hot}
"""


@pytest.fixture
def kettle() -> Definition:
    return loads(KETTLE, "kettle.yaml")


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """The machines that are shipped, and every one of the tests."""
    return FILES


@pytest.fixture(scope="session", params=FILES, ids=lambda file: str(file.stem))
def machine(request: pytest.FixtureRequest) -> Definition:
    """Each of `files` in turn."""
    return load(request.param)


@pytest.fixture(scope="session")
def shipped() -> Definition:
    return load(SHIPPED)

"""The catalogue fits the code, and a sample of it is killed here; `make mutants` runs all of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml

from scxlife.lifecycle.simulated.properties import PROPERTIES

from .catalogue import LOADER, ROOT, Mutant, catalogue, not_put_back
from .laboratory import Laboratory, Verdict, laboratory
from .page import GENERAL, page

PAGE = ROOT / "docs" / "mutants.md"
BEHAVIOURS = ROOT / "tests" / "behaviours.yaml"
MUTANTS = {mutant.name: mutant for mutant in catalogue()}

# One for each way to be noticed: a property, the loader, a story, a real process.
SAMPLE = (
    "reaped-without-a-wait",
    "no-exit-status",
    "own-kill-is-a-crash",
    "stop-is-for-what-runs",
    "pins-hold-nothing",
    "milliseconds-cut-off",
)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_mutant_fits_the_code_and_its_killer_is_there(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    assert mutant.applied(text) != text
    if mutant.attacked:
        assert mutant.killer in {*PROPERTIES, LOADER}
    else:
        path, _, test = mutant.killer.partition("::")
        assert f"def {test.partition('[')[0]}" in (ROOT / path).read_text()


def test_names_are_told_apart_and_ids_are_those_of_the_behaviours() -> None:
    assert [name for name, count in Counter(mutant.name for mutant in catalogue()).items() if count > 1] == []
    known = set(yaml.safe_load(BEHAVIOURS.read_text()))
    assert {id for mutant in catalogue() for id in mutant.ids} | set(not_put_back()) <= known


def test_every_defect_of_the_reference_is_put_back_or_its_absence_explained() -> None:
    put_back = {id for mutant in catalogue() for id in mutant.ids}
    assert [f"defect-{n}" for n in range(1, 23) if f"defect-{n}" not in put_back | set(not_put_back())] == []
    assert len(MUTANTS) >= 45


def test_the_page_has_the_mutants_of_the_catalogue_as_they_are_and_no_survivor() -> None:
    text, _, _ = PAGE.read_text().partition(GENERAL)
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*) \| (.*?) \| (.+?) \|[^|]*\|[^|]*\|$", text, re.MULTILINE)
    assert [row[:3] for row in rows] == [(m.name, ", ".join(m.ids), m.belief) for m in MUTANTS.values()]
    for name, _, _, by in rows:
        killer = MUTANTS[name].killer.partition("[")[0]
        assert by.strip("`").startswith(killer)
    assert f"{len(MUTANTS)} of {len(MUTANTS)} killed" in text


def test_what_is_made_of_the_catalogue_leaves_the_rest_of_the_page() -> None:
    clean = Verdict(None, 2000, 34.0)
    made = page(clean, [(next(iter(MUTANTS.values())), Verdict("noticed", 3, 1.0))], f"old\n{GENERAL}\n\nkept\n")
    assert made.count("old") == 0
    assert made.endswith(f"\n\n{GENERAL}\n\nkept\n")


@pytest.fixture(scope="module")
def room() -> Iterator[Laboratory]:
    with laboratory() as made:
        yield made


@pytest.mark.parametrize("name", SAMPLE)
def test_what_is_put_back_is_noticed(room: Laboratory, name: str) -> None:
    assert room.judged(MUTANTS[name]).by is not None

"""What is made from the code stands in the pages as it would be made now, and leaves nothing out."""

from __future__ import annotations

import re

import attrs
import pytest
from tests.docs.command_help import helps
from tests.docs.generated import COMMAND, DOCS, MAKERS, fresh, names

from scxlife.fsm.definition import DEFER, GO
from scxlife.lifecycle.cli import COMMANDS
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import Outcome

LIFECYCLE = (DOCS / "lifecycle.md").read_text()
# Sentences of our own beside a table are more than this.
SOME_WORDS = 20


def section(state: str) -> str:
    return re.split(r"^#{2,3} ", LIFECYCLE.split(f"\n### {state}\n")[1], flags=re.MULTILINE)[0]


def in_words(text: str) -> str:
    """As every Python says it: argparse wraps elsewhere from 3.13 on, and writes `-o, --output FILE`."""
    return re.sub(r"(-\w) ([A-Z]+), (--[\w-]+) \2", r"\1, \3 \2", " ".join(text.split()))


@pytest.mark.parametrize("page", MAKERS)
def test_a_page_has_what_would_be_made_now(page: str) -> None:
    assert names(page)
    shown, wanted = (DOCS / page).read_text(), fresh(page)
    if page == "commands.md":
        shown, wanted = in_words(shown), in_words(wanted)
    assert shown == wanted, f"docs/{page} is out of date; renew it with: {COMMAND}"


def test_make_knows_the_command_that_the_failure_names() -> None:
    recipe = (DOCS.parent / "Makefile").read_text().split("\npages: ")[1].splitlines()[1]
    assert recipe == "\t$(BIN)/python -m tests.docs.generated"


@pytest.mark.parametrize("state", shipped().states)
def test_every_state_has_its_section_with_every_way_out_of_it(state: str) -> None:
    definition, text = shipped(), section(state)
    for event in definition.events:
        for branch in definition.cells[state, event]:
            decision = branch.decision
            if decision.kind not in (GO, DEFER):
                continue
            goes = "is kept" if decision.kind == DEFER else "stays" if decision.internal else f"[{decision.target}]"
            rows = [line for line in text.splitlines() if line.startswith(f"| `{event}`") and goes in line]
            assert any((decision.verdict or "") in row and decision.reason in row for row in rows), (event, decision)
    for deadline in definition.states[state].deadlines:
        assert f"- deadline `{deadline}`: `{definition.events[deadline].timer}`" in text


@pytest.mark.parametrize("state", shipped().states)
def test_every_state_is_explained_in_words_too(state: str) -> None:
    ours = section(state).partition("<!-- generated")[0]
    assert len(ours) > SOME_WORDS, ours


def test_every_region_of_the_lifecycle_is_of_a_state_or_of_all() -> None:
    states = [name.removeprefix("state ") for name in names("lifecycle.md") if name.startswith("state ")]
    assert states == list(shipped().states)


def test_every_command_has_its_help() -> None:
    shown = re.findall(r"^## (scxlife.*)$", (DOCS / "commands.md").read_text(), re.MULTILINE)
    assert shown == list(helps())
    assert {f"scxlife {name}" for name in COMMANDS} < {*shown}


def test_every_field_of_an_outcome_is_told() -> None:
    table = (DOCS / "outcomes.md").read_text().partition("## The JSON")[2]
    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert told == [field.name for field in attrs.fields(Outcome)] + ["definition", "version"]

"""The table as Markdown, as a Markdown reader takes it."""

from __future__ import annotations

import re
from html import unescape

import attrs
import pytest
from markdown_it import MarkdownIt

from scxlife.diagrams.markdown import markdown
from scxlife.fsm.definition import GO, IGNORE, Branch, Definition

from .rings import HOSTILE, ring, shown

READER = MarkdownIt("commonmark").enable("table")


def plain(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each table of the page, row by row, without the rows of headings."""
    found = re.findall(r"<table>.*?</table>", READER.render(text), re.DOTALL)
    rows = [re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:] for table in found]
    return [[[plain(cell) for cell in re.findall(r"<td>.*?</td>", row)] for row in table] for table in rows]


def expected(branch: Branch) -> list[str]:
    decision = branch.decision
    leaves = decision.kind == GO and not decision.internal
    reason = [*(["the deadline starts over"] if decision.again else []), *filter(None, [decision.reason])]
    return [
        decision.event,
        ", ".join(name if wanted else f"not {name}" for name, wanted in branch.guards),
        "stay" if decision.kind == GO and not leaves else decision.kind,
        decision.target if leaves else "",
        ", ".join(decision.actions),
        decision.verdict or "",
        "; ".join(reason),
    ]


def test_every_branch_of_every_cell_has_its_line(machine: Definition) -> None:
    overview, *states = tables(markdown(machine))
    assert [row[0] for row in overview] == list(machine.states)
    assert {len(row) for row in overview} == {len(machine.events) + 1}
    for name, rows in zip(machine.states, states, strict=True):
        told = [[*row[:2], row[2].split()[1], *row[3:]] for row in rows]
        branches = [branch for event in machine.events for branch in machine.cells[name, event]]
        assert [[" ".join(cell.split()) for cell in expected(branch)] for branch in branches] == told


def test_the_overview_tells_the_kinds_apart(kettle: Definition) -> None:
    overview = {row[0]: row[1:] for row in tables(markdown(kettle))[0]}
    columns = list(kettle.events)
    heating, cold = (dict(zip(columns, overview[state], strict=True)) for state in ("heating", "cold"))
    assert (heating["boils"], heating["level"], heating["lift"], heating["cooled"]) == ("→ hot", "↻", "»", "⊘")
    assert cold["lift"] == "–"
    assert cold["press"] == "[filled] → heating–"


def test_any_name_is_shown_as_it_is() -> None:
    machine = ring(HOSTILE)
    text = markdown(machine)
    html = READER.render(text)
    names = [shown(name) for name in HOSTILE]
    assert [plain(head) for head in re.findall(r"<h2>.*?</h2>", html)] == names
    assert plain(re.findall(r"<p>.*?</p>", html)[0]) == shown(" ".join(HOSTILE))
    overview, *states = tables(text)
    assert [row[0] for row in overview] == names
    for index, rows in enumerate(states):
        assert [row[0] for row in rows] == names
        assert rows[index][3] == names[(index + 1) % len(names)], "the target"
        assert [row[4] for row in rows] == [row[6] for row in rows] == names, "the actions and the reason"
        assert {row[2] for row in rows} == {"→ go", f"– {IGNORE}"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_doc_that_begins_like_markup_is_a_paragraph(kettle: Definition, name: str) -> None:
    html = READER.render(markdown(attrs.evolve(kettle, doc=name)))
    assert plain(html.split("\n")[1]) == shown(name)
    assert html.split("\n")[1].startswith("<p>")


def test_a_diff_shows_the_cell_that_has_changed(kettle: Definition) -> None:
    cells = dict(kettle.cells)
    (branch,) = cells["hot", "lift"]
    cells["hot", "lift"] = (Branch((("filled", True),), branch.decision),)
    changed = attrs.evolve(kettle, cells=cells)
    before, after = markdown(kettle).splitlines(), markdown(changed).splitlines()
    assert len(before) == len(after)
    assert [new for old, new in zip(before, after, strict=True) if old != new and "| lift |" in new] == [
        "| lift | filled | → go | served |  |  |  |"
    ]
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 2, "there and in the overview"

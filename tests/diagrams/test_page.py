"""The table as an HTML file, as an HTML reader takes it."""

from __future__ import annotations

from html.parser import HTMLParser

from scxlife.diagrams.page import page
from scxlife.fsm.definition import GO, Definition

from .rings import HOSTILE, ring, shown

VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Collects each row's cells as text, every element's name and classes, and sees that each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.classes: list[set[str]] = []
        self.seen: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag} | {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "br" and "table" in self._open:
            self.handle_data(" ")
        if tag not in VOID:
            self._open.append(tag)
        if tag == "small":
            self.handle_data("\n")
        self.classes.append(set((dict(attrs).get("class") or "").split()))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in ("div", "summary"):
            self.handle_data("\n")

    def handle_data(self, data: str) -> None:
        if self.rows and {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data.replace("\xa0", " ")


def test_every_cell_tells_all_of_its_branches(machine: Definition) -> None:
    head, *rows = Reader(page(machine)).rows
    assert [cell.splitlines()[0] for cell in head] == ["state", *machine.events]
    assert [row[0].splitlines()[0] for row in rows] == list(machine.states)
    for state, row in zip(machine.states, rows, strict=True):
        for event, cell in zip(machine.events, row[1:], strict=True):
            for branch in machine.cells[state, event]:
                decision = branch.decision
                leaves = decision.kind == GO and not decision.internal
                words = [*decision.actions, decision.verdict or "", " ".join(decision.reason.split())]
                words += [name if wanted else f"not {name}" for name, wanted in branch.guards]
                words.append(f"→ {decision.target}" if leaves else "↻ stay" if decision.kind == GO else decision.kind)
                assert [word for word in words if word not in cell] == []


def test_kinds_and_verdicts_are_told_by_words_and_signs_as_well(kettle: Definition) -> None:
    head, *rows = Reader(page(kettle)).rows
    cells = {
        (row[0].splitlines()[0], name.splitlines()[0]): cell.strip()
        for row in rows
        for name, cell in zip(head, row, strict=True)
    }
    assert cells["heating", "boils"] == "→ hot / heater_off"
    assert cells["heating", "level"] == "↻ stay / show_level"
    assert cells["heating", "lift"] == "» defer it is too early"
    assert cells["cold", "lift"] == "– ignore\nnothing is hot"
    assert cells["heating", "cooled"] == "⊘ impossible\nthis deadline is not armed here"


def test_it_needs_nothing_beside_itself(shipped: Definition) -> None:
    text = page(shipped)
    assert not {"script", "link", "src", "href", "onclick"} & Reader(text).seen
    assert "url(" not in text and "@import" not in text and "://" not in text
    assert "default-src 'none'; style-src 'unsafe-inline'\"" in text
    assert "prefers-color-scheme: dark" in text
    assert '<meta name="viewport"' in text


def test_a_noted_verdict_is_marked(shipped: Definition) -> None:
    reader = Reader(page(shipped))
    noting = [branch for cell in shipped.cells.values() for branch in cell if branch.decision.verdict]
    assert sum("failed" in classes for classes in reader.classes) == len(noting) + 1, "and once in the legend"


def test_any_name_is_shown_as_it_is() -> None:
    text = page(ring(HOSTILE))
    reader = Reader(text)
    assert "script" not in reader.seen
    head, *rows = reader.rows
    names = [shown(name) for name in HOSTILE]
    assert [cell.splitlines()[0] for cell in head[1:]] == names
    assert [row[0].splitlines()[0] for row in rows] == names
    for index, row in enumerate(rows):
        target = names[(index + 1) % len(names)]
        assert row[index + 1].strip() == f"→ {target} / {names[index]} {names[index]}"

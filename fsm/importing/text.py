"""A draft as YAML, as a person would write it: a line for a row, comments where something could not be kept."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from scxlife.fsm.definition import BY_CALLER, GO, KINDS
from scxlife.fsm.json_text import json_text
from scxlife.fsm.names import NAME

from .chart import Node, clean
from .draft import Draft, Pair, Row

_WIDTH = 118
# Columns are lined up as long as that leaves the rows on one line.
_COLUMN = 20
_PLAIN = re.compile(r"[A-Za-z(][A-Za-z0-9 _/().;'+=<>!|&?*~-]*")
_TRUTH = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_UNUSED = "# used in what is left out: "
ANY = "*"


def draft_text(draft: Draft) -> str:
    """The YAML of `draft`, which loads without errors."""
    return "\n".join([*_Text(draft).lines(), ""])


def _text(value: str) -> str:
    """A text for a flow mapping, in quotes where YAML would read another thing."""
    value = clean(value, 400)
    if _PLAIN.fullmatch(value) and value.lower() not in _TRUTH and not value.endswith(" "):
        return value
    if '"' in value and value.isprintable():
        return "'{}'".format(value.replace("'", "''"))
    return json_text(_ASTRAL.sub(lambda found: found[0] if found[0].isprintable() else "?", value))


def _name(value: str) -> str:
    return value if NAME.fullmatch(value) and value.lower() not in ("true", "false", "null") else json_text(value)


def _meaning(name: str) -> str:
    """What a name says by itself, for want of a better text."""
    return _text(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_.-]+", " ", name).strip().lower() or name)


def _names(values: Sequence[str]) -> str:
    return _name(values[0]) if len(values) == 1 else f"[{', '.join(map(_name, values))}]"


def _comments(remarks: Iterable[str], indent: str = "") -> Iterator[str]:
    for remark in remarks:
        lines = textwrap.wrap(clean(remark, 2_000), _WIDTH - len(indent) - 2, break_long_words=True) or [""]
        yield from (f"{indent}# {line}" for line in lines)


class _Text:
    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.chart = draft.chart
        self.labels: dict[tuple[str, ...], str] = {}
        living = draft.living
        for name, members in reversed(draft.groups.items()):
            alive = tuple(member for member in members if member in living)
            if len(alive) > 1:
                self.labels[tuple(sorted(alive))] = name
        if len(living) > 1:
            self.labels[tuple(sorted(living))] = ANY
        self.rows = [part for row in draft.rows for part in _parts(row)]
        self.by_name = self._narrowed()

    def _label(self, states: Sequence[str]) -> str | None:
        return self.labels.get(tuple(sorted(states)))

    def _narrowed(self) -> set[int]:
        """The rows that must name their states one by one: of two rows for a cell the engine asks the narrower first,
        and that must not be the later one."""
        # Rows without guards are asked last among equals: these must not be narrower than rows before them.
        narrowed: set[int] = set()
        cells: dict[Pair, list[int]] = {}
        order = sorted(range(len(self.rows)), key=lambda index: KINDS.index(self.rows[index].kind))
        for index in order:
            if not self.rows[index].dropped:
                for pair in self.rows[index].cells:
                    cells.setdefault(pair, []).append(index)
        crowded = [indexes for indexes in cells.values() if len(indexes) > 1]

        def width(index: int) -> int:
            label = None if index in narrowed else self._label(_states(self.rows[index]))
            return 0 if label is None else 2 if label == ANY else 1

        changed = True
        while changed:
            changed = False
            for indexes in crowded:
                for earlier, later in pairwise(indexes):
                    if width(later) < width(earlier):
                        narrowed.add(earlier)
                        changed = True
        return narrowed

    # -- the file ------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        chart, draft = self.chart, self.draft
        yield from _comments([f"Drafted by `scxlife import` from {chart.origin}."])
        if draft.unsaid or draft.partly:
            cells = len(draft.living) * sum(event.source == BY_CALLER for event in chart.events.values())
            counted = f"the original leaves {draft.unsaid} unsaid, and {draft.partly} where no guard holds"
            decide = "Decide each: a row, ignore, defer, reject or impossible."
            yield "#"
            yield from _comments(
                [
                    f"Of {cells} cells for what callers send, {counted}. They stand below `undecided`, as what the "
                    f"original does there. {decide}"
                ]
            )
        if chart.remarks:
            yield "#"
            yield from _comments(f"Not converted: {remark}" for remark in chart.remarks)
        yield ""
        yield "format: 1"
        yield f"machine: {_name(chart.named('machine', chart.name))}"
        yield "version: 1"
        if chart.doc:
            yield f"doc: {_text(chart.doc)}"
        yield from _comments(draft.initial_remarks)
        yield f"initial: {_name(draft.initial)}"
        yield from self._section("settings", self._settings())
        yield from self._section("sources", (f"  {_name(name)}: {_name(kind)}" for name, kind in chart.sources.items()))
        if chart.events:
            yield from self._section("events", self._events())
        else:
            yield from ("", "events: {}")
        yield from self._section("guards", self._documented(chart.guards))
        yield from self._section("actions", self._actions())
        yield from self._section("outcomes", self._outcomes())
        yield from self._section(
            "groups",
            (f"  {_name(name)}: [{', '.join(map(_name, members))}]" for name, members in self._used_groups()),
        )
        yield from self._section("states", self._states())
        yield from self._tables()

    @staticmethod
    def _section(name: str, lines: Iterable[str]) -> Iterator[str]:
        found = list(lines)
        if found:
            commented = all(line.lstrip().startswith("#") for line in found)
            yield ""
            yield f"# {name}:" if commented else f"{name}:"
            yield from found

    def _settings(self) -> Iterator[str]:
        for name, setting in self.chart.settings.items():
            doc = f", doc: {_text(setting.doc)}" if setting.doc else ""
            yield f"  {_name(name)}: {{value: {setting.value}{doc}}}"

    def _events(self) -> Iterator[str]:
        names = {name: _name(name) + ":" for name in self.chart.events}
        column = min(max(map(len, names.values()), default=0), _COLUMN)
        for name, event in self.chart.events.items():
            parts = [f"timer: {_name(event.timer)}" if event.timer else f"source: {_name(event.source)}"]
            parts += [f"rank: {event.rank}"] if event.rank is not None else []
            parts += [f"doc: {_text(event.doc)}"] if event.doc else []
            yield f"  {names[name].ljust(column)} {{{', '.join(parts)}}}"

    def _documented(self, texts: dict[str, str]) -> Iterator[str]:
        used = {guard for row in self.rows if not row.dropped for guard, _ in row.guards}
        for name, doc in texts.items():
            yield f"  {'' if name in used else _UNUSED}{_name(name)}: {_text(doc) if doc else _meaning(name)}"

    def _actions(self) -> Iterator[str]:
        used = self.draft.used_actions
        for name, action in self.chart.actions.items():
            mark = "" if name in used else _UNUSED
            doc = _text(action.doc) if action.doc else _meaning(name)
            if action.posts:
                posts = _names(action.posts)
                yield f"  {mark}{_name(name)}: {{{f'doc: {doc}, ' if action.doc else ''}posts: {posts}}}"
            else:
                yield f"  {mark}{_name(name)}: {doc}"

    def _outcomes(self) -> Iterator[str]:
        for name, doc in self.draft.outcomes.items():
            yield f"  {_name(name)}: {{doc: {_text(doc)}}}" if doc else f"  {_name(name)}: {{}}"

    def _used_groups(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return ((name, members) for name, members in self.draft.groups.items() if len(members) > 1)

    # -- states and rows -----------------------------------------------------------------------------------------

    def _states(self) -> Iterator[str]:
        for name, node in self.draft.states.items():
            if name in self.draft.dropped:
                yield from _comments([f"left out, {self.draft.dropped[name]}:"], "  ")
                yield from (f"  # {line.removeprefix('  ')}" for line in self._state(name, node))
            else:
                yield from self._state(name, node)

    def _state(self, name: str, node: Node) -> Iterator[str]:
        yield f"  {_name(name)}:"
        yield from _comments(node.remarks, "    ")
        if node.doc:
            yield f"    doc: {_text(node.doc)}"
        for key in ("entry", "exit", "sources", "deadlines"):
            names = tuple(dict.fromkeys(getattr(node, key))) if key != "entry" else getattr(node, key)
            if names:
                yield f"    {key}: {_names(names)}"
        if node.outcome:
            yield f"    final: {_name(node.outcome)}"
        elif not node.deadlines:
            yield "    no-deadline: the original sets none"

    def _tables(self) -> Iterator[str]:
        if any(row.kind == GO for row in self.rows):
            yield ""
            yield "rows:" if any(row.kind == GO and not row.dropped for row in self.rows) else "# rows:"
        by_kind: dict[str, list[tuple[int, Row]]] = {kind: [] for kind in KINDS}
        for index, row in enumerate(self.rows):
            by_kind[row.kind].append((index, row))
        for kind, rows in by_kind.items():
            if not rows:
                continue
            if kind != GO:
                yield ""
                yield f"{kind}:" if any(not row.dropped for _, row in rows) else f"# {kind}:"
            columns = self._columns([each for each in rows if not each[1].dropped])
            undecided = False
            for index, row in rows:
                if row.filled and kind != GO and self._is_undecided(row) and not undecided:
                    undecided = True
                    yield "  # ---- undecided"
                line = self._row(index, row, columns)
                yield from _comments(row.remarks, "  ")
                if row.dropped:
                    yield from _comments([f"{row.dropped}:"], "  ")
                    yield f"  # {line}"
                else:
                    yield f"  {line}"

    def _is_undecided(self, row: Row) -> bool:
        return row.reason.endswith(self.chart.because) and bool(self.chart.because)

    def _where(self, index: int, row: Row) -> tuple[str, str]:
        states, events = _states(row), list(dict.fromkeys(event for _, event in row.cells))
        label = None if index in self.by_name or row.dropped else self._label(states)
        return '"*"' if label == ANY else _name(label) if label else _names(states), _names(events)

    def _columns(self, rows: list[tuple[int, Row]]) -> tuple[int, int]:
        found = [self._where(index, row) for index, row in rows]
        states = [len(where) for where, _ in found if len(where) <= _COLUMN]
        events = [len(event) for _, event in found if len(event) <= _COLUMN]
        return max(states, default=0), max(events, default=0)

    def _row(self, index: int, row: Row, columns: tuple[int, int]) -> str:
        where, event = self._where(index, row)
        rest = []
        wanted = [name for name, value in row.guards if value]
        unwanted = [name for name, value in row.guards if not value]
        rest += [f"if: {_names(wanted)}"] if wanted else []
        rest += [f"unless: {_names(unwanted)}"] if unwanted else []
        rest += [f"to: {_name(row.to)}"] if row.to else []
        rest += [f"do: {_names(row.do)}"] if row.do else []
        rest += ["again: true"] if row.again else []
        if row.reason and row.kind == GO:
            rest.append(f"note: {_text(row.reason)}")
        elif row.kind != GO:
            rest.append(f"because: {_text(row.reason or 'the original does nothing here')}")
        start = f"- {{in: {f'{where},':<{columns[0] + 1}} on: "
        if not rest:
            return f"{start}{event}}}"
        line = f"{start}{f'{event},':<{columns[1] + 1}} {', '.join(rest)}}}"
        if len(line) <= _WIDTH or row.dropped:
            return line
        return f"{start}{event},\n     {', '.join(rest)}}}"


def _states(row: Row) -> list[str]:
    return list(dict.fromkeys(state for state, _ in row.cells))


def _parts(row: Row) -> Iterator[Row]:
    """The row, or several where its cells are no product of states and events."""
    import attrs

    by_states: dict[tuple[str, ...], list[str]] = {}
    for event in dict.fromkeys(event for _, event in row.cells):
        states = tuple(state for state, other in row.cells if other == event)
        by_states.setdefault(states, []).append(event)
    for number, (states, events) in enumerate(by_states.items()):
        cells = [(state, event) for state in states for event in events]
        yield attrs.evolve(row, cells=cells, remarks=row.remarks if number == 0 else [])

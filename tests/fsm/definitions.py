"""Random definitions that are sound: total, without a shadowed row, every state on a way from the start to an end.

A `Sketch` is a handful of bytes; `Draft` makes a sound document of any sketch, so that nothing is thrown away while
drawing, and a smaller sketch is a smaller machine. Rows that would be refused are left out or become `ignore`: what the
loader refuses, and why, is in its own tests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

import attrs
from hypothesis import strategies as st

from scxlife.fsm.definition import BY_ACTION, BY_CALLER, DEFER, FAULT, GO, IGNORE, IMPOSSIBLE, REJECT, VERDICT

T = TypeVar("T")
Guards = tuple[tuple[str, bool], ...]
CellKey = tuple[str, str]
Nearness = tuple[int, int]

# Where each kind of row stands in the file.
SECTIONS = {GO: "rows", IGNORE: "ignore", DEFER: "defer", REJECT: "reject", IMPOSSIBLE: "impossible"}
OUTCOMES = ("good", "bad/worse", "bad/worst")

# How often a rule says what, and how it parts its cells by guards: a branch for each item, a guard for each number,
# wanted false where it is negative.
KINDS = (GO, GO, GO, IGNORE, DEFER, DEFER, REJECT, IMPOSSIBLE)
FORKS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((),),
    ((1,),),
    ((1,), (-1,)),
    ((1,), ()),
    ((-1,), (1, 2)),
    ((1, -2), (2,), (-1,)),
)
DURATIONS = (1, 2, 0.5, 1, 0, None)
RANKS = (None, None, None, 0, 1, -1, -10, 100)


# -- what is drawn ---------------------------------------------------------------------------------------------


def records(size: int, least: int, most: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.binary(min_size=size, max_size=size), min_size=least, max_size=most)


@attrs.frozen
class Sketch:
    """What was drawn: how much there is of everything, then a record for each state, end, event, action and rule."""

    counts: bytes
    states: list[bytes]
    finals: list[bytes]
    ranks: bytes
    posts: bytes
    groups: list[bytes]
    rules: list[bytes]
    rest: bytes


sketches = st.builds(
    Sketch,
    counts=st.binary(min_size=8, max_size=8),
    states=records(20, 1, 6),
    finals=records(3, 0, 2),
    ranks=st.binary(max_size=12),
    posts=st.binary(max_size=2),
    groups=records(3, 0, 2),
    rules=records(20, 0, 12),
    rest=st.binary(max_size=13),
)


class Numbers:
    """Reads choices from a record; behind its end stands the first of everything."""

    def __init__(self, record: bytes) -> None:
        self._left = iter(record)

    def below(self, count: int) -> int:
        return next(self._left, 0) % count

    def one(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], most: int) -> list[T]:
        """Up to `most` of the items, each once; none rather often."""
        numbers = [next(self._left, 0) for _ in range(most)]
        return list(dict.fromkeys(items[n % len(items)] for n in numbers if n >= 112)) if items else []


# -- what it means ---------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Row:
    """A row on its way into the document. `fixed` ones hold the machine together."""

    kind: str
    scope: str
    events: tuple[str, ...]
    guards: Guards = ()
    to: str | None = None
    do: tuple[str, ...] = ()
    verdict: str | None = None
    fixed: bool = False


Cells = Mapping[CellKey, list[Row]]


class Draft:
    """A document in the making: its declarations first, then rows, then what is wrong with them is set right.

    A `plain` one keeps to what `transitions` has a word for: no source, no deadline, no event of an action, nothing
    deferred, actions of a row only where the machine stays, and what is refused is refused whatever the guards say.
    """

    def __init__(self, sketch: Sketch, plain: bool = False) -> None:
        self.plain = plain
        self._declare(sketch)
        self._declare_states(sketch)
        self.rows: list[Row] = []
        self._lead_on(Numbers(bytes(b for record in sketch.states for b in record[8:])))
        for record in sketch.rules:
            self._rule(Numbers(record))
        self._rest(Numbers(sketch.rest))
        self._settle()

    # -- declarations ------------------------------------------------------------------------------------------

    def _declare(self, sketch: Sketch) -> None:
        counts = Numbers(sketch.counts)
        callers = 1 + counts.below(3)
        said = 0 if self.plain else len(sketch.posts)
        self.actions: dict[str, list[str]] = {f"a{n}": [] for n in range(max(counts.below(5), min(1, said)))}
        self.guards = [f"g{n}" for n in range(counts.below(4))]
        self.sources = [f"sensor{n}" for n in range(0 if self.plain else counts.below(3))]
        self.timers = [f"late{n}" for n in range(0 if self.plain else counts.below(4))]
        self.settings = {f"time{n}": counts.one(DURATIONS) for n in range(len(self.timers))}
        self.events: dict[str, dict[str, Any]] = {f"call{n}": {"source": BY_CALLER} for n in range(callers)}
        for source in self.sources:
            self.events |= {f"{source}_fact{n}": {"source": source} for n in range(1 + counts.below(2))}
        if self.actions:
            self.events[FAULT] = {"source": BY_ACTION}
        for n in range(said):
            self.events[f"said{n}"] = {"source": BY_ACTION}
            for by in (sketch.posts[n], sketch.posts[n] // 16):
                posts = list(self.actions.values())[by % len(self.actions)]
                posts += [f"said{n}"] * (f"said{n}" not in posts)
        self.events |= {name: {"timer": f"time{n}"} for n, name in enumerate(self.timers)}
        ranks = Numbers(sketch.ranks)
        for event in self.events.values():
            rank = ranks.one(RANKS)
            event |= {} if rank is None else {"rank": rank}

    def _declare_states(self, sketch: Sketch) -> None:
        actions = list(self.actions)
        self.states: dict[str, dict[str, Any]] = {}
        for n, record in enumerate(sketch.states):
            numbers = Numbers(record)
            self.states[f"s{n}"] = {
                "sources": numbers.some(self.sources, 2),
                "deadlines": numbers.some(self.timers, 2),
                "entry": numbers.some(actions, 2),
                "exit": numbers.some(actions, 2),
            }
        self.living = list(self.states)
        for n, timer in enumerate(self.timers):  # each is armed somewhere
            if not any(timer in state["deadlines"] for state in self.states.values()):
                self.states[self.living[n % len(self.living)]]["deadlines"].append(timer)
        for n, record in enumerate(sketch.finals):
            numbers = Numbers(record)
            self.states[f"end{n}"] = {"final": numbers.one((VERDICT, *OUTCOMES)), "entry": numbers.some(actions, 2)}
        self.finals = [name for name in self.states if name not in self.living]
        self.groups = {
            f"band{n}": list(dict.fromkeys(self.living[b % len(self.living)] for b in record))
            for n, record in enumerate(sketch.groups)
        }

    def hears(self, state: str, event: str) -> bool:
        """Whether the event can come in the state, as far as the declarations tell."""
        declared, here = self.events[event], self.states[state]
        if "timer" in declared:
            return event in here["deadlines"]
        return declared["source"] not in self.sources or declared["source"] in here["sources"]

    def by_action(self, event: str) -> bool:
        return self.events[event].get("source") == BY_ACTION

    # -- rows --------------------------------------------------------------------------------------------------

    def _lead_on(self, numbers: Numbers) -> None:
        """One state leads to the next and the last to an end, so that all are reached and none is a trap. Every
        deadline leads somewhere."""
        ways = list(zip(self.living, self.living[1:], strict=False))
        ways += [(self.living[-1 - n % len(self.living)], final) for n, final in enumerate(self.finals)]
        if not self.finals and len(self.living) > 1:
            ways.append((self.living[-1], self.living[0]))
        settled: set[CellKey] = set()
        for state, to in ways:
            heard = [event for event in self.events if self.hears(state, event) and not self.by_action(event)]
            free = [event for event in heard if (state, event) not in settled]
            if not free:  # a second way out of a state that hears one event alone
                self.events["leave"] = {"source": BY_CALLER}
                free = ["leave"]
            event = numbers.one(free)
            settled.add((state, event))
            self.rows.append(self._row(numbers, GO, state, (event,), self._wanted(numbers), to, fixed=True))
        for state in self.living:
            for timer in self.states[state]["deadlines"]:
                if (state, timer) not in settled:
                    if numbers.below(2) and self.guards:  # while a guard does not hold it starts over
                        wanted = ((self.guards[0], False),)
                        self.rows.append(Row(GO, state, (timer,), wanted))
                    guards = self._wanted(numbers)
                    back = self._target(state, numbers) or state
                    self.rows.append(self._row(numbers, GO, state, (timer,), guards, back, fixed=True))

    def _rule(self, numbers: Numbers) -> None:
        """A row for each branch of one of the forks, in a state, a group or everywhere."""
        scope = numbers.one([*self.living, *self.groups, "*"])
        heard = [event for event in self.events if scope not in self.living or self.hears(scope, event)]
        events: tuple[str, ...] = (numbers.one(heard),)
        if numbers.below(3) == 2:
            events = tuple(dict.fromkeys((*events, numbers.one([*heard, "*"]))))
        base = numbers.below(4)
        for literals in numbers.one(FORKS) if self.guards else FORKS[0]:
            guards = {self.guards[(base + abs(n)) % len(self.guards)]: n > 0 for n in literals}
            kind, to = numbers.one(KINDS), self._target(scope, numbers)
            self.rows.append(self._row(numbers, kind, scope, events, tuple(guards.items()), to))
            if kind == DEFER and scope in self.living[:-1]:
                # Mostly what is deferred has to be taken in the next state, or it could not be deferred.
                after = self.living[self.living.index(scope) + 1]
                takes = tuple(event for event in events if event != "*" and self.hears(after, event))
                if takes:
                    self.rows.append(self._row(numbers, GO, after, takes, (), self._target(after, numbers)))

    def _rest(self, numbers: Numbers) -> None:
        """What no rule speaks of."""
        for event in self.events:
            kind = numbers.one((IGNORE, IGNORE, IMPOSSIBLE, REJECT, DEFER))
            if kind != IGNORE:
                self.rows.append(self._row(numbers, kind, "*", (event,), (), None))
        self.rows.append(Row(IGNORE, "*", ("*",)))

    def _wanted(self, numbers: Numbers) -> Guards:
        """One guard that must hold, or none at all."""
        return ((numbers.one(self.guards), True),) if numbers.below(2) and self.guards else ()

    def _target(self, scope: str, numbers: Numbers) -> str | None:
        """Another state, the same again, or none: it stays."""
        return numbers.one([None, *self.states, scope if scope in self.living else None])

    def _row(
        self,
        numbers: Numbers,
        kind: str,
        scope: str,
        events: tuple[str, ...],
        guards: Guards,
        to: str | None,
        fixed: bool = False,
    ) -> Row:
        if self.plain and (kind == DEFER or guards) and kind != GO:
            kind = IGNORE
        if kind == REJECT and not all(map(self._by_caller, events)):
            kind = IGNORE
        if kind != GO:
            return Row(kind, scope, events, guards, fixed=fixed)
        do = tuple(numbers.some(list(self.actions), 2))
        verdict = numbers.one((None, None, None, None, *OUTCOMES))
        return Row(GO, scope, events, guards, to, () if self.plain and to else do, verdict, fixed)

    def _starts_over(self, row: Row) -> bool:
        """Some rows that stay on a deadline have it start over."""
        timers = all("timer" in self.events.get(event, {}) for event in row.events)
        return timers and row.kind == GO and row.to is None and len(row.do) != 1

    def _by_caller(self, event: str) -> bool:
        """Whether there is somebody who could be refused."""
        return event in self.events and self.events[event].get("source") == BY_CALLER

    # -- which rows a cell takes -------------------------------------------------------------------------------

    def claims(self, row: Row) -> Iterator[tuple[CellKey, Nearness]]:
        """The cells that the row speaks of, and how nearly. What can't come in a state can only be impossible there."""
        states: Collection[str] = (row.scope,)
        width = 0
        if row.scope not in self.living:
            width, states = (1, self.groups[row.scope]) if row.scope in self.groups else (2, self.living)
        for event in self.events:
            if event in row.events or "*" in row.events:
                if row.kind == REJECT and not self._by_caller(event):
                    continue
                near = (width, 0 if event in row.events else 2)
                for state in states:
                    if row.kind == IMPOSSIBLE or self.hears(state, event):
                        yield (state, event), near

    def cells(self) -> Cells:
        """For each cell the rows that some answer of the guards takes, in the order in which they are asked."""
        claimed: dict[CellKey, list[tuple[Nearness, bool, int, Row]]] = {}
        in_order = [row for kind in SECTIONS for row in self.rows if row.kind == kind]
        for order, row in enumerate(in_order):
            for key, near in self.claims(row):
                claimed.setdefault(key, []).append((near, not row.guards, order, row))
        return {
            key: _taken([row for *_, row in sorted(rows, key=lambda claim: claim[:3])]) for key, rows in claimed.items()
        }

    # -- until nothing is wrong --------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._leave_out_clashes()
        while True:
            cells = self.cells()
            used = {id(row) for rows in cells.values() for row in rows}
            self.rows = [row for row in self.rows if id(row) in used]
            wrong = self._endless(cells) or [*self._never_taken(cells), *self._not_impossible(cells)]
            for row in wrong:
                row.kind, row.to, row.do, row.verdict = IGNORE, None, (), None
            if not wrong and not self._note_verdicts(cells):
                return

    def _leave_out_clashes(self) -> None:
        """Leave out a row that says again what a row as near has said, or would shut a fixed row out of its cell."""
        shut = {(row.scope, event) for row in self.rows if row.fixed and not row.guards for event in row.events}
        said: set[object] = set()
        kept = []
        for row in self.rows:
            claims = list(self.claims(row))
            mine = {(key, near, frozenset(row.guards)) for key, near in claims}
            if mine.isdisjoint(said) and (row.fixed or not any(near == (0, 0) and key in shut for key, near in claims)):
                kept.append(row)
                said |= mine
        self.rows = kept

    def does(self, state: str, row: Row) -> list[str]:
        """The actions of a step by this row."""
        return list(row.do) if row.to is None else [*self.states[state]["exit"], *row.do, *self.states[row.to]["entry"]]

    def _said_by(self, actions: Iterable[str]) -> set[str]:
        return {event for action in actions for event in (FAULT, *self.actions[action])}

    def _steps(self, cells: Cells) -> list[tuple[str, str, Row, str]]:
        """State, event, row and next state of every way through the table."""
        return [
            (state, event, row, row.to or state)
            for (state, event), rows in cells.items()
            if self.hears(state, event)
            for row in rows
            if row.kind == GO
        ]

    def _endless(self, cells: Cells) -> list[Row]:
        """A row on a circle that goes round by what actions say alone, if there is one."""
        steps = [step for step in self._steps(cells) if self.by_action(step[1]) and len(cells[step[0], step[1]]) == 1]
        while True:
            # Only steps whose event is said again on a circle with them can go on for ever.
            reach = _closures(self.states, [(state, to) for state, _, _, to in steps])
            kept = [
                (state, event, row, to)
                for state, event, row, to in steps
                if any(
                    event in self._said_by(self.does(at, other)) and at in reach[to] and state in reach[then]
                    for at, _, other, then in steps
                )
            ]
            if len(kept) == len(steps):
                return [kept[-1][2]] if kept else []
            steps = kept

    def _never_taken(self, cells: Cells) -> list[Row]:
        """Rows that defer a deadline, or what the states that follow don't take."""
        taken = {
            (at, event)
            for at, by, row, to in self._steps(cells)
            if row.to is not None and to != at and to in self.living and not self.by_action(by)
            for event in self.events
            if self.hears(to, event) and any(row.kind in (GO, REJECT) for row in cells.get((to, event), ()))
        }
        return [
            row
            for (state, event), rows in cells.items()
            for row in rows
            if row.kind == DEFER and ("timer" in self.events[event] or (state, event) not in taken)
        ]

    def _not_impossible(self, cells: Cells) -> list[Row]:
        """Rows that call impossible what an action may have said, was deferred, or is a deadline or a failure."""
        steps = self._steps(cells)
        reach = _closures(self.states, [(state, to) for state, _, _, to in steps])
        says = [(to, self._said_by(self.does(at, row))) for at, _, row, to in steps]
        says.append((self.living[0], self._said_by(self.states[self.living[0]]["entry"])))
        # A guard that fails is a fault of the state that its event leads to.
        asking = {key for key, rows in cells.items() if any(row.guards for row in rows)}
        says += [(to, {FAULT}) for at, event, _, to in steps if (at, event) in asking]
        says += [(state, {FAULT}) for state, _ in asking]
        waits = {(state, event) for at, said in says for event in said for state in reach[at]}
        deferred = {event for (_, event), rows in cells.items() if any(row.kind == DEFER for row in rows)}
        return [
            row
            for (state, event), rows in cells.items()
            if self.hears(state, event)
            for row in rows
            if row.kind == IMPOSSIBLE
            and (
                "timer" in self.events[event]
                or event in deferred
                or (state, event) in waits
                or (event == FAULT and self.states[state]["sources"])
            )
        ]

    def _note_verdicts(self, cells: Cells) -> bool:
        """When a `final: verdict` might be come to without one, have it noted where the initial state is left. Whether
        anything changed."""
        steps = self._steps(cells)
        without = {self.living[0]}
        while more := {to for at, _, row, to in steps if at in without and row.verdict is None} - without:
            without |= more
        if not any(self.states[state].get("final") == VERDICT for state in without):
            return False
        for at, _, row, to in steps:
            if at == self.living[0] != to and row.verdict is None:
                row.verdict = OUTCOMES[0]
        return True

    # -- the document ------------------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "format": 1,
            "machine": "drawn",
            "version": 1,
            "initial": self.living[0],
            "settings": {name: _setting(value) for name, value in self.settings.items()},
            "sources": dict.fromkeys(self.sources, "sensor"),
            "outcomes": {"good": {}, "bad": {"reasons": {"worse": "it got worse", "worst": "nothing is worse"}}},
            "guards": dict.fromkeys(self.guards, "is it so?"),
            "actions": {name: {"posts": said} if said else "something is done" for name, said in self.actions.items()},
            "events": self.events,
            "groups": self.groups,
            "states": {},
        }
        for name, state in self.states.items():
            rests = name in self.living and not state["deadlines"]
            said = {key: value for key, value in state.items() if value}
            document["states"][name] = said | ({"no-deadline": "it rests"} if rests else {})
        for row in self.rows:
            document.setdefault(SECTIONS[row.kind], []).append(_row_document(row, self._starts_over(row)))
        return document


def _setting(value: float | None) -> dict[str, Any]:
    """A timer's setting as it is written: a duration with its unit, no time at all with a reason."""
    return {"value": None if value is None else f"{value}s"} | ({"zero": "it is so"} if value == 0 else {})


def _taken(rows: Sequence[Row]) -> list[Row]:
    """The rows that are the first to fit some answers of the guards."""
    guards = sorted({name for row in rows for name, _ in row.guards})
    left = [dict(zip(guards, values, strict=True)) for values in product((False, True), repeat=len(guards))]
    taken = []
    for row in rows:
        others = [answers for answers in left if any(answers[name] is not wanted for name, wanted in row.guards)]
        if len(others) < len(left):
            taken.append(row)
            left = others
    return taken


def _closures(states: Iterable[str], edges: Sequence[tuple[str, str]]) -> dict[str, set[str]]:
    """For each state all that the edges lead to, itself as well."""
    reach = {state: {state} for state in states}
    while True:
        before = sum(map(len, reach.values()))
        for state, to in edges:
            reach[state] |= reach[to]
        if sum(map(len, reach.values())) == before:
            return reach


def _row_document(row: Row, again: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"in": row.scope, "on": list(row.events)}
    said["if"] = [name for name, wanted in row.guards if wanted]
    said["unless"] = [name for name, wanted in row.guards if not wanted]
    if row.kind == GO:
        said |= {"to": row.to, "do": list(row.do), "again": again, "verdict": row.verdict}
    else:
        said["because"] = "it is so"
    return {key: value for key, value in said.items() if value}


# -- as text ---------------------------------------------------------------------------------------------------


def yaml_of(document: Mapping[str, Any]) -> str:
    """The document as an author would write it: a line for each declaration and each row."""
    lines = []
    for section, content in document.items():
        if isinstance(content, Mapping):
            lines += [f"{section}:", *(f"  {key}: {_flow(value)}" for key, value in content.items())] if content else []
        elif isinstance(content, list):
            lines += [f"{section}:", *(f"  - {_flow(row)}" for row in content)]
        else:
            lines.append(f"{section}: {_flow(content)}")
    return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return _flow(value[0]) if len(value) == 1 else "[" + ", ".join(map(_flow, value)) + "]"
    if value is None:
        return "null"
    return '"*"' if value == "*" else str(value)


def texts(plain: bool = False) -> st.SearchStrategy[str]:
    """YAML texts of sound definitions."""
    return sketches.map(lambda sketch: yaml_of(Draft(sketch, plain).document()))

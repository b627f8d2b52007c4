"""The total table: rows expanded into cells, the narrower before the wider, and nothing left unsaid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from .declarations import Declarations
from .definition import (
    BY_ACTION,
    BY_CALLER,
    DEFER,
    GO,
    IGNORE,
    IMPOSSIBLE,
    REJECT,
    Branch,
    Cell,
    Decision,
    Event,
    Exclusion,
    State,
)
from .document import Names, ReasonedDoc, RowDoc
from .findings import Findings
from .marks import VALUE
from .problems import Path

ANY = "*"
BY_NAME, BY_GROUP, BY_ANY = 0, 1, 2
# Above this many guards in one cell its valuations are not counted out, and a row without guards has to close it.
MAX_GUARDS = 10

Guards = tuple[tuple[str, bool], ...]
# How near a row is to a cell: what is nearer is asked first. The file's own rows before included ones, then the way
# in which the state was named, then the event.
Nearness = tuple[int, int, int]


@attrs.define(eq=False, repr=False)
class Row:
    """A row of the document, with its names looked up. `taken` once it decides anything."""

    path: Path
    order: int
    kind: str
    guards: Guards
    reason: str
    to: str | None = None
    do: tuple[str, ...] = ()
    verdict: str | None = None
    again: bool = False
    taken: bool = False
    # What its cells wait for in vain, when it was never taken.
    silent: Event | None = None

    def says(self) -> tuple[object, ...]:
        """What it decides, to tell a duplicate from a contradiction."""
        return self.kind, self.to, self.do, self.verdict, self.again


Claim = tuple[Nearness, bool, int, Row]


class Table:
    """Builds the cells of one definition. `origins` has the row behind each branch, None for a derived one."""

    def __init__(self, names: Declarations, findings: Findings, layers: Mapping[str, Sequence[int]]) -> None:
        self.names = names
        self.findings = findings
        self.layers = layers
        self.claims: dict[tuple[str, str], list[Claim]] = {}
        self.all_rows: list[Row] = []
        self.cells: dict[tuple[str, str], Cell] = {}
        self.origins: dict[tuple[str, str], tuple[Row | None, ...]] = {}
        self._missing: dict[str, list[str]] = {}
        self._told: set[tuple[int, int]] = set()
        self._answers: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}
        # Cells whose last branch is there for answers that the declarations exclude.
        self._guarded: set[tuple[str, str]] = set()
        self._rows()
        for state in names.states.values():
            for event in names.events.values():
                self._cell(state, event)
        if not names.unsure:
            self._tell_missing()
            self._untaken()
            self._unhandled()

    # -- rows --------------------------------------------------------------------------------------------------

    def _rows(self) -> None:
        doc = self.names.doc
        for index, row in enumerate(doc.rows):
            self._row(row, ("rows", index))
        for kind in (IGNORE, DEFER, REJECT, IMPOSSIBLE):
            for index, reasoned in enumerate(getattr(doc, kind)):
                self._reasoned(kind, reasoned, (kind, index))

    def _row(self, row: RowDoc, path: Path) -> None:
        names = self.names
        do = names.all_known("action", row.do, names.doc.actions, (*path, "do"))
        verdict = None if row.verdict is None else names.outcome(row.verdict, (*path, "verdict", VALUE))
        to = None if row.to is None else names.known("state", row.to, names.doc.states, (*path, "to", VALUE))
        guards = self._guards(row, path)
        if row.again and (row.to is not None or not self._on_deadlines(row)):
            text = "`again` starts a deadline over where the machine stays: on deadlines alone, and without `to`"
            self.findings.add((*path, "again"), "not-a-timer", text)
        if guards is not None:
            self._claim(row, Row(path, len(self.all_rows), GO, guards, row.note, to, do, verdict, row.again))

    def _on_deadlines(self, row: RowDoc) -> bool:
        events = self.names.events
        return all(name not in events or events[name].timer is not None for name in row.on if name != ANY)

    def _reasoned(self, kind: str, row: ReasonedDoc, path: Path) -> None:
        guards = self._guards(row, path)
        if guards is not None:
            self._claim(row, Row(path, len(self.all_rows), kind, guards, row.because))

    def _guards(self, row: RowDoc | ReasonedDoc, path: Path) -> Guards | None:
        """The row's guards, each once; None when it can never be taken."""
        names = self.names
        wanted: dict[str, bool] = {}
        for name, holds, where in names.guards_of(row, path):
            if wanted.setdefault(name, holds) is not holds:
                text = f"guard {name!r} is wanted both true and false: the row is never taken"
                self.findings.add(where[: len(path) + 1], "contradictory-guards", text)
                return None
        for pair in names.exclusions:
            if all(wanted.get(name) is answer for name, answer in pair):
                key = "if" if pair[1][1] else "unless"
                self.findings.add((*path, key), "contradictory-guards", f"{_apart(pair)}: the row is never taken")
                return None
        return tuple(wanted.items())

    def _claim(self, document: RowDoc | ReasonedDoc, row: Row) -> None:
        self.all_rows.append(row)
        states = self._states(document.in_, (*row.path, "in"))
        events = self._events(document.on, (*row.path, "on"))
        if not states or not events:
            row.taken = True  # why it names nothing is told
        layer = self.layers.get(str(row.path[0]), ())
        depth = layer[int(row.path[1])] if layer else 0
        for state, (state_width, where) in states.items():
            for event, event_width in events.items():
                silence = self._silence(self.names.states[state], self.names.events[event])
                if row.kind == REJECT and self.names.events[event].source != BY_CALLER:
                    if event_width == BY_ANY:
                        continue  # it means what can be rejected
                    self._not_refusable(row, event, document.on)
                if silence and row.kind != IMPOSSIBLE:
                    by_name = state_width == event_width == BY_NAME
                    if by_name and row.kind != IGNORE:
                        code = "unarmed-timer" if self.names.events[event].timer else "unopened-source"
                        self.findings.add(where, code, f"{state} × {event} never comes: {silence}")
                        row.taken = True  # told already
                    if not (by_name and row.kind == IGNORE):
                        row.silent = self.names.events[event]
                        continue
                claim = ((depth, state_width, event_width), not row.guards, row.order, row)
                self.claims.setdefault((state, event), []).append(claim)

    def _not_refusable(self, row: Row, event: str, names: Names) -> None:
        row.taken = True
        where = dict(self.names.each(names, (*row.path, "on"))).get(event, (*row.path, "on"))
        text = f"nobody who sends {event!r} could be refused: only events of `source: caller` are rejected"
        if not any(problem.message == text for problem in self.findings.problems):
            self.findings.add(where, "not-refusable", text)

    def _states(self, names: Names, path: Path) -> dict[str, tuple[int, Path]]:
        """Each living state with how it was named, the narrowest way, and where."""
        declared, groups = self.names.doc.states, self.names.groups
        found: dict[str, tuple[int, Path]] = {}
        told = len(self.findings.problems)
        if not names:
            self.findings.add(path, "wrong-type", "at least one name is wanted here")
        for name, where in self.names.each(names, path):
            members: Iterator[str] = iter(())
            width = BY_GROUP
            if name == ANY:
                members, width = iter(declared), BY_ANY
            elif name in groups:
                self.names.used.add(("group", name))
                members = iter(groups[name])
            else:
                state = self._state_or_group(name, where)
                if state is not None and state in groups:
                    members = iter(groups[state])
                elif state is not None:
                    members, width = iter((state,)), BY_NAME
            for member in members:
                if declared[member].final is None:
                    if width < found.get(member, (BY_ANY + 1, where))[0]:
                        found[member] = (width, where)
                elif width == BY_NAME:
                    self.findings.add(where, "row-out-of-final", f"state {member!r} is final: nothing follows it")
        if not found and told == len(self.findings.problems):
            self.findings.add(path, "row-out-of-final", "all of these states are final: nothing follows them")
        return found

    def _state_or_group(self, name: str, where: Path) -> str | None:
        names = self.names
        if name in names.doc.states:
            names.used.add(("state", name))
            return name
        # Both kinds may stand here; the suggestion tells which was meant.
        code_of = {**dict.fromkeys(names.doc.states, "state"), **dict.fromkeys(names.groups, "group")}
        meant = self.names.suggestion(name, code_of)
        kind = code_of.get(meant or "", "state")
        return names.known(kind, name, names.groups if kind == "group" else names.doc.states, where)

    def _events(self, names: Names, path: Path) -> dict[str, int]:
        found: dict[str, int] = {}
        if not names:
            self.findings.add(path, "wrong-type", "at least one name is wanted here")
        for name, where in self.names.each(names, path):
            if name == ANY:
                for event in self.names.doc.events:
                    found.setdefault(event, BY_ANY)
            else:
                known = self.names.known("event", name, self.names.doc.events, where)
                if known is not None:
                    found[known] = BY_NAME
        return found

    def _silence(self, state: State, event: Event) -> str:
        """Why the event can't come in the state, from the declarations alone; empty when it can."""
        if event.timer is not None:
            return "" if event.name in state.deadlines else "this deadline is not armed here"
        if event.source in (BY_ACTION, BY_CALLER, None) or event.source in state.sources:
            return ""
        return f"source {event.source} is not open here"

    # -- cells -------------------------------------------------------------------------------------------------

    def _cell(self, state: State, event: Event) -> None:
        key = (state.name, event.name)
        claims = self.claims.get(key)
        if claims is None:
            self._derived(state, event)
            return
        if len(claims) == 1 and claims[0][1]:
            # The usual cell: one row, no guards.
            row = claims[0][3]
            row.taken = True
            self.cells[key] = (Branch((), self._decision(row, state, event)),)
            self.origins[key] = (row,)
            return
        claims.sort()
        taken, left, wrong = self._taken(key, claims)
        branches = [Branch(row.guards, self._decision(row, state, event)) for row in taken]
        if left is not None:
            if state.final is None and self._silence(state, event):
                self._derived(state, event)
                return
            self._missing_when(state, event, left)
        elif wrong is not None:
            decision = Decision(state.name, event.name, IMPOSSIBLE, state.name, True, (), None, wrong)
            branches.append(Branch((), decision))
            self._guarded.add(key)
        elif branches[-1].guards:
            # The rows before it leave only this way: what it asks is known by then.
            branches[-1] = attrs.evolve(branches[-1], guards=())
        self.cells[key] = tuple(branches)
        self.origins[key] = tuple(taken)

    def as_declared(self) -> dict[tuple[str, str], Cell]:
        """The cells without the branches for answers that the declarations exclude."""
        if not self._guarded:
            return self.cells
        return self.cells | {key: self.cells[key][:-1] for key in self._guarded}

    def _answers_of(self, guards: list[str]) -> tuple[list[int], list[int]]:
        """The valuations of these guards that the declarations allow, and those that they exclude. All are allowed
        when nothing else would be left."""
        known = self._answers.get(tuple(guards))
        if known is None:
            bits = {name: 1 << index for index, name in enumerate(guards)}
            among = [pair for pair in self.names.exclusions if pair[0][0] in bits and pair[1][0] in bits]
            allowed: list[int] = []
            excluded: list[int] = []
            for valuation in range(1 << len(guards)):
                held = (all(bool(valuation & bits[name]) is answer for name, answer in pair) for pair in among)
                (excluded if any(held) else allowed).append(valuation)
            if not allowed:
                self.names.unsure = True
                text = f"no answers of {', '.join(guards)} are left by what their declarations exclude"
                self.findings.add(("guards", guards[0]), "contradictory-guards", text)
                allowed, excluded = excluded, []
            known = self._answers[tuple(guards)] = allowed, excluded
        return known

    def _taken(self, key: tuple[str, str], claims: list[Claim]) -> tuple[list[Row], str | None, str | None]:
        """The rows that can be taken, in the order they are asked; when none is (None: never), and what the guards
        must have answered, against their declarations, when none is taken all the same (None: it can't be)."""
        guards = sorted({name for *_, row in claims for name, _ in row.guards})
        if len(guards) > MAX_GUARDS:
            return *self._taken_of_many(key, claims), None
        bits = {name: 1 << index for index, name in enumerate(guards)}
        remaining, excluded = self._answers_of(guards)
        taken: list[Row] = []
        seen: list[Claim] = []
        for claim in claims:
            row = claim[3]
            mask = sum(bits[name] for name, _ in row.guards)
            value = sum(bits[name] for name, wanted in row.guards if wanted)
            matched = [valuation for valuation in remaining if valuation & mask == value]
            if matched:
                row.taken = True
                taken.append(row)
                remaining = [valuation for valuation in remaining if valuation & mask != value]
                excluded = [valuation for valuation in excluded if valuation & mask != value]
            else:
                self._contradicted(key, claim, seen)
                continue
            seen.append(claim)
        if remaining:
            return taken, _worded(remaining[0], bits), None
        return taken, None, f"its guards answered what is excluded: {_worded(excluded[0], bits)}" if excluded else None

    def _taken_of_many(self, key: tuple[str, str], claims: list[Claim]) -> tuple[list[Row], str | None]:
        taken: list[Row] = []
        seen: list[Claim] = []
        for claim in claims:
            row = claim[3]
            if any(not before.guards or set(before.guards) <= set(row.guards) for before in taken):
                self._contradicted(key, claim, seen)
                continue
            row.taken = True
            taken.append(row)
            seen.append(claim)
        return taken, None if taken and not taken[-1].guards else "none of the guards holds"

    def _contradicted(self, key: tuple[str, str], claim: Claim, seen: list[Claim]) -> None:
        """A row that is as near as an earlier one with the same guards says the same again, or something else."""
        for before in seen:
            if before[0] == claim[0] and set(before[3].guards) == set(claim[3].guards):
                claim[3].taken = True  # told here
                same = before[3].says() == claim[3].says()
                code = "duplicate-row" if same else "overlapping-rows"
                text = f"{key[0]} × {key[1]} is settled already by the row at {self._where(before[3], claim[3])}"
                if (claim[3].order, before[3].order) not in self._told:
                    self._told.add((claim[3].order, before[3].order))
                    self.findings.add(claim[3].path, code, text if same else f"{text}, which says something else")
                return

    def _where(self, row: Row, seen_from: Row) -> str:
        """The line of a row, with its file where that is another."""
        place, other = self.findings.marks.place(row.path), self.findings.marks.place(seen_from.path)
        return f"line {place.line}" if place.file == other.file else f"{place.file}:{place.line}"

    def _decision(self, row: Row, state: State, event: Event) -> Decision:
        if row.kind != GO:
            return Decision(state.name, event.name, row.kind, state.name, True, (), None, row.reason)
        target = state.name if row.to is None else row.to
        actions = row.do if row.to is None else (*state.exit, *row.do, *self.names.states[target].entry)
        again = row.again and row.to is None and event.timer is not None
        return Decision(state.name, event.name, GO, target, row.to is None, actions, row.verdict, row.reason, again)

    def _derived(self, state: State, event: Event) -> None:
        """The cell that follows from the declarations alone."""
        key = (state.name, event.name)
        if state.final is not None:
            kind, reason = IGNORE, "the machine has ended"
        else:
            kind, reason = IMPOSSIBLE, self._silence(state, event)
            if not reason:
                self._missing_when(state, event, "")
                self.cells[key], self.origins[key] = (), ()
                return
        decision = Decision(state.name, event.name, kind, state.name, True, (), None, reason)
        self.cells[key] = (Branch((), decision),)
        self.origins[key] = (None,)

    # -- what is left unsaid -----------------------------------------------------------------------------------

    def _missing_when(self, state: State, event: Event, when: str) -> None:
        if event.name in state.deadlines and not when:
            return  # told as an unhandled deadline
        if when:
            if not self.names.unsure:
                text = f"{state.name} × {event.name}: no row when {when}; say what happens then, or ignore it"
                self.findings.add(("states", state.name), "missing-cell", text)
        else:
            self._missing.setdefault(event.name, []).append(state.name)

    def _tell_missing(self) -> None:
        """An event that no state knows is told once; else each state tells what it does not know."""
        living = sum(state.final is None for state in self.names.states.values())
        by_state: dict[str, list[str]] = {}
        for event, states in self._missing.items():
            if len(states) == living > 1:
                text = f"nothing is said of event {event!r} in any state; {_SAY}"
                self.findings.add(("events", event), "missing-cell", text)
            else:
                for state in states:
                    by_state.setdefault(state, []).append(event)
        for state, events in by_state.items():
            text = f"state {state!r} says nothing of {', '.join(events)}; {_SAY}"
            self.findings.add(("states", state), "missing-cell", text)

    def _untaken(self) -> None:
        for row in self.all_rows:
            if row.taken or self.findings.included(row.path):
                continue
            if row.silent is not None:
                code = "unarmed-timer" if row.silent.timer else "unopened-source"
                text = f"event {row.silent.name!r} comes in none of these states, so the row is never taken"
                self.findings.add((*row.path, "on"), code, text)
            else:
                self.findings.add(row.path, "shadowed-row", "every cell of this row is settled by rows that go first")

    def _unhandled(self) -> None:
        doc = self.names.doc
        for name, state in self.names.states.items():
            for event in state.deadlines:
                cell = self.cells[name, event]
                refused = any(branch.decision.kind == REJECT for branch in cell)
                if not refused and not any(_leads(branch.decision) for branch in cell):
                    path: Path = ("states", name, "deadlines")
                    where = dict(self.names.each(doc.states[name].deadlines, path)).get(event, path)
                    text = f"deadline {event!r} is armed in {name!r} and leads nowhere: say where it goes"
                    self.findings.add(where, "unhandled-timer", text)


def _worded(valuation: int, bits: Mapping[str, int]) -> str:
    return " and ".join(f"{'' if valuation & bit else 'not '}{name}" for name, bit in bits.items())


def _apart(pair: Exclusion) -> str:
    (one, holds), (other, _) = pair
    return f"guards {one!r} and {other!r} are never both {'true' if holds else 'false'}"


def _leads(decision: Decision) -> bool:
    """Whether anything at all comes of it."""
    stays = decision.internal and not decision.actions and decision.verdict is None and not decision.again
    return decision.kind == GO and not stays


_SAY = "say what happens, or ignore, defer, reject or impossible"

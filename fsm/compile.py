"""From a document to a definition: names resolved, groups expanded, the table made total, the graph checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from .definition import (
    BY_ACTION,
    BY_CALLER,
    DEFER,
    FAULT,
    GO,
    IGNORE,
    IMPOSSIBLE,
    REJECT,
    VERDICT,
    Action,
    Branch,
    Cell,
    Decision,
    Definition,
    Event,
    Profile,
    State,
    Value,
)
from .document import Document, Names, ReasonedDoc, RowDoc, nearest
from .problems import DefinitionError, Place, Problem, did_you_mean
from .yaml_reader import Marks, Path

ANY = "*"
# Of events that arrive together: what an action just said, then facts by the author's ranks, then deadlines.
ACTION_RANK, FACT_RANK, TIMER_RANK = -10, 0, 100


@attrs.frozen
class _Claim:
    """A row's claim on one cell. The more narrowly a row names its state, then its event, the sooner it is asked;
    of equally narrow ones those with guards, in the order of the file, and then the one without."""

    width: tuple[int, int]
    order: int
    place: Place
    branch: Branch


class _Compiler:
    def __init__(self, document: Document, marks: Marks) -> None:
        self.doc = document
        self.marks = marks
        self.problems: list[Problem] = []
        self.events: dict[str, Event] = {}
        self.states: dict[str, State] = {}
        self.claims: dict[tuple[str, str], list[_Claim]] = {}
        self.used: set[tuple[str, str]] = set()

    def problem(self, path: Path, code: str, message: str) -> None:
        self.problems.append(Problem(nearest(self.marks, path), code, message))

    def known(self, kind: str, name: str, among: Iterable[str], path: Path) -> bool:
        """Whether `name` is declared; a problem with a suggestion when it is not."""
        names = list(among)
        self.used.add((kind, name))
        if name in names:
            return True
        self.problem(path, f"unknown-{kind}", f"unknown {kind} {name!r}{did_you_mean(name, names)}")
        return False

    def name_path(self, path: Path, names: Names, index: int) -> Path:
        return (*path, index) if (*path, index) in self.marks else path

    def each(self, names: Names, path: Path) -> Iterator[tuple[str, Path]]:
        for index, name in enumerate(names):
            yield name, self.name_path(path, names, index)

    # -- declarations ------------------------------------------------------------------------------------------

    def declarations(self) -> None:
        doc = self.doc
        for name, event in doc.events.items():
            path: Path = ("events", name)
            if (event.source is None) == (event.timer is None):
                self.problem(path, "event-origin", f"event {name!r} needs either a source or a timer")
            if event.source is not None and event.source not in (BY_ACTION, BY_CALLER):
                self.known("source", event.source, (*doc.sources, BY_ACTION, BY_CALLER), (*path, "source"))
            if event.timer is not None and self.known("setting", event.timer, doc.settings, (*path, "timer")):
                value = doc.settings[event.timer].value
                if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                    self.problem((*path, "timer"), "wrong-type", f"setting {event.timer!r} is not a duration")
            default = TIMER_RANK if event.timer else ACTION_RANK if event.source == BY_ACTION else FACT_RANK
            rank = default if event.rank is None else event.rank
            self.events[name] = Event(name, rank, event.source, event.timer, event.doc)
        if doc.actions and FAULT not in doc.events:
            self.problem(("events",), "missing-key", f"a machine with actions declares the event {FAULT!r}")
        for name, state in doc.states.items():
            self.state(name, state)
        self.known("state", doc.initial, doc.states, ("initial",))
        for name, members in doc.groups.items():
            if name in doc.states:
                self.problem(("groups", name), "duplicate-key", f"group {name!r} has the name of a state")
            for member, path in self.each(members, ("groups", name)):
                self.known("state", member, doc.states, path)
        for name, profile in doc.profiles.items():
            for source in profile.sources:
                self.known("source", source, doc.sources, ("profiles", name, "sources", source))
            for setting in profile.settings:
                self.known("setting", setting, doc.settings, ("profiles", name, "settings", setting))

    def state(self, name: str, state: object) -> None:
        doc = self.doc.states[name]
        path: Path = ("states", name)
        for field, kind, among in (
            ("sources", "source", self.doc.sources),
            ("entry", "action", self.doc.actions),
            ("exit", "action", self.doc.actions),
            ("deadlines", "event", self.doc.events),
        ):
            for item, where in self.each(getattr(doc, field), (*path, field)):
                if self.known(kind, item, among, where) and field == "deadlines":
                    self.used.add(("timer", item))
                    if self.doc.events[item].timer is None:
                        self.problem(where, "not-a-timer", f"event {item!r} has no timer, so it is no deadline")
        if doc.final is not None:
            self.outcome(doc.final, (*path, "final"), (VERDICT,))
            for field in ("sources", "exit", "deadlines"):
                if getattr(doc, field):
                    self.problem((*path, field), "final-state", f"final state {name!r} has {field}: it has ended")
        elif not doc.deadlines and doc.no_deadline is None:
            text = f"state {name!r} names no deadline; give one, or say `no-deadline:` with the reason"
            self.problem(path, "no-deadline", text)
        self.states[name] = State(
            name, doc.doc, doc.phase, doc.sources, doc.entry, doc.exit, doc.deadlines, doc.no_deadline, doc.final
        )

    def outcome(self, text: str, path: Path, also: tuple[str, ...] = ()) -> None:
        kind, _, reason = text.partition("/")
        if self.known("outcome", kind, (*self.doc.outcomes, *also), path) and kind in self.doc.outcomes:
            reasons = self.doc.outcomes[kind].reasons
            if reason:
                self.known("reason", reason, reasons, path)
            elif reasons:
                self.problem(path, "missing-reason", f"outcome {kind!r} needs one of its reasons: {', '.join(reasons)}")

    # -- rows --------------------------------------------------------------------------------------------------

    def states_of(self, names: Names, path: Path) -> Iterator[tuple[str, int, bool]]:
        """Each state with how widely it was named (0: itself, 1: by a group, 2: by `*`) and whether by name."""
        for name, where in self.each(names, path):
            if name == ANY:
                yield from ((state, 2, False) for state, doc in self.doc.states.items() if doc.final is None)
            elif name in self.doc.groups:
                self.used.add(("group", name))
                members = self.doc.groups[name]
                yield from ((state, 1, False) for state in members if state in self.doc.states)
            elif self.known("state", name, (*self.doc.states, *self.doc.groups), where):
                yield name, 0, True

    def events_of(self, names: Names, path: Path) -> Iterator[tuple[str, int]]:
        for name, where in self.each(names, path):
            if name == ANY:
                yield from ((event, 1) for event in self.doc.events)
            elif self.known("event", name, self.doc.events, where):
                yield name, 0

    def guards_of(self, row: RowDoc | ReasonedDoc, path: Path) -> tuple[tuple[str, bool], ...]:
        for field, names in (("if", row.if_), ("unless", row.unless)):
            for name, where in self.each(names, (*path, field)):
                self.known("guard", name, self.doc.guards, where)
        return tuple((name, True) for name in row.if_) + tuple((name, False) for name in row.unless)

    def rows(self) -> None:
        order = 0
        for index, row in enumerate(self.doc.rows):
            self.row(row, ("rows", index), order)
            order += 1
        for kind in (IGNORE, DEFER, REJECT, IMPOSSIBLE):
            for index, reasoned in enumerate(getattr(self.doc, kind)):
                self.reasoned(kind, reasoned, (kind, index), order)
                order += 1

    def row(self, row: RowDoc, path: Path, order: int) -> None:
        for action, where in self.each(row.do, (*path, "do")):
            self.known("action", action, self.doc.actions, where)
        if row.verdict is not None:
            self.outcome(row.verdict, (*path, "verdict"))
        target_known = row.to is None or self.known("state", row.to, self.doc.states, (*path, "to"))
        guards = self.guards_of(row, path)
        if not target_known:
            return
        for state, width in self.sources_of(row.in_, path):
            for event, event_width in self.events_of(row.on, (*path, "on")):
                leaving = () if row.to is None else self.doc.states[state].exit
                entering = () if row.to is None else self.doc.states[row.to].entry
                target = state if row.to is None else row.to
                actions = (*leaving, *row.do, *entering)
                decision = Decision(state, event, GO, target, row.to is None, actions, row.verdict, row.note)
                self.claim(state, event, (width, event_width), order, path, Branch(guards, decision))

    def reasoned(self, kind: str, row: ReasonedDoc, path: Path, order: int) -> None:
        guards = self.guards_of(row, path)
        for state, width in self.sources_of(row.in_, path):
            for event, event_width in self.events_of(row.on, (*path, "on")):
                decision = Decision(state, event, kind, state, True, (), None, row.because)
                self.claim(state, event, (width, event_width), order, path, Branch(guards, decision))

    def sources_of(self, names: Names, path: Path) -> Iterator[tuple[str, int]]:
        for state, width, by_name in self.states_of(names, (*path, "in")):
            if self.doc.states[state].final is None:
                yield state, width
            elif by_name:
                self.problem((*path, "in"), "row-out-of-final", f"state {state!r} is final: nothing follows it")

    def claim(self, state: str, event: str, width: tuple[int, int], order: int, path: Path, branch: Branch) -> None:
        place = nearest(self.marks, path)
        self.claims.setdefault((state, event), []).append(_Claim(width, order, place, branch))

    # -- the table ---------------------------------------------------------------------------------------------

    def cell(self, state: State, event: Event) -> Cell:
        claims = sorted(
            self.claims.get((state.name, event.name), ()), key=lambda c: (c.width, not c.branch.guards, c.order)
        )
        branches: list[Branch] = []
        closed: _Claim | None = None
        for claim in claims:
            if closed is not None:
                if closed.width == claim.width:
                    text = f"{state.name} × {event.name} is settled already by the row at line {closed.place.line}"
                    code = "overlapping-rows"
                    self.problems.append(Problem(claim.place, code, text))
                continue
            if any(branch.guards == claim.branch.guards for branch in branches):
                text = f"{state.name} × {event.name} has a row with these guards already"
                self.problems.append(Problem(claim.place, "overlapping-rows", text))
                continue
            branches.append(claim.branch)
            if not claim.branch.guards:
                closed = claim
        if closed is None:
            derived = self.derived(state, event)
            if derived is None:
                self.missing(state, event, guarded=bool(branches))
                return ()
            kind, reason = derived
            branches.append(Branch((), Decision(state.name, event.name, kind, state.name, True, (), None, reason)))
        return tuple(branches)

    def derived(self, state: State, event: Event) -> tuple[str, str] | None:
        """The cell that follows from the declarations alone: what is not armed or not open can't speak."""
        if state.final is not None:
            return IGNORE, "the machine has ended"
        if event.timer is not None and event.name not in state.deadlines:
            return IMPOSSIBLE, "this deadline is not armed here"
        outside = event.source in (BY_ACTION, BY_CALLER)
        if event.timer is None and not outside and event.source not in state.sources:
            return IMPOSSIBLE, f"source {event.source} is not open here"
        return None

    def missing(self, state: State, event: Event, *, guarded: bool) -> None:
        what = "every row has a guard" if guarded else "no row"
        text = f"{state.name} × {event.name}: {what}; say what happens, or ignore, defer, reject or impossible"
        self.problem(("states", state.name), "missing-cell", text)

    # -- the graph ---------------------------------------------------------------------------------------------

    def graph(self, cells: Mapping[tuple[str, str], Cell]) -> None:
        follows: dict[str, set[str]] = {name: set() for name in self.states}
        for (state, _), cell in cells.items():
            follows[state] |= {branch.decision.target for branch in cell if branch.decision.kind == GO}
        reached = _closure({self.doc.initial}, follows)
        for name in self.states.keys() - reached:
            self.problem(("states", name), "unreachable", f"state {name!r} can't be reached from {self.doc.initial!r}")
        finals = {name for name, state in self.states.items() if state.final is not None}
        if not finals:
            return
        before: dict[str, set[str]] = {name: set() for name in self.states}
        for name, targets in follows.items():
            for target in targets:
                before[target].add(name)
        for name in reached - _closure(finals, before):
            code = "dead-end" if not follows[name] - {name} else "no-way-out"
            self.problem(("states", name), code, f"no final state can be reached from {name!r}")

    def unused(self) -> None:
        for kind, section in (("guard", self.doc.guards), ("action", self.doc.actions), ("group", self.doc.groups)):
            for name in section:
                if (kind, name) not in self.used:
                    self.problem((f"{kind}s", name), f"unused-{kind}", f"{kind} {name!r} is never used")
        for name, event in self.doc.events.items():
            if event.timer is not None and ("timer", name) not in self.used:
                self.problem(("events", name), "unarmed-timer", f"no state arms the deadline {name!r}")

    def definition(self) -> Definition:
        self.declarations()
        self.rows()
        if self.problems:
            raise DefinitionError(self.problems)
        cells = {
            (state.name, event.name): self.cell(state, event)
            for state in self.states.values()
            for event in self.events.values()
        }
        self.graph(cells)
        self.unused()
        if self.problems:
            raise DefinitionError(self.problems)
        doc = self.doc
        return Definition(
            name=doc.machine,
            version=doc.version,
            doc=doc.doc,
            initial=doc.initial,
            states=self.states,
            events=self.events,
            cells=cells,
            settings={name: _value(setting.value) for name, setting in doc.settings.items()},
            sources=dict(doc.sources),
            guards=dict(doc.guards),
            actions={name: Action(name, action.doc, action.posts) for name, action in doc.actions.items()},
            outcomes={name: outcome.doc for name, outcome in doc.outcomes.items()}
            | {f"{name}/{reason}": text for name, o in doc.outcomes.items() for reason, text in o.reasons.items()},
            profiles={
                name: Profile(p.doc, dict(p.sources), {key: _value(value) for key, value in p.settings.items()})
                for name, p in doc.profiles.items()
            },
        )


def _value(value: object) -> Value:
    assert value is None or isinstance(value, (str, float, int, bool))
    return value


def _closure(start: set[str], follows: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [name for name in start if name in follows]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(follows[name] - reached)
    return reached


def compile_document(document: Document, marks: Marks) -> Definition:
    """The definition that `document` means. Raises DefinitionError with every problem found."""
    return _Compiler(document, marks).definition()

"""From a tree of states to a table of states without children, in which every cell is settled.

A state that holds others becomes a group of them. What it does on entry and exit becomes part of the rows that enter
and leave it. Of the rows that several rings of states have for one event, the inner ones go first, as in the original.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from scxlife.fsm.definition import BY_ACTION, BY_CALLER, FAULT, GO, IGNORE, REJECT
from scxlife.fsm.graph import closure
from scxlife.fsm.table import MAX_GUARDS

from .chart import ABANDON, ACTIVE, ALWAYS, ALWAYS_RANK, INTERNAL, SETTLE, Action, Arrow, Chart, Happening, Node
from .problem import ImportProblem

MAX_CELLS = 200_000
ABANDONED = "abandoned"
NO_GUARD = "none of the guards holds"
Pair = tuple[str, str]


@attrs.define(eq=False)
class Row:
    """A row of the draft and the cells that it decides."""

    cells: list[Pair]
    to: str | None = None
    do: tuple[str, ...] = ()
    guards: tuple[tuple[str, bool], ...] = ()
    kind: str = GO
    reason: str = ""
    again: bool = False
    remarks: list[str] = attrs.Factory(list)
    # Why it is only a comment.
    dropped: str = ""
    filled: bool = False


@attrs.define(eq=False)
class Draft:
    """A table that can be written: `chart` for what is declared, `states` without children, `groups` and rows."""

    chart: Chart
    initial: str
    states: dict[str, Node]
    groups: dict[str, tuple[str, ...]] = attrs.Factory(dict)
    rows: list[Row] = attrs.Factory(list)
    outcomes: dict[str, str] = attrs.Factory(dict)
    dropped: dict[str, str] = attrs.Factory(dict)
    initial_remarks: list[str] = attrs.Factory(list)
    # Cells of which the original says nothing at all, and such where none of its guards may hold.
    unsaid: int = 0
    partly: int = 0
    size: int = 0

    @property
    def used_actions(self) -> set[str]:
        """The actions of states and rows that are not left out."""
        used = {name for row in self.rows if not row.dropped for name in row.do}
        for state, node in self.states.items():
            used.update(() if state in self.dropped else (*node.entry, *node.exit))
        return used

    @property
    def living(self) -> list[str]:
        """The states that are neither final nor dropped."""
        return [name for name, node in self.states.items() if not node.outcome and name not in self.dropped]


def flatten(chart: Chart) -> Draft:
    """The draft of `chart`. Raises ImportProblem for a machine that is too large, or has no state to begin in."""
    chart.bounded()
    first = chart.root.initial
    if first is None:
        raise ImportProblem("it does not say in which state it begins", "give it an initial state")
    names: dict[Node, str] = {}
    for node in chart.root.all():
        if node.parent is not None and not (node.children and node.initial):
            names[node] = chart.named("state", node.name)
    if len(names) * len(chart.events) > MAX_CELLS:
        raise ImportProblem(f"{len(names)} states and {len(chart.events)} events make a table too large to import")
    _settling(chart, names)
    begin, entered = _enter(first, chart.root)
    draft = Draft(chart, names[begin], {names[node]: _as_leaf(node, chart) for node in names})
    if entered:
        text = f"the original also runs {', '.join(entered)} when it begins here"
        draft.initial_remarks.append(text)
    _rows(draft, chart.root, names)
    _groups(draft, names)
    _alive(draft)
    _deadlines(draft)
    _endless(draft)
    _unreached(draft)
    _merged(draft)
    _endings(draft)
    _faults(draft)
    _fill(draft)
    return draft


def _as_leaf(node: Node, chart: Chart) -> Node:
    """The state with what it inherits: the deadlines and the sources of those around it."""
    around = [outer for outer in node.up() if outer is not node]
    leaf = attrs.evolve(node, children=[], arrows=[], remarks=list(node.remarks))
    for outer in around:
        leaf.sources = (*leaf.sources, *(name for name in outer.sources if name not in leaf.sources))
        for name in outer.deadlines:
            leaf.deadlines = (*leaf.deadlines, name)
            if sum(not inner.children for inner in outer.all()) > 1:
                leaf.remarks.append(f"{name} runs on in the original until {outer.name} is left; here it starts anew")
    if node.final and node.parent is chart.root:
        leaf.outcome = chart.named("outcome", node.name)
        _ended(leaf)
    return leaf


def _ended(node: Node) -> None:
    """Take away what only a living state has."""
    for key in ("exit", "sources", "deadlines"):
        names = getattr(node, key)
        if names:
            node.remarks.append(f"{key}: {', '.join(names)}; here the machine has ended")
        setattr(node, key, ())


def _leaves(node: Node, names: dict[Node, str]) -> Iterator[Node]:
    return (inner for inner in node.all() if inner in names)


def _settling(chart: Chart, names: dict[Node, str]) -> None:
    """States with arrows that need no event post one when they are entered."""
    found = False
    for node in chart.root.all():
        if any(arrow.events == (ALWAYS,) for arrow in node.arrows):
            found = True
            for leaf in _leaves(node, names):
                if SETTLE not in leaf.entry:
                    leaf.entry = (*leaf.entry, SETTLE)
    if found:
        chart.events = {ALWAYS: Happening(BY_ACTION, rank=ALWAYS_RANK, doc="look what holds now"), **chart.events}
        chart.actions[SETTLE] = Action(f"post {ALWAYS}, for what the original does without an event", (ALWAYS,))


# -- rows --------------------------------------------------------------------------------------------------------


def _enter(target: Node, domain: Node) -> tuple[Node, tuple[str, ...]]:
    """The state in which the machine stands once it has entered `target` from within `domain`, and what it does on the
    way there."""
    way: list[Node] = []
    for node in target.up():
        if node is domain:
            break
        way.append(node)
    do: list[str] = []
    for node in reversed(way[1:]):
        do += node.entry
    node = target
    while node.children and node.initial is not None:
        do += (*(node.entry if node is not domain else ()), *node.initial_do)
        # An initial state may be deeper than a child.
        between = []
        for inner in node.initial.up():
            if inner is node:
                break
            between.append(inner)
        for inner in reversed(between[1:]):
            do += inner.entry
        node = node.initial
    return node, tuple(do)


def _domain(arrow: Arrow, node: Node, leaf: Node) -> Node:
    """The innermost state that `arrow` of `node` does not leave."""
    target = arrow.target
    assert target is not None
    around = list(target.up())
    if arrow.leaves == ACTIVE:
        active = set(leaf.up())
        if target in active:
            assert target.parent is not None
            return target.parent
        return next(outer for outer in around if outer in active)
    if arrow.leaves == INTERNAL and node in around and node.children:
        return node
    outside = set(node.up()) - {node}
    return next((outer for outer in around[1:] if outer in outside), around[-1])


def _rows(draft: Draft, node: Node, names: dict[Node, str]) -> None:
    for child in node.children:
        _rows(draft, child, names)
    leaves = [leaf for leaf in _leaves(node, names) if not draft.states[names[leaf]].outcome]
    for arrow in node.arrows:
        rows: dict[tuple[str | None, tuple[str, ...]], Row] = {}
        for leaf in leaves:
            to, do = None, arrow.do
            if arrow.target is not None:
                domain = _domain(arrow, node, leaf)
                left: list[str] = []
                for outer in leaf.up():
                    if outer is domain:
                        break
                    left += outer.exit if outer is not leaf else ()
                entered, entries = _enter(arrow.target, domain)
                to, do = names[entered], (*left, *do, *entries)
            elif do and SETTLE in leaf.entry and arrow.events != (ALWAYS,):
                do = (*do, SETTLE)
            row = rows.setdefault(
                (to, do),
                Row([], to, do, arrow.guards, GO, arrow.reason, arrow.again, [] if rows else arrow.remarks),
            )
            row.cells += [(names[leaf], event) for event in arrow.events if _comes(draft, names[leaf], event)]
        draft.rows += rows.values()
        draft.size += len(leaves) * len(arrow.events)
        if draft.size > MAX_CELLS:
            raise ImportProblem(f"its transitions make more than {MAX_CELLS} cells: too large to import")


def _comes(draft: Draft, state: str, event: str) -> bool:
    """Whether the event can come in the state: a deadline only where it is armed, a source's only where it is open."""
    happening, node = draft.chart.events[event], draft.states[state]
    if happening.timer is not None:
        return event in node.deadlines
    return happening.source not in draft.chart.sources or happening.source in node.sources


def _groups(draft: Draft, names: dict[Node, str]) -> None:
    for node in draft.chart.root.all():
        members = tuple(names[leaf] for leaf in _leaves(node, names))
        if node.parent is not None and node.children and len(members) > 1:
            draft.groups[draft.chart.named("state", node.name + " any" if node in names else node.name)] = members


def cells_of(draft: Draft) -> dict[Pair, list[Row]]:
    """The rows of each cell, in the order in which they are asked."""
    cells: dict[Pair, list[Row]] = {}
    for row in draft.rows:
        if not row.dropped:
            for pair in row.cells:
                cells.setdefault(pair, []).append(row)
    return cells


def _taken(rows: list[Row]) -> tuple[list[Row], bool]:
    """Those of the rows that can be taken, and whether one of them always is."""
    guards = sorted({name for row in rows for name, _ in row.guards})
    taken: list[Row] = []
    if len(guards) > MAX_GUARDS:
        for row in rows:
            if not any(set(before.guards) <= set(row.guards) for before in taken):
                taken.append(row)
        return taken, not taken[-1].guards
    bits = {name: 1 << index for index, name in enumerate(guards)}
    left = range(1 << len(guards))
    for row in rows:
        mask = sum(bits[name] for name, _ in row.guards)
        value = sum(bits[name] for name, wanted in row.guards if wanted)
        rest = [valuation for valuation in left if valuation & mask != value]
        if len(rest) < len(left):
            taken.append(row)
        left = rest  # type: ignore[assignment]
    return taken, not left


def _alive(draft: Draft) -> None:
    """Drop what the original never comes to: a row behind one that always holds."""
    for pair, rows in cells_of(draft).items():
        taken, _ = _taken(rows)
        for row in rows:
            if row not in taken:
                row.cells.remove(pair)
                if not row.cells:
                    row.cells, row.dropped = [pair], "never taken: the rows before it leave it nothing"


def _deadlines(draft: Draft) -> None:
    """A deadline that leads nowhere is none."""
    leading = {pair for pair, rows in cells_of(draft).items() if any(row.to or row.do for row in rows)}
    for name, node in draft.states.items():
        for event in node.deadlines:
            if (name, event) not in leading:
                node.remarks.append(f"the deadline {event} leads nowhere here")
                for row in draft.rows:
                    row.cells = [pair for pair in row.cells if pair != (name, event)]
        node.deadlines = tuple(dict.fromkeys(event for event in node.deadlines if (name, event) in leading))
    draft.rows = [row for row in draft.rows if row.cells]


def _merged(draft: Draft) -> None:
    """Rows that say the same of several states become one, where no row stands between them in any of their cells."""
    position = {id(row): index for index, row in enumerate(draft.rows)}
    cells = cells_of(draft)
    first: dict[object, Row] = {}
    for row in draft.rows:
        if row.dropped:
            continue
        events = tuple(dict.fromkeys(event for _, event in row.cells))
        key = (events, row.to, row.do, row.guards, row.kind, row.reason, row.again, tuple(row.remarks))
        before = first.setdefault(key, row)
        if before is row:
            continue
        between = range(position[id(before)] + 1, position[id(row)])
        if any(position[id(other)] in between for pair in row.cells for other in cells[pair]):
            first[key] = row
            continue
        before.cells += [pair for pair in row.cells if pair not in before.cells]
        row.cells = []
    draft.rows = [row for row in draft.rows if row.cells]


# -- the graph ---------------------------------------------------------------------------------------------------


def _follows(draft: Draft) -> dict[str, set[str]]:
    follows: dict[str, set[str]] = {name: set() for name in draft.states}
    for row in draft.rows:
        if not row.dropped and row.kind == GO:
            for state, _ in row.cells:
                follows[state].add(row.to or state)
    return follows


def _endless(draft: Draft) -> None:
    """Drop the last row of a cell that is always taken at once, and only leads round: in the original it never ends."""
    posted = {event for action in draft.chart.actions.values() for event in action.posts}
    cells = {pair: rows for pair, rows in cells_of(draft).items() if pair[1] in posted}

    def goes_on(row: Row) -> bool:
        """Whether something is posted on the way."""
        done = (*row.do, *(draft.states[row.to].entry if row.to else ()))
        return any(draft.chart.actions[name].posts for name in done)

    follows: dict[str, set[str]] = {name: set() for name in draft.states}
    for (state, _), rows in cells.items():
        follows[state].update(row.to or state for row in rows if goes_on(row))
    for pair, rows in cells.items():
        state = pair[0]
        round_ = all(goes_on(row) and state in closure([row.to or state], follows) for row in rows)
        if round_ and _taken(rows)[1]:
            last = rows[-1]
            last.cells.remove(pair)
            dropped = attrs.evolve(last, cells=[pair], dropped="leads round at once, for ever", remarks=[])
            draft.rows.insert(draft.rows.index(last) + 1, dropped)
    draft.rows = [row for row in draft.rows if row.cells]


def _unreached(draft: Draft) -> None:
    """States that no path leads to become comments, and so do their rows."""
    reached = closure([draft.initial], _follows(draft))
    for name in draft.states:
        if name not in reached:
            draft.dropped[name] = f"no path leads from {draft.initial} to {name}"
    for row in draft.rows:
        here = [pair for pair in row.cells if pair[0] in reached]
        if not here:
            row.dropped = row.dropped or "out of states that no path leads to"
        else:
            row.cells = here
    for name, members in list(draft.groups.items()):
        kept = tuple(member for member in members if member in reached)
        draft.groups[name] = kept
        if not kept:
            del draft.groups[name]


def _endings(draft: Draft) -> None:
    """A state without any way on ends the machine. Where others can't come to an end, a way is added."""
    chart = draft.chart
    follows = _follows(draft)
    with_rows = {state for row in draft.rows if not row.dropped for state, _ in row.cells}
    living = draft.living
    for name in living:
        node = draft.states[name]
        if len(draft.states) - len(draft.dropped) > 1 and name not in with_rows:
            node.outcome = chart.named("outcome", name)
            node.remarks.append("not final in the original, where it has no way on")
            _ended(node)
    for name, node in draft.states.items():
        if node.outcome and name not in draft.dropped:
            draft.outcomes[node.outcome] = node.doc
    finals = [name for name in living if draft.states[name].outcome]
    finals += [name for name in draft.states if draft.states[name].outcome and name not in draft.dropped]
    before: dict[str, set[str]] = {name: set() for name in follows}
    for source, targets in follows.items():
        for target in targets:
            before[target].add(source)
    ends = closure(finals, before)
    living = draft.living
    stuck = [name for name in living if len(living) > 1 and not follows[name] - {name}]
    if finals or stuck:
        stuck = [name for name in living if name in stuck or name not in ends]
    if not finals and stuck:
        # With the end that is added now, every other state needs a way there too.
        ends = closure(stuck, before)
        stuck = [name for name in living if name in stuck or name not in ends]
    if stuck:
        event, state = ABANDON, chart.named("state", ABANDONED)
        chart.events[event] = Happening(BY_CALLER, doc="added: the states that it is for have no way to an end")
        node = Node(state, chart.root, final=True, outcome=chart.named("outcome", ABANDONED))
        node.remarks.append("not in the original")
        draft.states[state] = node
        draft.outcomes[node.outcome] = "added, not in the original"
        remark = "not in the original, where these states have no way to an end"
        draft.rows.append(Row([(name, event) for name in stuck], state, remarks=[remark], filled=True))


# -- what is left unsaid -----------------------------------------------------------------------------------------


def _faults(draft: Draft) -> None:
    if draft.used_actions:
        fault = Happening(BY_ACTION, rank=-20, doc="an action failed")
        draft.chart.events = {FAULT: fault, **draft.chart.events}


def _fill(draft: Draft) -> None:
    """Say of every cell that is left what the original does there."""
    chart, cells = draft.chart, cells_of(draft)
    for event, happening in list(chart.events.items()):
        timed = happening.timer is not None
        if timed and not any(event in draft.states[name].deadlines for name in draft.living):
            del chart.events[event]
            chart.settings.pop(happening.timer or "", None)
            chart.remarks.append(f"the deadline {event} is armed in no state")
    posted = {event for name in draft.used_actions for event in chart.actions[name].posts}
    if ALWAYS in chart.events and ALWAYS not in posted:
        del chart.events[ALWAYS]
    for event in posted - chart.events.keys():
        chart.events[event] = Happening(BY_ACTION)
    for event, happening in chart.events.items():
        if happening.source in chart.sources and not any(
            happening.source in draft.states[name].sources for name in draft.living
        ):
            happening.source = BY_CALLER
        if happening.source == BY_ACTION and event not in posted and event != FAULT:
            happening.source = BY_CALLER
            happening.doc = happening.doc or "nothing in the machine posts it"
    listened = {name for state in draft.living for name in draft.states[state].sources}
    chart.sources = {name: kind for name, kind in chart.sources.items() if name in listened}
    open_cells: dict[tuple[str, str], dict[str, list[str]]] = {}
    for state in draft.living:
        for event, happening in chart.events.items():
            rows = cells.get((state, event), [])
            covered = bool(rows) and _taken(rows)[1]
            if covered or not _comes(draft, state, event):
                continue
            if event == FAULT:
                key = (IGNORE, "the original goes on, and raises the exception where the event was sent")
            elif event == ABANDON:
                key = (REJECT, "there is a way on")
            elif happening.source != BY_CALLER:
                key = (IGNORE, "the original has nothing for it here" if not rows else NO_GUARD)
            elif rows:
                key = (chart.unhandled, f"{NO_GUARD}; {chart.because}")
                draft.partly += 1
            else:
                key = (chart.unhandled, chart.because)
                draft.unsaid += 1
            open_cells.setdefault(key, {}).setdefault(state, []).append(event)
    for (kind, because), by_state in open_cells.items():
        if because.startswith(NO_GUARD):
            # An event at a time: where the rows before it name all states at once, so does this one.
            by_event: dict[str, list[str]] = {}
            for state, said in by_state.items():
                for event in said:
                    by_event.setdefault(event, []).append(state)
            groups: list[tuple[list[str], tuple[str, ...]]] = [(states, (event,)) for event, states in by_event.items()]
        else:
            by_events: dict[tuple[str, ...], list[str]] = {}
            for state, said in by_state.items():
                by_events.setdefault(tuple(said), []).append(state)
            groups = [(states, events) for events, states in by_events.items()]
        for states, events in groups:
            pairs = [(state, event) for state in states for event in events]
            draft.rows.append(Row(pairs, kind=kind, reason=because, filled=True))

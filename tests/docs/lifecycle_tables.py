"""What the page about the lifecycle says of each state and of each way out of it, from the shipped definition."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from scxlife.diagrams.cells import STAY, Line, lines_of
from scxlife.fsm.definition import DEFER, GO, IGNORE, Definition, State
from scxlife.fsm.durations import format_duration
from scxlife.lifecycle.options import shipped

DRAWINGS = Path(__file__).parents[2] / "diagrams" / "drawings"


def region(name: str) -> str:
    """`every state`, `guards`, `state NAME`, or `drawing VIEW`."""
    definition = shipped()
    if name == "guards":
        return "\n".join(f"- `{guard}`: {said}" for guard, said in definition.guards.items())
    if name == "every state":
        return "\n".join(_overview(definition))
    kind, _, what = name.partition(" ")
    if kind == "drawing":
        return _drawing(what)
    if kind != "state":
        raise KeyError(name)
    return "\n\n".join(_section(definition, definition.states[what]))


def _drawing(view: str) -> str:
    """The picture of that part of the lifecycle, where there is one."""
    found = sorted(DRAWINGS.glob(f"scheduler*{view.replace(' ', '*')}*.svg"))
    return "".join(f"![The lifecycle: {view}](../diagrams/drawings/{file.name})" for file in found[:1])


def _overview(definition: Definition) -> Iterator[str]:
    yield "| state | what it means | bounded by |"
    yield "|---|---|---|"
    for state in definition.states.values():
        meaning = state.doc or definition.outcomes[state.final or ""]
        yield f"| {_link(state.name)} | {_cell(meaning)} | {_cell(_bounds(definition, state))} |"


def _bounds(definition: Definition, state: State) -> str:
    if state.final is not None:
        return "an end"
    if not state.deadlines:
        return f"no deadline: {state.no_deadline}"
    return ", ".join(_duration(definition, name) for name in state.deadlines)


def _duration(definition: Definition, event: str) -> str:
    setting = definition.events[event].timer or ""
    value = definition.settings[setting]
    return f"`{setting}`, {'never by default' if value is None else format_duration(float(value))}"


def _section(definition: Definition, state: State) -> Iterator[str]:
    yield "\n".join(f"- {fact}" for fact in _facts(definition, state))
    if state.final is None:
        taken = [None, *_taken(definition, state)]
        rows = (_row(definition, state, line, before) for before, line in pairwise(taken) if line is not None)
        yield "\n".join(["| when | goes to | and |", "|---|---|---|", *rows])
        left_alone = list(_left_alone(definition, state))
        if left_alone:
            yield f"Heard and left alone: {'; '.join(left_alone)}."


def _facts(definition: Definition, state: State) -> Iterator[str]:
    if state.doc:
        yield f"**{state.doc}**"
    if state.final is not None:
        named = definition.outcomes.get(state.final)
        yield "ends with the verdict that was noted" if named is None else f"ends with `{state.final}`: {named}"
        return
    if state.phase is not None:
        yield f"phase: {state.phase}"
    for name in state.deadlines:
        yield f"deadline `{name}`: {_duration(definition, name)}"
    if state.no_deadline:
        yield f"no deadline: {state.no_deadline}"
    if state.entry:
        does = (f"`{name}` ({definition.actions[name].doc})" for name in state.entry)
        yield f"when it is entered: {'; '.join(does)}"
    yield f"listens to: {', '.join(state.sources)}"


def _taken(definition: Definition, state: State) -> Iterator[Line]:
    for event in definition.events:
        yield from (line for line in lines_of(definition, state.name, event) if line.kind in (GO, STAY, DEFER))


def _row(definition: Definition, state: State, line: Line, before: Line | None) -> str:
    when = f"`{line.event}`"
    again = before is not None and before.event == line.event
    if line.guards:
        when += f" if {', '.join(f'`{guard}`' for guard in line.guards)}"
    elif again:
        when += " otherwise"
    if not again:
        event = definition.events[line.event]
        when += f": {event.doc or _duration(definition, line.event)}"
    goes = "is kept for later" if line.kind == DEFER else "stays" if line.kind == STAY else _link(line.target)
    return f"| {_cell(when)} | {goes} | {_cell('; '.join(_and(definition, state, line)))} |"


def _and(definition: Definition, state: State, line: Line) -> Iterator[str]:
    """What is noted, done and said; what a state does when it is entered stands with that state."""
    if line.verdict:
        yield f"verdict **{line.verdict}**"
    entries = len(definition.states[line.target].entry) if line.target else 0
    own = line.actions[len(state.exit) if line.target else 0 : len(line.actions) - entries]
    if own:
        yield ", ".join(f"`{name}`" for name in own)
    if line.reason:
        yield line.reason


def _left_alone(definition: Definition, state: State) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for event in definition.events:
        for line in lines_of(definition, state.name, event):
            if line.kind == IGNORE:
                reasons.setdefault(line.reason, []).append(f"`{event}`")
    return (f"{', '.join(events)} ({reason})" for reason, events in reasons.items())


def _link(state: str) -> str:
    return f"[{state}](#{state})"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")

"""What a drawing says of a state and of a way out of it, in words, before any picture format comes into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from scxlife.diagrams.graph import Arrow, Deadline, Node
from scxlife.diagrams.ways import Way
from scxlife.fsm.definition import VERDICT, State
from scxlife.fsm.durations import format_duration


def commas(items: Sequence[str]) -> list[str]:
    """`items` as words of a sentence, each but the last with its comma."""
    return [*(f"{item}," for item in items[:-1]), *items[-1:]]


def wrapped(words: Iterable[str], width: int) -> list[str]:
    """Any words, none of them broken, in lines of about `width` characters."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def naming(ways: Sequence[Way]) -> list[str]:
    """The words of `event [guard, guard], event`, to be broken into lines between them."""
    words: list[str] = []
    for way in ways:
        words[-1:] = [f"{last}," for last in words[-1:]]
        conditions = commas(way.conditions)
        words += [f"{way.event.name} [{conditions[0]}", *conditions[1:]] if conditions else [way.event.name]
        if conditions:
            words[-1] += "]"
    return words


def handling(ways: Sequence[Way]) -> list[str]:
    """The words of `event, event / action, action` for events that the same actions handle."""
    return [*naming(ways), *(["/"] if ways[0].actions else []), *commas(ways[0].actions)]


def ending(state: State) -> str:
    """What a final state ends with."""
    return "ends with the verdict noted" if state.final == VERDICT else f"outcome {state.final}"


def deadline_line(deadline: Deadline) -> str:
    """When a deadline comes, counted from the entry of its state."""
    if deadline.seconds is None:
        return f"{deadline.event}: never ({deadline.setting} is unset)"
    return f"{deadline.event} after {format_duration(deadline.seconds)}"


def box_lines(node: Node) -> list[list[str]]:
    """What a state's box says below its name, line by line, each as words."""
    state = node.state
    lines = [state.doc.split()] if state.doc else []
    lines += [[ending(state)]] if state.final is not None else []
    lines += [[deadline_line(deadline)] for deadline in node.deadlines]
    lines += [["entry /", *commas(state.entry)]] if state.entry else []
    lines += [["exit /", *commas(state.exit)]] if state.exit else []
    lines += _by_effect([(way, way.actions) for way in node.stays])
    return [*lines, *([["defers", *naming(node.defers)]] if node.defers else [])]


def arrow_lines(arrow: Arrow, states: Mapping[str, State]) -> list[list[str]]:
    """What an arrow says: `event [guards], event / actions; verdict x`, a line for each effect.

    Exit actions of the state that is left and entry actions of the one that is entered are not repeated: their boxes
    name them.
    """
    ways = sorted(arrow.ways, key=lambda way: (way.is_fault, way.is_deadline))
    exits, entries = len(states[arrow.source].exit), len(states[arrow.target].entry)
    return _by_effect([(way, way.row_actions(exits, entries)) for way in ways])


def _by_effect(ways: Sequence[tuple[Way, tuple[str, ...]]]) -> list[list[str]]:
    effects = dict.fromkeys((actions, verdicts(way)) for way, actions in ways)
    lines = []
    for actions, noted in effects:
        words = naming([way for way, own in ways if (own, verdicts(way)) == (actions, noted)])
        words += ["/", *commas(actions)] if actions else []
        if noted:
            words[-1] += ";"
            words += ["verdict", *commas(noted)]
        lines.append(words)
    return lines


def verdicts(way: Way) -> tuple[str, ...]:
    """The verdicts that the branches of `way` note, each once."""
    noted = (branch.decision.verdict for branch in way.branches)
    return tuple(dict.fromkeys(verdict for verdict in noted if verdict))

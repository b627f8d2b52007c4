"""A machine of `transitions`, flat or hierarchical: its configuration, or the object itself, as a chart.

A configuration is made a machine by transitions itself, of which nothing is ever triggered: no name in it is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from scxlife.fsm.definition import IGNORE, REJECT

from .chart import ACTIVE, MAX_ARROWS, MAX_DEPTH, MAX_STATES, Arrow, Chart, Node, clean, seconds_text
from .problem import ImportProblem

_TOP = ("states", "transitions", "initial", "ordered_transitions", "ignore_invalid_triggers", "name")
_CALLBACKS = (
    "prepare_event",
    "before_state_change",
    "after_state_change",
    "finalize_event",
    "on_exception",
    "on_final",
)
_SILENT = (
    "auto_transitions",
    "send_event",
    "queued",
    "model",
    "model_attribute",
    "use_pygraphviz",
    "title",
    "show_conditions",
)
_STATE = ("name", "on_enter", "on_exit", "ignore_invalid_triggers", "final", "timeout", "on_timeout", "initial",
          "children", "states", "transitions", "parallel", "on_final", "tags", "remap", "accepted")  # fmt: skip
_ROW = ("trigger", "source", "dest", "conditions", "unless", "before", "after", "prepare")


def read(data: Mapping[str, Any], origin: str) -> Chart:
    """The chart of a configuration. Raises ImportProblem."""
    from transitions import Machine, MachineError
    from transitions.extensions.nesting import HierarchicalMachine, NestedState
    from transitions.extensions.states import Tags, Timeout, add_state_features

    states = data.get("states")
    if not isinstance(states, list) or not states:
        raise ImportProblem(
            "it has no list of `states`", "name its format with --format if this is no transitions machine"
        )
    rows = data.get("transitions") or []
    if not isinstance(rows, list):
        raise ImportProblem("`transitions` is no list")
    nested = _checked(states, rows)
    base: Any = HierarchicalMachine if nested else Machine
    made: Any = add_state_features(Timeout, Tags)(type("Imported", (base,), {}))
    made.initial_state = None
    # A separator that is part of a name would make states of it.
    if nested:
        made.state_cls = type("ImportedState", (Timeout, Tags, NestedState), {})
    arguments = {key: data[key] for key in _TOP if key in data and key not in ("states", "transitions")}
    initial = arguments.pop("initial", _name(states[0]) if data.get("initial", "") == "" else None)
    try:
        machine = made(
            model=None,
            states=[_plain(state) for state in states],
            transitions=[_row(row) for row in rows],
            initial=initial,
            auto_transitions=False,
            **{key: data[key] for key in _CALLBACKS if key in data},
            **arguments,
        )
    except (MachineError, ValueError, KeyError, AttributeError, TypeError, AssertionError) as error:
        raise ImportProblem(f"transitions refuses it: {clean(error)}") from None
    chart = of(machine, f"{origin} (transitions)")
    chart.name = clean(data.get("name") or "machine").rstrip(": ")
    for key in data:
        if key not in (*_TOP, *_CALLBACKS, *_SILENT):
            chart.remarks.append(f"{key}: {clean(data[key])}")
    return chart


def _name(state: Any) -> Any:
    return state.get("name") if isinstance(state, Mapping) else state


def _checked(states: list[Any], rows: list[Any]) -> bool:
    """Whether states hold others. Raises ImportProblem for what transitions would stumble over, or be filled by."""
    waiting = [(state, 1) for state in states]
    number, nested = 0, False
    while waiting:
        state, depth = waiting.pop()
        number += 1
        if number > MAX_STATES or depth > MAX_DEPTH:
            raise ImportProblem(f"more than {MAX_STATES} states or {MAX_DEPTH} levels: too large to import")
        if isinstance(state, str):
            continue
        if not isinstance(state, Mapping) or not isinstance(state.get("name"), str):
            raise ImportProblem(f"a state is neither a name nor a mapping with `name`: {clean(state)}")
        inner = state.get("children", state.get("states"))
        nested = nested or inner is not None
        if not isinstance(inner, (list, type(None))) or not isinstance(state.get("transitions"), (list, type(None))):
            raise ImportProblem(f"`children` and `transitions` of state {clean(state['name'])!r} are lists")
        rows = [*rows, *(state.get("transitions") or [])]
        waiting += [(each, depth + 1) for each in inner or []]
        for key in state:
            if key not in _STATE:
                raise ImportProblem(f"state {clean(state['name'])!r} has the unknown key {clean(key)!r}")
        timeout = state.get("timeout", 0)
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise ImportProblem(f"the timeout of state {clean(state['name'])!r} is no number of seconds")
    expanded = 0
    for row in rows:
        if isinstance(row, Mapping):
            unknown = [key for key in row if key not in _ROW]
            if unknown or not {"trigger", "source"} <= row.keys():
                raise ImportProblem(f"a transition has trigger, source and dest, and no {clean(unknown)}: {clean(row)}")
            source = row["source"]
        elif isinstance(row, list) and 3 <= len(row) <= len(_ROW):
            source = row[1]
        else:
            raise ImportProblem(f"a transition is neither a mapping nor a list of at least three: {clean(row)}")
        expanded += number if source == "*" else len(source) if isinstance(source, list) else 1
        if expanded > MAX_ARROWS:
            raise ImportProblem(f"more than {MAX_ARROWS} transitions: too large to import")
    return nested


def _plain(state: Any) -> Any:
    """A state as transitions takes it: texts of our YAML reader are none of its keys' types."""
    if isinstance(state, str):
        return str(state)
    found = {
        str(key): value for key, value in state.items() if key not in ("children", "states", "transitions", "accepted")
    }
    inner = state.get("children", state.get("states"))
    if inner is not None:
        found["children"] = [_plain(each) for each in inner]
        if state.get("transitions"):
            found["transitions"] = [_row(row) for row in state["transitions"]]
    if found.get("parallel") is not None:
        found["parallel"] = [_plain(each) for each in found["parallel"]]
    if "initial" in found and found["initial"] is None:
        del found["initial"]
    return found


def _row(row: Any) -> Any:
    return {str(key): value for key, value in row.items()} if isinstance(row, Mapping) else list(row)


# -- the object --------------------------------------------------------------------------------------------------


def of(machine: Any, origin: str) -> Chart:
    """The chart of a machine that exists. Raises ImportProblem."""
    return _Reader(machine, origin).chart


class _Reader:
    def __init__(self, machine: Any, origin: str) -> None:
        self.machine = machine
        ignoring = bool(machine.ignore_invalid_triggers)
        because = "transitions ignores it" if ignoring else "transitions raises MachineError"
        self.chart = chart = Chart(origin, unhandled=IGNORE if ignoring else REJECT, because=because)
        chart.name = str(machine.name).rstrip(": ") or "machine"
        self.separator = getattr(machine.state_cls, "separator", None) if hasattr(machine, "scoped") else None
        self.nodes: dict[str, Node] = {}
        self.automatic = 0
        self._states(machine.states, chart.root, "")
        chart.bounded()
        initial = machine.initial
        if isinstance(initial, (list, tuple)):
            chart.remarks.append(f"it begins in several states at once: {clean(initial)}")
            initial = initial[0] if initial else None
        if initial is not None:
            chart.root.initial = self._node(initial, "")
        self._initials(machine.states, "")
        self._callbacks()
        self._arrows(machine.events, chart.root, "")
        self._inner_arrows(machine.states, "")
        self._timeouts()
        for node in self.nodes.values():
            if node.final and any(outer.arrows for outer in node.up()):
                node.final = False
                node.remarks.append("final in the original, where it is left all the same")
        if self.automatic:
            chart.remarks.append(f"the {self.automatic} automatic triggers to_<state>, which lead from anywhere")

    def _states(self, states: Mapping[str, Any], node: Node, prefix: str) -> None:
        for key, state in states.items():
            name = prefix + _text(key)
            child = node.add(name)
            self.nodes[name] = child
            child.entry = self._names(state.on_enter)
            child.exit = self._names(state.on_exit)
            # Whatever transitions calls final may still be left; one that is not ends the machine.
            for key_ in ("tags", "on_final"):
                value = getattr(state, key_, None)
                if value:
                    child.remarks.append(f"{key_}: {clean(value)}")
            if state.ignore_invalid_triggers and not self.machine.ignore_invalid_triggers:
                child.remarks.append("ignore_invalid_triggers: what is rejected here is ignored in the original")
            child.final = bool(getattr(state, "final", False))
            self._states(getattr(state, "states", {}), child, f"{name}{self.separator}")

    def _initials(self, states: Mapping[str, Any], prefix: str) -> None:
        for key, state in states.items():
            name = prefix + _text(key)
            initial = getattr(state, "initial", None)
            if isinstance(initial, (list, tuple)):
                first, *others = map(_text, initial)
                self.nodes[name].remarks.append(f"parallel: only {first} is entered, not {', '.join(others)}")
                initial = first
            if initial is not None and getattr(state, "states", None):
                self.nodes[name].initial = self._node(initial, f"{name}{self.separator}")
            self._initials(getattr(state, "states", {}), f"{name}{self.separator}")

    def _node(self, name: Any, prefix: str) -> Node:
        text = prefix + _text(getattr(name, "name", name))
        if text not in self.nodes:
            raise ImportProblem(f"there is no state {clean(text)!r}")
        return self.nodes[text]

    def _callbacks(self) -> None:
        for key in _CALLBACKS:
            value = getattr(self.machine, key, None)
            if value:
                self.chart.remarks.append(f"{key}: {', '.join(map(_called, _each(value)))}, which runs at every event")

    def _inner_arrows(self, states: Mapping[str, Any], prefix: str) -> None:
        for key, state in states.items():
            name = prefix + _text(key)
            self._arrows(getattr(state, "events", {}), self.nodes[name], f"{name}{self.separator}")
            self._inner_arrows(getattr(state, "states", {}), f"{name}{self.separator}")

    def _arrows(self, events: Mapping[str, Any], scope: Node, prefix: str) -> None:
        for name, event in events.items():
            if (
                name.startswith("to_")
                and name[3:] in self.nodes
                and not any(each.conditions for row in event.transitions.values() for each in row)
                and len(event.transitions) >= len(self.machine.states)
            ):
                self.automatic += 1
                continue
            known = self.chart.event(name)
            for source, rows in event.transitions.items():
                node = self._node(source, prefix)
                for row in rows:
                    self._arrow(node, known, row, prefix)

    def _arrow(self, node: Node, event: str, row: Any, prefix: str) -> None:
        guards = []
        for condition in row.conditions:
            guards.append((self.chart.guard(_called(condition.func)), bool(condition.target)))
        arrow = Arrow((event,), guards=tuple(guards), leaves=ACTIVE)
        before, after = self._names(row.before), self._names(row.after)
        arrow.do = (*before, *after)
        if row.dest is not None:
            arrow.target = self._node(row.dest, prefix)
            if before and node.exit:
                arrow.remarks.append(f"{', '.join(before)} runs before {', '.join(node.exit)} in the original")
            if after and arrow.target.entry:
                arrow.remarks.append(f"{', '.join(after)} runs after {', '.join(arrow.target.entry)} in the original")
        if row.prepare:
            arrow.remarks.append(f"prepare: {', '.join(map(_called, row.prepare))}, before the guards are asked")
        node.arrows.append(arrow)

    def _timeouts(self) -> None:
        for name, state in _all_states(self.machine.states, "", self.separator):
            seconds = getattr(state, "timeout", 0)
            if not seconds:
                continue
            node = self.nodes[name]
            called = [_called(each) for each in _each(state.on_timeout)]
            timer = self.chart.timer(f"{name}_timeout", seconds_text(float(seconds)))
            # The trigger of that name, if it is one: what it would do here, the deadline does.
            trigger = self.chart.named("event", called[0]) if len(called) == 1 else ""
            same = [(outer, arrow) for outer in node.up() for arrow in outer.arrows if trigger in arrow.events]
            target = self.nodes.get(called[0].removeprefix("to_")) if len(called) == 1 else None
            if same:
                for outer, arrow in same:
                    outer.arrows.append(Arrow((timer,), arrow.target, arrow.guards, arrow.do, arrow.leaves))
            elif target is not None and called[0].startswith("to_"):
                node.arrows.append(Arrow((timer,), target, leaves=ACTIVE))
            else:
                node.arrows.append(Arrow((timer,), do=self._names(_each(state.on_timeout))))
            node.deadlines = (timer,)

    def _names(self, callbacks: Sequence[Any]) -> tuple[str, ...]:
        return tuple(self.chart.action(_called(each)) for each in callbacks)


def _all_states(states: Mapping[str, Any], prefix: str, separator: str | None) -> Iterator[tuple[str, Any]]:
    for key, state in states.items():
        name = prefix + _text(key)
        yield name, state
        yield from _all_states(getattr(state, "states", {}), f"{name}{separator}", separator)


def _text(name: Any) -> str:
    return str(name.name if isinstance(name, Enum) else name)


def _each(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _called(callback: Any) -> str:
    """The name of a callback: its own text, or the function's name."""
    if isinstance(callback, str):
        return str(callback)
    return str(getattr(callback, "__name__", None) or type(callback).__name__)

"""A class of python-statemachine, with its nested states, as a chart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scxlife.fsm.definition import IGNORE, REJECT

from .chart import ALWAYS, INTERNAL, Arrow, Chart, Node, clean
from .expressions import guards

# Methods that are called for every state or every transition, if the class has them.
_GENERAL = (
    "prepare_event", "before_transition", "on_transition", "after_transition", "on_enter_state", "on_exit_state",
    "on_invoke_state",
)  # fmt: skip


def of(cls: Any, origin: str) -> Chart:
    """The chart of a class. Raises ImportProblem."""
    return _Reader(cls, origin).chart


class _Reader:
    def __init__(self, cls: Any, origin: str) -> None:
        self.cls = cls
        lenient = bool(getattr(cls, "allow_event_without_transition", False))
        because = "python-statemachine ignores it" if lenient else "python-statemachine raises TransitionNotAllowed"
        self.chart = chart = Chart(origin, unhandled=IGNORE if lenient else REJECT, because=because)
        chart.name = cls.__name__
        own = cls.__dict__.get("__doc__") or ""
        chart.doc = clean(own.strip().partition("\n")[0])
        self.nodes: dict[Any, Node] = {}
        self._states(cls.states, chart.root)
        chart.bounded()
        for state, node in self.nodes.items():
            self._content(state, node)
        for name in _GENERAL:
            if callable(getattr(cls, name, None)):
                chart.remarks.append(f"{name}, which runs at every event")

    def _states(self, states: Iterable[Any], parent: Node) -> None:
        for state in states:
            node = parent.add(state.id)
            self.nodes[state] = node
            node.final = bool(state.final)
            if state.initial and parent.initial is None:
                parent.initial = node
            if state.id != state.value and state.value is not None:
                node.remarks.append(f"value: {clean(repr(state.value))}")
            if state.parallel:
                first, *others = [inner.id for inner in state.states]
                node.remarks.append(f"parallel: only {first} is entered, not {', '.join(others)}")
            for history in state.history:
                node.remarks.append(f"history {history.id}: its state is entered anew instead")
                self.nodes[history] = node
            self._states(state.states, node)
            if node.children and node.initial is None:
                node.initial = node.children[0]

    def _content(self, state: Any, node: Node) -> None:
        if state.id != node.name:
            return  # a history
        usual = state.id.replace("_", " ").capitalize()
        node.doc = "" if str(state.name) == usual else clean(state.name)
        node.entry, node.exit = self._names(state.enter), self._names(state.exit)
        invoked = self._names(state.invoke)
        if invoked:
            node.remarks.append(f"invoke: {', '.join(invoked)}")
            for name in invoked:
                self.chart.actions.pop(name, None)
        if node.final and node.parent is not None and node.parent is not self.chart.root:
            done = self.chart.event(f"done.state.{node.parent.name}")
            node.entry = (
                *node.entry,
                self.chart.posted(done, f"finish_{node.parent.name}", f"{node.parent.name} is done"),
            )
        for row in state.transitions:
            if not getattr(row, "initial", False):
                self._arrow(node, row)

    def _arrow(self, node: Node, row: Any) -> None:
        events = tuple(self.chart.event(self._event(str(event))) for event in row.events) or (ALWAYS,)
        if node.final:
            return
        found: list[tuple[str, bool]] = []
        for spec in row.cond:
            if not self._exists(spec):
                continue
            inner = guards(self.chart, _called(spec))
            if spec.expected_value is False and len(inner) == 1:
                inner = ((inner[0][0], not inner[0][1]),)
            elif spec.expected_value is False:
                inner = ((self.chart.guard(f"not ({_called(spec)})", f"not ({clean(_called(spec))})"), True),)
            found += inner
        arrow = Arrow(events, guards=tuple(dict.fromkeys(found)))
        before, on, after = self._names(row.before), self._names(row.on), self._names(row.after)
        arrow.do = (*before, *on, *after)
        targets = list(row.targets)
        if targets and not (row.internal and targets[0].id == node.name and not node.children):
            arrow.target = self.nodes[targets[0]]
            arrow.leaves = INTERNAL if row.internal else arrow.leaves
            if before and node.exit:
                arrow.remarks.append(f"{', '.join(before)} runs before {', '.join(node.exit)} in the original")
            if after and arrow.target.entry:
                arrow.remarks.append(f"{', '.join(after)} runs after {', '.join(arrow.target.entry)} in the original")
        arrow.remarks += [f"it also enters {other.id}" for other in targets[1:]]
        validators = [_called(spec) for spec in row.validators if self._exists(spec)]
        if validators:
            arrow.remarks.append(f"validators: {', '.join(validators)}, which raise an exception to refuse it")
        node.arrows.append(arrow)

    @staticmethod
    def _event(name: str) -> str:
        """Their ids have underscores where SCXML has dots."""
        return name.replace("done_state_", "done.state.") if name.startswith("done_state_") else name

    def _exists(self, spec: Any) -> bool:
        """Whether it is called at all: a conventional name is looked up and may be missing; those for every state and
        every transition are remarked once."""
        name = _called(spec)
        return not spec.is_convention or (name not in _GENERAL and callable(getattr(self.cls, name, None)))

    def _names(self, specs: Iterable[Any]) -> tuple[str, ...]:
        return tuple(self.chart.action(_called(spec)) for spec in specs if self._exists(spec))


def _called(spec: Any) -> str:
    return str(spec.attr_name or getattr(spec.func, "__name__", "callback"))

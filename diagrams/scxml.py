"""A definition as SCXML, the W3C's State Chart XML: a document that other tools can read, draw and run.

An event brings the answers of guards in its data, as `{"guards": {name: true}}`; one that it does not bring is the
member of the data `guards`. Actions are logged by their names. A deadline is an event that is sent late and cancelled
when its state is left. A deferred event is kept, with its data, in the data `deferred`, and sent again by the first
state that has something else for it.

What SCXML has no words for is in attributes of a namespace of our own: docs, sources, and for every cell its kind and
its reason. A transition without a target that does nothing is a cell that ignores, rejects or can't happen. A final
state has no cells there.
"""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Iterable, Iterator

from scxlife.diagrams.dot_text import one_line
from scxlife.diagrams.identifiers import coded
from scxlife.fsm.definition import DEFER, GO, VERDICT, Branch, Cell, Definition, Event, State
from scxlife.fsm.step import rules_of

NAMESPACE = "urn:scxlife:definition"


def scxml(definition: Definition) -> str:
    """The SCXML document of `definition`. Equal definitions give equal text."""
    return "\n".join([*_Document(definition).lines(), ""])


class _Document:
    def __init__(self, definition: Definition) -> None:
        self._machine = definition
        # Data and states share their identifiers' space.
        states = {_id(name) for name in definition.states}
        self._guards, self._verdict = _free("guards", states), _free("verdict", states)
        self._deferred, self._kept = _free("deferred", states), _free("kept", states)
        self._holds = _free("holds", states)
        # Those that are deferred anywhere, in the order in which they come back.
        self._deferring = sorted(
            {
                event
                for (_, event), cell in definition.cells.items()
                if any(branch.decision.kind == DEFER for branch in cell)
            },
            key=lambda name: definition.events[name].rank,
        )

    def lines(self) -> Iterator[str]:
        machine = self._machine
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield _open(
            "scxml",
            xmlns="http://www.w3.org/2005/07/scxml",
            xmlns_scxlife=NAMESPACE,
            version="1.0",
            name=_id(machine.name),
            initial=_id(machine.initial),
            datamodel="ecmascript",
            scxlife_name=machine.name,
            scxlife_version=str(machine.version),
            scxlife_doc=machine.doc,
        )
        yield "  <datamodel>"
        yield "    " + _tag(
            "data", id=self._guards, expr=f"{{{', '.join(f'{_js(guard)}: false' for guard in machine.guards)}}}"
        )
        yield "    " + _tag("data", id=self._verdict, expr="null")
        if self._deferring:
            yield "    " + _tag("data", id=self._deferred, expr="[]")
            yield "    " + _tag("data", id=self._kept, expr="null")
        yield "  </datamodel>"
        if machine.guards:
            yield "  <script>"
            yield f"    function {self._holds}(name, event) {{"
            yield "      var brought = event.data &amp;&amp; event.data.guards;"
            yield f"      return Boolean(brought &amp;&amp; name in brought ? brought[name] : {self._guards}[name]);"
            yield "    }"
            yield "  </script>"
        for state in machine.states.values():
            yield from _indented(self._state(state) if state.final is None else self._final(state))
        yield "</scxml>"

    def _state(self, state: State) -> Iterator[str]:
        yield _open("state", id=_id(state.name), **_told(state))
        armed = [name for name in state.deadlines if self._seconds(name) is not None]
        # Deadlines that pass together come in this order.
        first = sorted(armed, key=lambda name: (self._seconds(name), self._machine.events[name].rank, name))
        arms = (self._arm(state, name) for name in first)
        yield from _element("onentry", [*map(_log, state.entry), *arms, *self._back(state)])
        cancelled = [*armed, *(f"{name} again" for name in armed if self._starts_over(state, name))]
        cancels = [_tag("cancel", sendid=_timer(state, name)) for name in cancelled]
        yield from _element("onexit", [*map(_log, state.exit), *cancels])
        for event in self._machine.events.values():
            for branch in self._machine.cells[state.name, event.name]:
                yield from _indented(self._transition(state, event, branch))
        yield "</state>"

    def _final(self, state: State) -> Iterator[str]:
        yield _open("final", id=_id(state.name), **_told(state))
        yield from _element("onentry", map(_log, state.entry))
        outcome = self._verdict if state.final == VERDICT else _js(state.final or "")
        yield from _element("donedata", [_tag("param", name="outcome", expr=outcome)])
        yield "</final>"

    def _transition(self, state: State, event: Event, branch: Branch) -> Iterator[str]:
        decision = branch.decision
        leaves = decision.kind == GO and not decision.internal
        guards = [f"{'' if wanted else '!'}{self._holds}({_js(name)}, _event)" for name, wanted in branch.guards]
        attributes = {
            "event": coded(event.name),
            "cond": " && ".join(guards),
            "target": _id(decision.target) if leaves else "",
            "scxlife_kind": decision.kind,
            "scxlife_because": decision.reason,
        }
        exits = len(state.exit) if leaves else 0
        entries = len(self._machine.states[decision.target].entry) if leaves else 0
        content = [_log(name) for name in decision.actions[exits : len(decision.actions) - entries]]
        if decision.kind == DEFER:
            kept = f"{self._deferred}.concat([{{name: _event.name, data: _event.data}}])"
            content.append(_tag("assign", location=self._deferred, expr=kept))
        if decision.verdict:
            content.append(_tag("assign", location=self._verdict, expr=_js(decision.verdict)))
        if decision.again and self._seconds(event.name) is not None:
            content.append(self._arm(state, event.name, " again"))
        if not content:
            yield _tag("transition", **attributes)
            return
        yield _open("transition", **attributes)
        yield from _indented(content)
        yield "</transition>"

    def _back(self, state: State) -> Iterator[str]:
        """What sends the deferred events again that come back in this state: the lowest rank first."""
        machine = self._machine
        staying = rules_of(machine).staying[state.name]
        back = [name for name in self._deferring if name not in staying]
        for rank in dict.fromkeys(machine.events[name].rank for name in back):
            names = [_js(coded(name)) for name in back if machine.events[name].rank == rank]
            yield _open("foreach", array=self._deferred, item=self._kept)
            yield "  " + _open("if", cond=f"[{', '.join(names)}].indexOf({self._kept}.name) >= 0")
            yield "    " + _open("send", eventexpr=f"{self._kept}.name", target="#_internal")
            yield "      " + _tag("content", expr=f"{self._kept}.data")
            yield "    </send>"
            yield "  </if>"
            yield "</foreach>"
        if back:
            others = f"[{', '.join(_js(coded(name)) for name in back)}].indexOf(kept.name) < 0"
            expr = f"{self._deferred}.filter(function (kept) {{ return {others}; }})"
            yield _tag("assign", location=self._deferred, expr=expr)

    def _arm(self, state: State, name: str, again: str = "") -> str:
        seconds = self._seconds(name)
        assert seconds is not None
        # Whole numbers: Qt takes no fraction of a second.
        unit, amount = ("s", seconds) if seconds == int(seconds) else ("ms", seconds * 1000)
        delay = f"{amount:.3f}".rstrip("0").rstrip(".")
        return _tag("send", event=coded(name), id=_timer(state, f"{name}{again}"), delay=f"{delay}{unit}")

    def _seconds(self, name: str) -> float | None:
        value = self._machine.settings[self._machine.events[name].timer or ""]
        return None if value is None else float(value)

    def _starts_over(self, state: State, name: str) -> bool:
        cell: Cell = self._machine.cells[state.name, name]
        return any(branch.decision.again for branch in cell)


def _id(name: str) -> str:
    """An XML identifier, which no digit begins."""
    return coded(name) if name[:1].isascii() and (name[:1].isalpha() or name[:1] == "_") else f"_{coded(name)}"


def _timer(state: State, name: str) -> str:
    """The identifier of a deadline that is under way; with its dot it is none of a state."""
    return f"{_id(state.name)}.{coded(name)}"


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _told(state: State) -> dict[str, str]:
    return {
        "scxlife_name": state.name,
        "scxlife_doc": state.doc,
        "scxlife_phase": state.phase or "",
        "scxlife_sources": " ".join(state.sources),
        "scxlife_no-deadline": state.no_deadline or "",
    }


def _js(text: str) -> str:
    """A string of ECMAScript, in single quotes: it stands within double ones."""
    return "'{}'".format(json.dumps(text)[1:-1].replace("'", r"\u0027"))


def _log(action: str) -> str:
    return _tag("log", label="action", expr=_js(action))


def _element(name: str, content: Iterable[str]) -> Iterator[str]:
    """An element within a state; nothing where it would be empty."""
    lines = list(content)
    if lines:
        yield from _indented([f"<{name}>", *_indented(lines), f"</{name}>"])


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _open(element: str, **attributes: str) -> str:
    """A start tag with those of `attributes` that say something; `scxlife_` and `xmlns_` stand for a prefix."""
    return f"{_tag(element, **attributes)[:-2]}>"


def _tag(element: str, **attributes: str) -> str:
    """An element without content, and its attributes as `_open` has them."""
    words = [element]
    for key, value in attributes.items():
        if value:
            name = key.replace("_", ":", 1)
            escaped = html.escape(one_line(value), quote=False).replace('"', "&quot;")
            words.append(f'{name}="{escaped}"')
    return f"<{' '.join(words)}/>"

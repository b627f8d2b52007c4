"""SCXML, the W3C's State Chart XML, as a chart."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scxlife.fsm.definition import IGNORE

from .chart import ALWAYS, INTERNAL, OTHER, Arrow, Chart, Node, clean, seconds_text
from .expressions import guards
from .problem import ImportProblem
from .xml import Element, parse

SCXML = "http://www.w3.org/2005/07/scxml"
OURS = "urn:scxlife:definition"
STATES = ("state", "parallel", "final", "history")
_DELAY = re.compile(r"\s*(\d*\.?\d+)\s*(ms|s|m|h|d)\s*")
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def read(text: bytes, origin: str) -> Chart:
    """The chart of an SCXML document. Raises ImportProblem."""
    root = parse(text)
    if root.name != "scxml" or root.namespace not in ("", SCXML):
        raise ImportProblem(f"its root element is <{clean(root.name)}>, not SCXML's <scxml>")
    return _Reader(root, origin).chart


class _Reader:
    def __init__(self, root: Element, origin: str) -> None:
        self.chart = chart = Chart(
            f"{origin} (SCXML)", unhandled=IGNORE, because="SCXML drops an event that nothing takes"
        )
        chart.name = root.get(f"{OURS} name") or root.get("name") or "machine"
        chart.doc = root.get(f"{OURS} doc")
        self.nodes: dict[str, Node] = {}
        self.targets: dict[str, Node] = {}
        self.elements: list[tuple[Node, Element]] = []
        self._known = {
            name
            for element in root.within()
            for name in element.get("event").split()
            if element.name in ("transition", "raise", "send")
        }
        self._known |= {name.removesuffix("*").removesuffix(".") or OTHER for name in self._known if name.endswith("*")}
        ours = bool(root.get(f"{OURS} version"))
        for data in (each for each in root.within() if each.name == "data"):
            value = data.get("expr") or data.text.strip() or data.get("src")
            if not ours:
                chart.remarks.append(f"line {data.line}: data {data.get('id')} = {value}; the program keeps it")
        entries = [entry for entry in root.within() if entry.name == "onentry"]
        self._timed = {send.get("event") for entry in entries for send in entry.children if self._is_deadline(send)}
        self._states(root, chart.root)
        chart.bounded()
        for node, element in self.elements:
            self._initial(node, element)
        if chart.root.children:
            self._initial(chart.root, root)
        for node, element in self.elements:
            self._content(node, element)
        for script in () if ours else root.called("script"):
            chart.remarks.append(f"line {script.line}: <script> {script.text or script.get('src')}")

    # -- the tree ------------------------------------------------------------------------------------------------

    def _states(self, element: Element, node: Node) -> None:
        for child in element.called(*STATES):
            name = child.get("id") or f"{child.name}_{child.line}"
            if name in self.nodes or name in self.targets:
                raise ImportProblem(f"line {child.line}: state {clean(name)!r} stands there twice")
            if child.name == "history":
                self.targets[name] = node
                node.remarks.append(f"line {child.line}: history {name}: its state is entered anew instead")
                continue
            inner = node.add(name)
            self.nodes[name] = inner
            self.elements.append((inner, child))
            inner.final = child.name == "final"
            self._states(child, inner)

    def _initial(self, node: Node, element: Element) -> None:
        if not node.children:
            return
        node.initial = node.children[0]
        if element.name == "parallel":
            others = ", ".join(child.name for child in node.children[1:])
            node.remarks.append(f"line {element.line}: parallel: {node.children[0].name} is entered, and not {others}")
        elif element.get("initial"):
            node.initial = self._target(element.get("initial"), element)
        for initial in element.called("initial"):
            for transition in initial.called("transition"):
                node.initial = self._target(transition.get("target"), transition)
                node.initial_do = self._do(transition.children, node)
        if node.initial not in node.all() or node.initial is node:
            raise ImportProblem(f"line {element.line}: the initial state of {clean(node.name)!r} is not within it")

    def _target(self, text: str, element: Element) -> Node:
        names = text.split()
        found = self.nodes.get(names[0], self.targets.get(names[0])) if names else None
        if found is None:
            raise ImportProblem(f"line {element.line}: there is no state {clean(text)!r}")
        return found

    # -- what a state holds --------------------------------------------------------------------------------------

    def _content(self, node: Node, element: Element) -> None:
        node.doc = clean(element.get(f"{OURS} doc"))
        for each in element.called("invoke"):
            self._invoke(node, each)
        entered = [child for entry in element.called("onentry") for child in entry.children]
        left = [child for exit_ in element.called("onexit") for child in exit_.children]
        cancelled = {child.get("sendid") for child in left if child.name == "cancel"}
        deadlines = [child for child in entered if self._is_deadline(child)]
        for send in deadlines:
            self._deadline(node, send, cancelled)
        node.entry = self._do((child for child in entered if child not in deadlines), node)
        sent = {send.get("id") for send in deadlines}
        node.exit = self._do(
            (
                child
                for child in left
                if child.name != "cancel"
                or child.get("sendid").split(".")[0] not in {*sent, *(one.split(".")[0] for one in sent)}
            ),
            node,
        )
        if node.final and node.parent is not None and node.parent is not self.chart.root:
            done = self.chart.event(f"done.state.{node.parent.name}")
            finish = self.chart.posted(done, f"finish {node.parent.name}", f"{node.parent.name} has come to its end")
            node.entry = (*node.entry, finish)
        for donedata in element.called("donedata"):
            inner = ", ".join(f"{param.get('name')} = {param.get('expr')}" for param in donedata.called("param"))
            node.remarks.append(f"line {donedata.line}: <donedata> {inner or donedata.text}")
        for transition in element.called("transition"):
            self._transition(node, transition)

    def _is_deadline(self, element: Element) -> bool:
        return element.name == "send" and bool(element.get("delay")) and bool(element.get("event"))

    def _deadline(self, node: Node, send: Element, cancelled: set[str]) -> None:
        event = send.get("event")
        delay = _DELAY.fullmatch(send.get("delay"))
        value = seconds_text(float(delay[1]) * _UNITS[delay[2]]) if delay else "null"
        known = [name for name in self.chart.events if name == event and self.chart.events[name].timer]
        timer = self.chart.named("event", event)
        if known and self.chart.settings[self.chart.events[timer].timer or ""].value != value:
            node.remarks.append(f"line {send.line}: {event} comes after {send.get('delay')} here, not as elsewhere")
        else:
            self.chart.timer(event, value)
        if value == "null":
            node.remarks.append(f"line {send.line}: the delay {send.get('delay')} can't be a deadline's: null is never")
        if send.get("id") not in cancelled:
            node.remarks.append(f"line {send.line}: {event} is not cancelled on leaving in the original; here it is")
        node.deadlines = (*node.deadlines, timer)

    def _invoke(self, node: Node, invoke: Element) -> None:
        name = invoke.get("id") or invoke.get("src").rpartition("/")[2] or f"invoked_{invoke.line}"
        source = self.chart.named("source", name)
        self.chart.sources[source] = self.chart.named("kind", invoke.get("type") or "invoked")
        node.sources = (*node.sources, source)
        text = " ".join(f'{key}="{value}"' for key, value in invoke.attributes.items())
        node.remarks.append(f"line {invoke.line}: <invoke {text}>: what it sends is an event of source {source}")
        self.chart.events[self.chart.event(f"done.invoke.{name}")].source = source

    def _transition(self, node: Node, element: Element) -> None:
        if node.final:
            return
        chart = self.chart
        arrow = Arrow(self._events(element), guards=guards(chart, element.get("cond")))
        if element.get("target"):
            arrow.target = self._target(element.get("target"), element)
            for other in element.get("target").split()[1:]:
                arrow.remarks.append(f"line {element.line}: it also enters {other}")
            names = element.get("target").split()
            if names[0] in self.targets:
                arrow.remarks.append(f"line {element.line}: to the history {names[0]}")
        arrow.leaves = INTERNAL if element.get("type") == "internal" else arrow.leaves
        arrow.reason = clean(element.get(f"{OURS} because"))
        content = list(element.children)
        for send in [child for child in content if self._is_deadline(child)]:
            if not arrow.target and send.get("event") in arrow.events:
                arrow.again = True
                content.remove(send)
        arrow.do = self._do(content, node)
        if arrow.events == (ALWAYS,) and not arrow.target and not arrow.guards:
            node.remarks.append(f"line {element.line}: a transition without event, condition and target never ends")
        if arrow.events:
            node.arrows.append(arrow)

    def _events(self, element: Element) -> tuple[str, ...]:
        """The events that the descriptors of a transition stand for, among those that the document names."""
        if not element.get("event").strip():
            return (ALWAYS,)
        found: dict[str, None] = {}
        for descriptor in element.get("event").split():
            prefix = descriptor.removesuffix("*").removesuffix(".")
            plain = [name for name in sorted(self._known) if not name.endswith("*")]
            if not prefix:
                found |= dict.fromkeys(self.chart.event(name) for name in plain)
                found[self.chart.other(OTHER)] = None
                continue
            same = [name for name in plain if name == prefix or name.startswith(f"{prefix}.")]
            found |= dict.fromkeys(self.chart.event(name) for name in same or [prefix])
            if prefix != descriptor:
                found[self.chart.other(prefix)] = None
        return tuple(found)

    # -- executable content --------------------------------------------------------------------------------------

    def _do(self, content: Iterable[Element], node: Node) -> tuple[str, ...]:
        return tuple(self._action(element, node) for element in content)

    def _action(self, element: Element, node: Node) -> str:
        chart, text = self.chart, _shown(element)
        if element.name == "log" and element.get("label") == "action":
            return chart.action(element.get("expr").strip("'\""))
        if element.name in ("raise", "send") and self._to_itself(element):
            event = chart.event(element.get("event"))
            if chart.events[event].timer is None:
                return chart.posted(event, f"post_{event}", text)
        posts = []
        for inner in element.within():
            if inner is not element and inner.name in ("raise", "send") and self._to_itself(inner):
                event = chart.event(inner.get("event"))
                chart.posted(event, f"post_{event}", _shown(inner))
                posts.append(event)
        words = [element.name, element.get("location"), element.get("event"), element.get("label"), element.get("expr")]
        short = (
            f"set {element.get('location')}" if element.name == "assign" else " ".join(word for word in words if word)
        )
        for event in posts:
            chart.actions.pop(chart.named("action", f"post_{event}"), None)
        return chart.action(f"{short} {text}", text, fallback=short, posts=tuple(dict.fromkeys(posts)))

    def _to_itself(self, element: Element) -> bool:
        if element.get("event") in self._timed:
            return False  # a deadline, which nothing else posts
        plain = not element.get("delay") and not element.get("delayexpr")
        return plain and bool(element.get("event")) and element.get("target") in ("", "#_internal")


def _shown(element: Element) -> str:
    """An element of executable content in words."""
    if element.name == "assign":
        return clean(f"{element.get('location')} = {element.get('expr') or element.text.strip()}")
    if element.name == "log":
        return clean(f"log {element.get('label')} {element.get('expr')}".replace("  ", " "))
    return clean(_xml(element))


def _xml(element: Element) -> str:
    attributes = "".join(f' {key}="{value}"' for key, value in element.attributes.items())
    inner = element.text.strip() + "".join(map(_xml, element.children))
    return f"<{element.name}{attributes}>{inner}</{element.name}>" if inner else f"<{element.name}{attributes}/>"

"""A machine's configuration for XState, version 4 or 5, as a chart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scxlife.fsm.definition import IGNORE

from .chart import ALWAYS, INTERNAL, OTHER, Arrow, Chart, Node, clean, seconds_text
from .expressions import guards
from .problem import ImportProblem

_WORDS = """
id key initial type states on always after entry exit onEntry onExit invoke onDone history target meta order description
tags context version data output activities delimiter predictableActionArguments preserveActionOrder schema schemas
strict tsTypes
"""
_STATE = frozenset(_WORDS.split())


def read(data: Mapping[str, Any], origin: str) -> Chart:
    """The chart of a configuration. Raises ImportProblem."""
    return _Reader(data, origin).chart


class _Reader:
    def __init__(self, data: Mapping[str, Any], origin: str) -> None:
        self.chart = chart = Chart(
            f"{origin} (XState)", unhandled=IGNORE, because="XState drops an event that nothing takes"
        )
        chart.name = str(data.get("id") or data.get("key") or "machine")
        chart.doc = clean(data.get("description") or "")
        self.newer = not _has(data, "cond", "internal", "activities")
        self.configs: dict[Node, Mapping[str, Any]] = {chart.root: data}
        self.by_id: dict[str, Node] = {}
        self.paths: dict[Node, str] = {chart.root: chart.name}
        self._states(chart.root, data)
        chart.bounded()
        if not chart.root.children:
            raise ImportProblem("it has no `states`")
        known = {event for config in self.configs.values() for event in _mapping(config, "on")}
        self._known = sorted(known | {name.rstrip(".*") or OTHER for name in known if name.endswith("*")})
        for node, config in self.configs.items():
            if node.children:
                self._initial(node, config)
        for node, config in self.configs.items():
            self._content(node, config)
        context = data.get("context")
        if context is not None:
            chart.remarks.append(f"context: {_json(context)}; the program keeps it")

    # -- the tree ------------------------------------------------------------------------------------------------

    def _states(self, node: Node, config: Mapping[str, Any]) -> None:
        if config.get("id") is not None:
            self.by_id[str(config["id"])] = node
        keys: dict[str, Node] = {}
        for key, inner in _mapping(config, "states").items():
            inner = inner if inner is not None else {}
            if not isinstance(inner, Mapping):
                raise ImportProblem(f"state {clean(key)!r} is no object")
            if inner.get("type") == "history":
                node.remarks.append(f"history {key}: its state is entered anew instead")
                if inner.get("id") is not None:
                    self.by_id[str(inner["id"])] = node
                continue
            name = key if node is self.chart.root else f"{node.name}.{key}"
            child = node.add(name)
            keys[key] = child
            self.paths[child] = f"{self.paths[node]}.{key}"
            self.configs[child] = inner
            child.final = inner.get("type") == "final"
            self._states(child, inner)
        self.children = {**getattr(self, "children", {}), node: keys}

    def _initial(self, node: Node, config: Mapping[str, Any]) -> None:
        if config.get("type") == "parallel":
            others = ", ".join(child.name for child in node.children[1:])
            text = f"parallel: only {node.children[0].name} is entered, not {others}"
            (self.chart.remarks if node is self.chart.root else node.remarks).append(text)
            node.initial = node.children[0]
            return
        initial = config.get("initial")
        if isinstance(initial, Mapping):
            node.initial_do = self._do(initial.get("actions"))
            initial = initial.get("target")
        if isinstance(initial, list):
            initial = initial[0] if initial else None
        if initial is None:
            if node is not self.chart.root:
                raise ImportProblem(f"state {clean(node.name)!r} has states, and no `initial`")
            return
        node.initial = self._down(node, str(initial).removeprefix("."), node)

    def _down(self, node: Node, path: str, of: Node) -> Node:
        keys = self.children[node]
        if path in keys:
            direct: Node = keys[path]
            return direct
        for part in path.split("."):
            if part not in self.children.get(node, {}):
                raise ImportProblem(
                    f"state {clean(of.name) or 'machine'!r} leads to {clean(path)!r}, which is no state"
                )
            node = self.children[node][part]
        return node

    def _target(self, text: str, node: Node) -> Node:
        if text.startswith("#"):
            name = text[1:]
            if name in self.by_id:
                return self.by_id[name]
            for known in sorted([*self.by_id, self.chart.name], key=len, reverse=True):
                if name.startswith(f"{known}."):
                    return self._down(self.by_id.get(known, self.chart.root), name[len(known) + 1 :], node)
            raise ImportProblem(f"state {clean(node.name)!r} leads to {clean(text)!r}, which is no state")
        if text.startswith("."):
            return self._down(node, text[1:], node)
        return self._down(node.parent or node, text, node)

    # -- what a state holds --------------------------------------------------------------------------------------

    def _content(self, node: Node, config: Mapping[str, Any]) -> None:
        remarks = self.chart.remarks if node is self.chart.root else node.remarks
        if node is not self.chart.root:
            meta = config.get("meta")
            described = meta.get("description") if isinstance(meta, Mapping) else None
            node.doc = clean(config.get("description") or described or "")
        for key in config:
            if key not in _STATE or key in ("tags", "data", "output", "activities") or (key == "meta" and not node.doc):
                remarks.append(f"{key}: {_json(config[key])}")
        node.entry = self._do(config.get("entry", config.get("onEntry")))
        node.exit = self._do(config.get("exit", config.get("onExit")))
        if node.final and node.parent is not None and node.parent is not self.chart.root:
            done = self._done(node.parent)
            node.entry = (
                *node.entry,
                self.chart.posted(done, f"finish {node.parent.name}", f"{node.parent.name} is done"),
            )
        # An event's own transitions go before those for any, whatever their order in the file.
        on = sorted(_mapping(config, "on").items(), key=lambda item: item[0].endswith("*") and 1000 - len(item[0]))
        arrows: list[Arrow] = []
        for event, value in on:
            arrows += self._arrows(node, self._events(event), value)
        if config.get("always") is not None:
            arrows += self._arrows(node, (ALWAYS,), config["always"])
        if config.get("onDone") is not None and node is not self.chart.root:
            arrows += self._arrows(node, (self._done(node),), config["onDone"])
        for delay, value in self._after(config):
            timer = self._timer(node, delay)
            node.deadlines = (*node.deadlines, timer)
            arrows += self._arrows(node, (timer,), value)
        for number, invoke in enumerate(_listed(config.get("invoke"))):
            arrows += self._invoke(node, invoke, number)
        if node is self.chart.root and node.initial_do:
            self.chart.remarks.append("the actions of `initial`")
        node.arrows += [arrow for arrow in arrows if not node.final]

    def _done(self, node: Node) -> str:
        return self.chart.event(f"done.state.{node.name}")

    def _events(self, event: str) -> tuple[str, ...]:
        if event == "":
            return (ALWAYS,)
        if event.endswith("*"):
            prefix = event[:-1]
            plain = (name for name in self._known if name and not name.endswith("*") and name.startswith(prefix))
            return (*(self.chart.event(name) for name in plain), self.chart.other(prefix.rstrip(".") or OTHER))
        return (self.chart.event(event),)

    def _after(self, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        after = config.get("after")
        if isinstance(after, list):
            for each in after:
                if not isinstance(each, Mapping):
                    raise ImportProblem("`after` holds what is no transition")
                yield str(each.get("delay", "")), {key: value for key, value in each.items() if key != "delay"}
        else:
            yield from ((str(delay), value) for delay, value in _mapping(config, "after").items())

    def _timer(self, node: Node, delay: str) -> str:
        name = node.name or self.chart.name
        try:
            milliseconds = float(delay)
        except ValueError:
            return self.chart.timer(f"{name}.after.{delay}", "null", f"the delay {clean(delay)}; null is never")
        value = seconds_text(milliseconds / 1000)
        if milliseconds == 0:
            value = "1us"
            node.remarks.append("after 0: a deadline takes at least a moment")
        return self.chart.timer(f"{name}.after.{value}", value)

    def _invoke(self, node: Node, invoke: Any, number: int) -> Iterator[Arrow]:
        if isinstance(invoke, str):
            invoke = {"src": invoke}
        if not isinstance(invoke, Mapping):
            raise ImportProblem(f"`invoke` of state {clean(node.name)!r} is no object")
        called = invoke.get("src")
        called = called.get("type") if isinstance(called, Mapping) else called
        name = str(invoke.get("id") or called or f"{node.name} {number}")
        source = self.chart.named("source", name)
        self.chart.sources[source] = "invoked"
        node.sources = (*node.sources, source)
        for key, event in (("onDone", f"done.invoke.{name}"), ("onError", f"error.{name}")):
            if invoke.get(key) is not None:
                known = self.chart.event(event)
                self.chart.events[known].source = source
                yield from self._arrows(node, (known,), invoke[key])
        for key in invoke:
            if key not in ("src", "id", "onDone", "onError", "type"):
                node.remarks.append(f"invoke {name}: {key}: {_json(invoke[key])}")

    # -- transitions ---------------------------------------------------------------------------------------------

    def _arrows(self, node: Node, events: tuple[str, ...], value: Any) -> list[Arrow]:
        if not events:
            return []
        return [self._arrow(node, events, each) for each in (value if isinstance(value, list) else [value])]

    def _arrow(self, node: Node, events: tuple[str, ...], value: Any) -> Arrow:
        if value is None or isinstance(value, str):
            value = {"target": value}
        if not isinstance(value, Mapping):
            raise ImportProblem(f"a transition of state {clean(node.name)!r} on {events[0]} is no object")
        arrow = Arrow(
            events, guards=self._guards(value.get("guard", value.get("cond"))), do=self._do(value.get("actions"))
        )
        arrow.reason = clean(value.get("description") or "")
        targets = value.get("target")
        targets = targets if isinstance(targets, list) else [] if targets is None else [targets]
        if targets:
            arrow.target = self._target(str(targets[0]), node)
            relative = str(targets[0]).startswith(".")
            if self.newer:
                arrow.leaves = INTERNAL if not value.get("reenter") else arrow.leaves
                if arrow.target is node and not node.children and not value.get("reenter"):
                    arrow.target = None
            elif value.get("internal", relative):
                arrow.leaves = INTERNAL
        for other in targets[1:]:
            arrow.remarks.append(f"it also enters {other}")
        for key in value:
            if key not in ("target", "guard", "cond", "actions", "description", "internal", "reenter", "meta"):
                arrow.remarks.append(f"{key}: {_json(value[key])}")
        return arrow

    def _guards(self, value: Any) -> tuple[tuple[str, bool], ...]:
        if value is None:
            return ()
        if isinstance(value, str):
            return guards(self.chart, value)
        if isinstance(value, Mapping):
            kind, inner = value.get("type"), value.get("guards", value.get("children"))
            if kind in ("and", "xstate.and") and isinstance(inner, list):
                return tuple(guard for each in inner for guard in self._guards(each))
            if kind in ("not", "xstate.not"):
                found = self._guards(value.get("guard", inner[0] if isinstance(inner, list) and inner else None))
                if len(found) == 1:
                    return ((found[0][0], not found[0][1]),)
            elif kind is not None and kind not in ("or", "xstate.or") and not value.get("params"):
                return ((self.chart.guard(str(kind)), True),)
        text = _json(value)
        name = value.get("type") if isinstance(value, Mapping) else None
        return ((self.chart.guard(f"{name or 'guard'} {text}", text), True),)

    def _do(self, value: Any) -> tuple[str, ...]:
        return tuple(self._action(each) for each in _listed(value))

    def _action(self, value: Any) -> str:
        if isinstance(value, str):
            return self.chart.action(value)
        if not isinstance(value, Mapping):
            raise ImportProblem(f"an action is neither a name nor an object: {_json(value)}")
        kind = str(value.get("type", "action"))
        rest = {key: inner for key, inner in value.items() if key != "type"}
        params = rest.get("params") if isinstance(rest.get("params"), Mapping) else rest
        event = params.get("event") if isinstance(params, Mapping) else None
        event = event.get("type") if isinstance(event, Mapping) else event
        if kind in ("raise", "xstate.raise") and isinstance(event, str):
            posted = self.chart.event(event)
            if not (isinstance(params, Mapping) and params.get("delay")):
                return self.chart.posted(posted, f"post_{event}", f"post {clean(event)}")
        if not rest:
            return self.chart.action(kind)
        shown = _json(params if isinstance(params, Mapping) else rest)
        return self.chart.action(
            f"{kind} {_json(rest)}", clean(f"{kind} {shown}"), fallback=f"{kind} {_values(rest)}"[:40]
        )


def _values(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_values(inner) for inner in value.values())
    return str(value)


def _json(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ImportProblem(f"`{key}` is no object")
    return {str(name): inner for name, inner in value.items()}


def _has(value: Any, *keys: str) -> bool:
    """Whether one of the keys stands anywhere within."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            if any(key in each for key in keys):
                return True
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return False

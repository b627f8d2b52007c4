"""Whatever a machine of another library looks like, its draft loads, or there is a clear error."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scxlife.fsm.importing.draft import Draft
from scxlife.fsm.importing.problem import ImportProblem
from scxlife.fsm.importing.reading import SCXML, TRANSITIONS, XSTATE, drafted
from scxlife.fsm.importing.text import draft_text
from scxlife.fsm.lint import check_text

NAMES = st.sampled_from(["a", "b", "c", "d", "fault", "on", "true", "null", "a b", "ä", "always", "1", "verdict", "*"])
EVENTS = st.sampled_from(["x", "y", "x.y", "fault", "abandon", "*", "x.*", "", "yes", "done.state.a", "y z"])
GUARDS = st.sampled_from(["g", "h", "not g", "g && h", "g || h", "!h", "x == '\"'", "g and not h", ": #{", "i", "j"])
DO = st.lists(st.sampled_from(["act", "do it", "raise", "say \"it\": 'now'", "\x1b[31m", "settle"]), max_size=2)


def loads_or_is_refused(draft: Any) -> None:
    try:
        found: Draft = draft()
    except ImportProblem as problem:
        assert str(problem).isprintable()
        return
    text = draft_text(found)
    report = check_text(text, "draft.yaml")
    assert report.definition is not None, "\n".join([*map(str, report.problems), text])
    assert all(line.isprintable() for line in text.splitlines())


FORMS = settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
)


def _arrow(targets: Any) -> Any:
    whole = st.fixed_dictionaries(
        {}, optional={"target": targets, "guard": GUARDS, "actions": DO, "reenter": st.booleans(), "z": NAMES}
    )
    return st.one_of(targets, whole, st.lists(whole, max_size=2))


def _xstate(inner: Any) -> Any:
    targets = st.sampled_from(["a", "b", "c", ".a", "#a", "d", "a.b"])
    return st.fixed_dictionaries(
        {},
        optional={
            "initial": st.sampled_from(["a", "b", "c"]),
            "states": st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
            "on": st.dictionaries(EVENTS, _arrow(targets), max_size=3),
            "after": st.dictionaries(
                st.sampled_from(["0", "10", "1e30", "-1", "soon", "nan"]), _arrow(targets), max_size=2
            ),
            "always": _arrow(targets),
            "onDone": _arrow(targets),
            "entry": DO,
            "exit": DO,
            "type": st.sampled_from(["final", "parallel", "history", "atomic"]),
            "invoke": st.fixed_dictionaries({"src": NAMES}, optional={"onDone": _arrow(targets), "id": NAMES}),
            "id": st.sampled_from(["a", "b"]),
        },
    )


XSTATES = st.recursive(_xstate(st.just({})), _xstate, max_leaves=8)


@FORMS
@given(XSTATES, XSTATES, XSTATES)
def test_any_configuration_of_xstate(config: dict[str, Any], a: dict[str, Any], b: dict[str, Any]) -> None:
    # A root in which most targets exist, and so most configurations are drafted.
    config = {**config, "initial": "a", "states": {"a": a, "b": b, "c": {}, "d": {}}}
    loads_or_is_refused(lambda: drafted("m.json", json.dumps(config).encode(), XSTATE))


ROWS = st.fixed_dictionaries(
    {
        "trigger": EVENTS,
        "source": st.one_of(NAMES, st.lists(NAMES, max_size=3)),
        "dest": st.one_of(NAMES, st.none(), st.just("=")),
    },
    optional={"conditions": GUARDS, "unless": GUARDS, "before": DO, "after": DO, "prepare": DO},
)


def _states(inner: Any) -> Any:
    whole = st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "on_enter": DO,
            "on_exit": DO,
            "final": st.booleans(),
            "timeout": st.sampled_from([0, 1, 0.5, -1, 1e300]),
            "on_timeout": EVENTS,
            "children": inner,
            "initial": NAMES,
        },
    )
    return st.lists(st.one_of(NAMES, whole), min_size=1, max_size=4)


TREES = st.recursive(_states(st.just([])), _states, max_leaves=6)


@FORMS
@given(TREES, st.lists(ROWS, max_size=6), NAMES)
def test_any_configuration_of_transitions(states: Any, rows: Any, initial: str) -> None:
    data = {"states": states, "transitions": rows, "initial": initial}
    loads_or_is_refused(lambda: drafted("m.json", json.dumps(data).encode(), TRANSITIONS))


@st.composite
def scxml_states(draw: Any, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["state", "state", "state", "final", "parallel", "history"]))
    name = draw(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]))
    inner = []
    for _ in range(draw(st.integers(0, 3))):
        given_ = {"event": draw(EVENTS), "cond": draw(GUARDS), "target": draw(st.sampled_from(["a", "b", "c"]))}
        kept = {key: value for key, value in given_.items() if draw(st.booleans())}
        content = draw(
            st.sampled_from(
                ["", '<raise event="x"/>', '<log expr="1"/>', '<if cond="x"><raise event="y"/></if>', "<z/>"]
            )
        )
        inner.append(f"<transition {' '.join(f'{k}={quoteattr(v)}' for k, v in kept.items())}>{content}</transition>")
    delay = draw(st.sampled_from(["1s", "5ms", "-1s", "soon", "999999999999999s"]))
    if draw(st.booleans()):
        inner.append(f'<onentry><send event="x" delay="{delay}" id="i"/></onentry>')
    if draw(st.booleans()):
        inner.append('<onexit><cancel sendid="i"/></onexit><invoke id="a" type="b"/>')
    if depth and draw(st.booleans()):
        inner += [draw(scxml_states(depth=depth - 1)) for _ in range(draw(st.integers(1, 2)))]
    return f'<{kind} id="{name}">{"".join(inner)}</{kind}>'


@FORMS
@given(st.lists(scxml_states(), max_size=3))
def test_any_document_of_scxml(states: list[str]) -> None:
    loads_or_is_refused(lambda: drafted("m.scxml", f"<scxml>{''.join(states)}</scxml>".encode(), SCXML))


KEYS = st.sampled_from(["states", "transitions", "initial", "on", "invoke", "name"])
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.text())
ANY_JSON = st.recursive(PLAIN, lambda inner: st.one_of(st.lists(inner), st.dictionaries(KEYS, inner)))


@FORMS
@given(ANY_JSON)
@pytest.mark.parametrize("kind", [None, XSTATE, TRANSITIONS])
def test_any_json(kind: str | None, data: Any) -> None:
    loads_or_is_refused(lambda: drafted("m.json", json.dumps(data).encode(), kind))

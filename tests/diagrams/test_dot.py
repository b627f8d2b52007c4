"""The DOT text, as Graphviz itself reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs

from scxlife.diagrams.dot import dot
from scxlife.fsm.definition import GO, Definition
from scxlife.fsm.loader import loads

from .rings import HOSTILE, ring, shown

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"


def run_dot(text: str, picture: str) -> bytes:
    done = subprocess.run(["dot", f"-T{picture}"], input=text.encode(), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


def lines(label: str) -> list[str]:
    """The lines of an HTML-like label of plain names."""
    return [line.strip() for line in unescape(re.sub(r"<[^>]*>", "\n", label)).splitlines() if line]


@attrs.frozen
class Read:
    """A drawing after `dot` has read it: attributes by state, and by two states."""

    nodes: dict[str, dict[str, Any]]
    edges: dict[tuple[str, str], dict[str, Any]]


def read(text: str) -> Read:
    data = json.loads(run_dot(text, "json"))
    names = [thing["name"] for thing in data["objects"]]
    pairs = [(names[edge["tail"]], names[edge["head"]]) for edge in data["edges"]]
    assert len(set(pairs)) == len(pairs), "two arrows between the same two states"
    return Read(
        dict(zip(names, data["objects"], strict=True)),
        dict(zip(pairs, data["edges"], strict=True)),
    )


def test_a_box_names_the_state_its_deadlines_its_actions_and_what_it_keeps(kettle: Definition) -> None:
    nodes = read(dot(kettle)).nodes
    assert lines(nodes["heating"]["label"]) == [
        "heating",
        "boil_late after 90s",
        "entry / heater_on",
        "exit / heater_off",
        "level / show_level",
        "defers lift",
    ]
    assert lines(nodes["cold"]["label"]) == ["cold"]
    assert nodes["cold"]["tooltip"] == "it stands, and waits"
    assert lines(nodes["hot"]["label"]) == ["hot", "cooled: never (rest is unset)", "→ cold: cooled"]


def test_a_final_state_has_a_double_border_and_its_outcome(kettle: Definition) -> None:
    nodes = read(dot(kettle)).nodes
    assert {name: node.get("peripheries", "1") for name, node in nodes.items()} == {
        ":initial": "1",
        "cold": "1",
        "heating": "1",
        "hot": "1",
        "served": "2",
        "broken": "2",
    }
    assert lines(nodes["served"]["label"]) == ["served", "outcome served"]


def test_each_arrow_lists_its_events_and_shows_what_kind_they_are(kettle: Definition) -> None:
    edges = read(dot(kettle)).edges
    assert {pair: (lines(edge.get("label", "")), edge.get("style", "solid")) for pair, edge in edges.items()} == {
        (":initial", "cold"): ([], "solid"),
        ("cold", "heating"): (["press [filled]"], "solid"),
        ("heating", "cold"): (["press", "dry"], "solid"),
        ("heating", "hot"): (["boils"], "solid"),
        ("heating", "broken"): (["boil_late", "fault"], "dashed"),
        ("hot", "hot"): (["press"], "solid"),
        ("hot", "served"): (["lift"], "solid"),
        ("hot", "broken"): (["fault"], "dotted"),
    }
    marked = edges["heating", "broken"]["label"]
    assert "<I>boil_late</I>" in marked
    assert '<FONT COLOR="#a3341f">fault</FONT>' in marked
    assert edges["cold", "heating"]["tooltip"] == "press: heater_on; it clicks"


def test_the_title_says_which_machine_in_which_version(kettle: Definition) -> None:
    label = json.loads(run_dot(dot(kettle), "json"))["label"]
    assert lines(label)[:3] == ["kettle", "2", "Boils water, once."]


def test_a_part_is_framed_with_what_leads_into_it_and_what_it_leads_to(shipped: Definition) -> None:
    drawing = read(dot(shipped, ["startup_and_attach"]))
    (door,) = [tail for tail, head in drawing.edges if head == "stopping"]
    assert drawing.edges[door, "stopping"]["ltail"] == "cluster 0"
    assert lines(drawing.edges[door, "stopping"]["label"])[0] == "interrupt"
    assert drawing.nodes["stopping"]["style"] == "dashed"
    (comes,) = [tail for tail, head in drawing.edges if head == "startup"]
    assert lines(drawing.nodes[comes]["label"]) == ["spawning", "spawned"]


def test_the_spine_is_one_straight_line(shipped: Definition) -> None:
    nodes = read(dot(shipped)).nodes
    across = {nodes[name]["pos"].split(",")[0] for name in shipped.views["spine"]}
    assert max(map(float, across)) - min(map(float, across)) <= 1


def test_the_lifecycle_and_its_views_are_as_wide_as_a_page(shipped: Definition) -> None:
    for view in (None, *shipped.views):
        groups, only = ((), "all") if view is None else ((), "spine") if view == "spine" else ((view,), "all")
        width = float(json.loads(run_dot(dot(shipped, groups, only), "json"))["bb"].split(",")[2])
        assert width / 72 < 11.5, f"{view}: {width / 72:.1f} inches, of letters that are 10 points high"


# -- every machine ---------------------------------------------------------------------------------------------


def texts(svg: bytes) -> Iterator[str]:
    return (element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def test_graphviz_draws_every_machine_with_all_that_it_can_do(machine: Definition) -> None:
    words = set(re.findall(r"[\w-]+", "\n".join(texts(run_dot(dot(machine), "svg")))))
    leading = {
        event
        for (_, event), cell in machine.cells.items()
        if any(branch.decision.kind == GO and not branch.decision.internal for branch in cell)
    }
    assert leading
    assert (machine.states.keys() | leading) - words == set()


def test_every_go_of_the_table_is_an_arrow_or_a_line_in_its_states_box(machine: Definition) -> None:
    drawing = read(dot(machine))
    names = list(drawing.nodes)
    doors = {
        pair: [names[member] for member in drawing.nodes[edge["ltail"]]["nodes"]]
        for pair, edge in drawing.edges.items()
        if "ltail" in edge
    }
    lost = []
    for (state, event), cell in machine.cells.items():
        for decision in [branch.decision for branch in cell]:
            if decision.kind == GO and not decision.internal:
                arrow = lines(drawing.edges.get((state, decision.target), {}).get("label", ""))
                box = " ".join(lines(drawing.nodes[state]["label"]))
                for door, members in doors.items():
                    if door[1] == decision.target and state in members:
                        arrow += lines(drawing.edges[door]["label"])
                told = rf"→ {decision.target}:[^→]*\b{event}\b"
                if event not in [line.split()[0] for line in arrow] and not re.search(told, box):
                    lost.append((state, event, decision.target))
    assert lost == []


def test_two_loads_give_the_same_bytes_whatever_the_hash_seed(files: list[Path]) -> None:
    code = "import sys; from scxlife.diagrams.dot import dot; from scxlife.fsm.loader import load; " + (
        "print(*(dot(load(file)) for file in sys.argv[1:]))"
    )
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code, *map(str, files)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(drawn) == 1


# -- names that are DOT, HTML or nothing -----------------------------------------------------------------------


def test_any_name_is_shown_as_it_is() -> None:
    svg = run_dot(dot(ring(HOSTILE)), "svg")
    seen = list(texts(svg))
    tips = [element.get(TITLE) for element in ElementTree.fromstring(svg).iter(f"{SVG}a")]
    *most, last = map(shown, HOSTILE)
    for name in most:
        assert seen.count(name) >= 2, "once as a state, once on an arrow"
        assert f"entry / {name}" in seen
        assert f"about {name}" in tips
        assert f"{name}: {name}; {name}" in tips
    # From the last state back to the first it is too far for an arrow.
    assert f"→ {most[0]}: {last}" in seen
    assert f"about {last} | {last}: {last}; {last}" in tips
    assert " ".join(seen).count(shown(" ".join(HOSTILE))) == 1, "the doc under the title"


def test_an_empty_name_is_no_syntax_error() -> None:
    assert "b" in texts(run_dot(dot(ring(["", "b"])), "svg"))


def calls(states: int) -> int:
    """How many calls of Python functions it takes to draw a circle of so many states."""
    machine = loads(circle(states))
    count = 0

    def counted(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        dot(machine, ["half"])
        dot(machine)
    finally:
        sys.setprofile(before)
    return count


def circle(states: int) -> str:
    """A machine that goes round, from each state also back to the first; one half of it is a group."""
    names = [f"s{number}" for number in range(states)]
    declared = "".join(f"  {name}: {{no-deadline: it waits}}\n" for name in names)
    rows = "".join(
        f"  - {{in: {name}, on: go, to: {names[(index + 1) % states]}}}\n  - {{in: {name}, on: back, to: s0}}\n"
        for index, name in enumerate(names)
    )
    return (
        "format: 1\nmachine: circle\nversion: 1\ninitial: s0\n"
        "events: {go: {source: caller}, back: {source: caller}}\n"
        f"groups: {{half: [{', '.join(names[: states // 2])}]}}\nstates:\n{declared}rows:\n{rows}"
    )


def test_the_work_grows_as_the_states_do() -> None:
    assert calls(400) < 2.5 * calls(200)

"""The graph that every drawing starts from."""

from __future__ import annotations

from scxlife.diagrams.graph import Arrow, Graph, Node, graph_of
from scxlife.fsm.definition import Definition, State


def bare(initial: str, states: str, *arrows: str) -> Graph:
    """A graph of nothing but names: `a b` are states, `a>b` is an arrow."""
    nodes = tuple(Node(State(name), (), (), ()) for name in states.split())
    pairs = (arrow.split(">") for arrow in arrows)
    return Graph("bare", 1, "", initial, nodes, tuple(Arrow(source, target, ()) for source, target in pairs))


def test_there_is_one_arrow_for_each_two_states_with_all_its_ways(kettle: Definition) -> None:
    arrows = {(arrow.source, arrow.target): [way.label for way in arrow.ways] for arrow in graph_of(kettle).arrows}
    assert arrows == {
        ("cold", "heating"): ["press [filled]"],
        ("heating", "cold"): ["press", "dry"],
        ("heating", "hot"): ["boils"],
        ("heating", "broken"): ["fault", "boil_late"],
        ("hot", "cold"): ["cooled"],
        ("hot", "hot"): ["press"],
        ("hot", "served"): ["lift"],
        ("hot", "broken"): ["fault"],
    }


def test_a_state_knows_its_deadlines_what_it_handles_itself_and_what_it_defers(kettle: Definition) -> None:
    nodes = {node.name: node for node in graph_of(kettle).nodes}
    heating = nodes["heating"]
    assert [(deadline.event, deadline.seconds) for deadline in heating.deadlines] == [("boil_late", 90.0)]
    assert [(way.label, way.actions) for way in heating.stays] == [("level", ("show_level",))]
    assert [way.label for way in heating.defers] == ["lift"]
    assert [(deadline.setting, deadline.seconds) for deadline in nodes["hot"].deadlines] == [("rest", None)]
    assert nodes["cold"].stays == nodes["cold"].defers == ()


def test_the_spine_goes_onward_to_the_farthest_state_and_never_back(kettle: Definition) -> None:
    graph = graph_of(kettle)
    assert graph.layers() == {"cold": 0, "heating": 1, "hot": 2, "served": 3, "broken": 3}
    assert graph.spine() == ("cold", "heating", "hot", "served")


def test_the_way_onward_begins_at_the_initial_state_wherever_it_is_declared() -> None:
    graph = bare("start", "far mid start", "far>mid", "mid>far", "start>far")
    assert graph.layers() == {"start": 0, "far": 1, "mid": 2}
    assert graph.spine() == ("start", "far", "mid")


def test_a_short_cut_is_not_the_spine() -> None:
    assert bare("a", "a b c d", "a>b", "a>d", "b>c", "c>d").spine() == ("a", "b", "c", "d")

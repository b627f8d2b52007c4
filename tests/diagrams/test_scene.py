"""What is drawn, what is said in words, what is said once: nothing gets lost, whatever part is shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scxlife.diagrams.axis import axis_of
from scxlife.diagrams.graph import graph_of
from scxlife.diagrams.nesting import Box
from scxlife.diagrams.scene import Scene, scene_of
from scxlife.diagrams.selection import ALL, ALONG, FAILURES, KINDS, narrowed, of_kind
from scxlife.fsm.definition import Definition
from scxlife.fsm.loader import loads

Told = tuple[str, str, str]


def boxes(box: Box) -> Iterator[Box]:
    yield box
    for inner in box.boxes:
        yield from boxes(inner)


def told(scene: Scene) -> list[Told]:
    """Every way of a scene as its state, its label and its target, however it is told."""
    arrows = [*scene.arrows, *(arrow for own in scene.away.values() for arrow in own)]
    found = [(arrow.source, way.label, arrow.target) for arrow in arrows for way in arrow.ways]
    living = {node.name for node in scene.nodes if node.state.final is None}
    for box in boxes(scene.box):
        for arrow in scene.joint.get(box.name, ()):
            found += [(state, way.label, arrow.target) for way in arrow.ways for state in living & {*box.all_states()}]
    for target, sources in scene.coming.items():
        found += [(state, way.label, target) for one in sources for way in one.ways for state in one.states]
    return sorted(found)


def ways(definition: Definition, groups: tuple[str, ...], only: str) -> list[Told]:
    graph = narrowed(definition, groups, only)
    return sorted((arrow.source, way.label, arrow.target) for arrow in graph.arrows for way in arrow.ways)


@pytest.mark.parametrize("only", KINDS)
def test_a_scene_tells_every_way_once(machine: Definition, only: str) -> None:
    assert told(scene_of(machine, (), only)) == ways(machine, (), only)
    for name in (*machine.views, *machine.groups):
        assert told(scene_of(machine, (name,), only)) == ways(machine, (name,), only), name


def test_the_spine_and_the_failures_are_all_there_is(machine: Definition) -> None:
    both = ways(machine, (), ALONG) + ways(machine, (), FAILURES)
    assert sorted(both) == ways(machine, (), ALL)


def test_what_several_states_handle_alike_is_said_once(machine: Definition) -> None:
    graph, scene = graph_of(machine), scene_of(machine)
    kept = [(node.name, way.label) for node in scene.nodes for way in node.stays]
    kept += [(state, way.label) for one in scene.common for way in one.ways for state in one.states]
    does = [(node.name, way.label) for node in graph.nodes for way in node.stays if way.actions or way.conditions]
    assert sorted(kept) == sorted(does)


def test_the_spine_of_the_lifecycle_is_one_line_without_a_failure(shipped: Definition) -> None:
    graph = graph_of(shipped)
    axis = axis_of(graph, shipped.views)
    spine = of_kind(graph, axis, ALONG)
    assert {(arrow.source, arrow.target) for arrow in spine.arrows} == axis.steps() | {("startup", "running")}
    assert not any(way.is_fault for arrow in spine.arrows for way in arrow.ways)


def test_a_machine_without_a_spine_has_the_longest_way_onward(kettle: Definition) -> None:
    graph = graph_of(kettle)
    axis = axis_of(graph, kettle.views)
    assert axis.states == ("cold", "heating", "hot", "served")
    # A final state beside it stands amid those that lead to it: heating and hot.
    assert axis.places["broken"] == 1.5


STAIRS = """\
format: 1
machine: stairs
version: 1
initial: s0
outcomes: {top: {}, hurt: {}}
events: {up: {source: caller}, slip: {source: caller}, trip: {source: caller}}
groups: {low: [s0, s1], high: [s2, s3]}
views: {spine: [low, high, top], both: [low, s2]}
states:
  s0: {no-deadline: one may rest}
  s1: {no-deadline: one may rest}
  s2: {no-deadline: one may rest}
  s3: {no-deadline: one may rest}
  top: {final: top}
  hurt: {final: hurt}
rows:
  - {in: s0, on: up, to: s1}
  - {in: s1, on: up, to: s2}
  - {in: s2, on: up, to: s3}
  - {in: s3, on: up, to: top}
  - {in: [low, high], on: slip, to: hurt}
  - {in: high, on: trip, to: hurt}
ignore:
  - {in: low, on: trip, because: it is not far}
"""


def test_a_view_has_the_states_of_its_groups_in_its_order() -> None:
    stairs = loads(STAIRS, "stairs.yaml")
    assert stairs.views == {"spine": ("s0", "s1", "s2", "s3", "top"), "both": ("s0", "s1", "s2")}


def test_what_all_states_of_a_group_do_leaves_from_its_frame() -> None:
    scene = scene_of(loads(STAIRS, "stairs.yaml"))
    assert {name: [(a.target, [way.label for way in a.ways]) for a in own] for name, own in scene.joint.items()} == {
        "low": [("hurt", ["slip"])],
        "high": [("hurt", ["slip", "trip"])],
    }


def test_a_part_has_what_comes_into_it_and_what_it_leads_to() -> None:
    scene = scene_of(loads(STAIRS, "stairs.yaml"), ("high",))
    assert scene.beyond == ("hurt", "top")
    assert [(one.states, [way.label for way in one.ways]) for one in scene.coming["s2"]] == [(("s1",), ["up"])]
    assert [(arrow.source, arrow.target) for arrow in scene.arrows] == [("s2", "s3"), ("s3", "top")]


def test_what_is_too_long_to_draw_is_said_in_its_box(shipped: Definition) -> None:
    scene = scene_of(shipped)
    away = {arrow.target: [way.label for way in arrow.ways] for arrow in scene.away["attaching"]}
    assert (away["stopping"], away["reaping"]) == (["interrupt"], ["exited"])
    assert ("attaching", "running") in {(arrow.source, arrow.target) for arrow in scene.arrows}

"""Many long arrows to one state become one arrow and a line in each box; nothing gets lost."""

from __future__ import annotations

from scxlife.diagrams.graph import Arrow, graph_of
from scxlife.diagrams.sharing import Condensed, condense
from scxlife.fsm.definition import Definition
from scxlife.fsm.loader import loads


def stairs(**falls: str) -> Condensed:
    """Steps s0 to s4 and the top: `up` leads to the next one, each event of `falls` from some of them to `hurt`."""
    steps = [f"s{number}" for number in range(5)]
    text = ["format: 1", "machine: stairs", "version: 1", "initial: s0", "outcomes: {top: {}, hurt: {}}", "events:"]
    text += [f"  {event}: {{source: caller}}" for event in ("up", "look", "turn", *falls)]
    text += ["  fault: {source: action}", "actions: {see: what there is}", "states:"]
    text += [f"  {step}: {{no-deadline: one may rest}}" for step in steps]
    text += ["  top: {final: top}", "  hurt: {final: hurt}", "rows:"]
    text += [f"  - {{in: {here}, on: up, to: {to}}}" for here, to in zip(steps, [*steps[1:], "top"], strict=True)]
    text += [f"  - {{in: [{', '.join(steps)}], on: [look, turn], do: see}}"]
    text += [f"  - {{in: [{states}], on: {event}, to: hurt}}" for event, states in falls.items()]
    text += ["ignore:", '  - {in: "*", on: fault, because: it is no matter}']
    for event, states in falls.items():
        left = [step for step in steps if step not in states.split(", ")]
        text += [f"  - {{in: [{', '.join(left)}], on: {event}, because: one holds on}}"] if left else []
    return condense(graph_of(loads("\n".join(text))))


def to_hurt(condensed: Condensed) -> list[Arrow]:
    return [arrow for arrow in condensed.graph.arrows if arrow.target == "hurt"]


def test_long_arrows_that_many_states_share_are_drawn_once() -> None:
    condensed = stairs(slip="s0, s1, s2, s3, s4", trip="s0, s1, s2")
    (shared,) = condensed.shared
    assert (shared.sources, shared.target) == (("s0", "s1", "s2"), "hurt")
    assert [way.label for way in shared.ways] == ["slip", "trip"]
    # From the last steps it is not far: these arrows stay.
    assert [arrow.source for arrow in to_hurt(condensed)] == ["s3", "s4"]


def test_a_shared_way_keeps_what_each_state_does_on_it() -> None:
    (shared,) = stairs(slip="s0, s1, s2, s4").shared
    assert [branch.decision.state for branch in shared.ways[0].branches] == ["s0", "s1", "s2"]


def test_two_states_are_not_many() -> None:
    condensed = stairs(slip="s0, s1, s3, s4")
    assert condensed.shared == ()
    assert len(to_hurt(condensed)) == 4


def test_an_arrow_with_a_way_of_its_own_stays_for_that_alone() -> None:
    condensed = stairs(slip="s0, s1, s2, s4", trip="s2")
    assert [(one.sources, [way.label for way in one.ways]) for one in condensed.shared] == [
        (("s0", "s1", "s2"), ["slip"])
    ]
    assert [(arrow.source, [way.label for way in arrow.ways]) for arrow in to_hurt(condensed)] == [
        ("s2", ["trip"]),
        ("s4", ["slip"]),
    ]


def test_what_many_states_handle_alike_is_said_once() -> None:
    condensed = stairs(slip="s4")
    (common,) = condensed.common
    assert [(way.label, way.actions) for way in common.ways] == [("look", ("see",)), ("turn", ("see",))]
    assert common.states == ("s0", "s1", "s2", "s3", "s4")
    assert [node.stays for node in condensed.graph.nodes] == [()] * 7


def test_condensing_loses_nothing(machine: Definition) -> None:
    graph = graph_of(machine)
    condensed = condense(graph)
    told = [(source, way.label, one.target) for one in condensed.shared for way in one.ways for source in one.sources]
    drawn = [(arrow.source, way.label, arrow.target) for arrow in condensed.graph.arrows for way in arrow.ways]
    assert sorted(told + drawn) == sorted((a.source, way.label, a.target) for a in graph.arrows for way in a.ways)
    kept = [(node.name, way.label) for node in condensed.graph.nodes for way in node.stays]
    kept += [(state, way.label) for one in condensed.common for way in one.ways for state in one.states]
    assert sorted(kept) == sorted((node.name, way.label) for node in graph.nodes for way in node.stays)

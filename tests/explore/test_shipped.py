"""The lifecycle that comes with scxlife, walked."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from tests.explore.mutants import MUTANTS

from scxlife.fsm.loader import load
from scxlife.lifecycle.model.endings import bound, round_trip
from scxlife.lifecycle.model.exploration import Exploration, Finding, shortened
from scxlife.lifecycle.model.findings import faults_in
from scxlife.lifecycle.model.steps import Model
from scxlife.lifecycle.model.world import DEAD, UNBORN
from scxlife.lifecycle.options import shipped


@cache
def walked(profile: str, faults: int, depth: int | None = None) -> Exploration:
    exploration = Exploration(Model(shortened(shipped().with_profile(profile)), faults))
    exploration.run(depth)
    return exploration


@pytest.mark.parametrize("profile", ["sched_ext", "file", "none"])
def test_every_property_holds_in_all_that_needs_no_fault(profile: str) -> None:
    exploration = walked(profile, 0)
    assert exploration.complete
    assert exploration.found == {}
    assert exploration.rests == {"running"}


@pytest.mark.parametrize("profile", ["file", "none"])
def test_every_state_is_reached_that_the_profile_can_reach(profile: str) -> None:
    only_with_sched_ext = {"unsupported", "settling"}
    never_lost = {"detached"} if profile == "none" else set()
    reached = {machine.state for machine, _ in walked(profile, 1).reached()}
    assert set(shipped().states) - reached == only_with_sched_ext | never_lost


def test_every_state_is_reached_with_sched_ext() -> None:
    rare = {"settling", "evicting", "emptying"}
    assert {machine.state for machine, _ in walked("sched_ext", 0).reached()} == set(shipped().states) - rare


def test_leftovers_and_a_tree_that_outlives_its_process_need_a_fault() -> None:
    assert {"evicting", "emptying"} <= {machine.state for machine, _ in walked("file", 1).reached()}


def test_H2_only_what_is_out_of_the_ordinary_leads_to_settling() -> None:
    assert not any(machine.state == "settling" for machine, _ in walked("sched_ext", 0).reached())
    assert any(machine.state == "settling" for machine, _ in walked("sched_ext", 2, 10).reached())


@pytest.mark.parametrize(("profile", "depth"), [("none", None), ("file", None), ("sched_ext", 9), ("boot", 8)])
def test_every_property_holds_with_one_fault(profile: str, depth: int | None) -> None:
    assert walked(profile, 1, depth).found == {}


def test_two_faults_break_nothing_where_a_file_says_ready() -> None:
    exploration = walked("file", 2)
    assert exploration.complete
    assert exploration.found == {}


def test_Q4_a_process_that_can_not_be_killed_is_told() -> None:
    final = {state.name for state in shipped().states.values() if state.final is not None}
    said = {
        machine.verdict
        for machine, world in walked("sched_ext", 0).reached()
        if machine.state in final and world.process not in (UNBORN, *DEAD)
    }
    assert said == {"left-running/unkillable"}


def test_Q3_defect_7_no_wait_after_SIGKILL_is_without_bound() -> None:
    exploration = walked("sched_ext", 0)
    assert not {"killing", "reaping", "sweeping", "dismissing", "discarding"} & exploration.rests
    assert "left_running" in exploration.after["killing"]


def test_D8_what_is_being_ended_is_never_wanted_again() -> None:
    after = walked("sched_ext", 0).after
    ending = {"stopping"}
    while more := {then for state in ending for then in after.get(state, ())} - ending:
        ending |= more
    assert not ending & {"startup", "attaching", "running", "detached", "finishing"}


def test_H2_deadlines_that_are_over_together_break_nothing() -> None:
    exploration = walked("sched_ext", 1, 9)
    assert any({"attach_late", "attach_over"} <= set(machine.inbox) for machine, _ in exploration.reached())
    assert exploration.found == {}


def test_what_is_no_rest_is_over_within_the_deadlines_on_its_longest_way() -> None:
    """Out of `running`: detached, finishing, stopping, killing, reaping, sweeping, dismissing, discarding."""
    exploration = walked("sched_ext", 0)
    names = ["detached_at_most", "detached_at_most", "stop_grace", "kill_timeout", "release_timeout"]
    names += ["sweep_timeout", "payload_grace", "kill_timeout"]
    longest = sum(float(shipped().settings[name] or 0) for name in names)
    assert bound(shipped(), exploration.after, exploration.rests) == longest


def test_going_round_is_found_unless_there_is_a_rest_on_the_way() -> None:
    after = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}}
    assert round_trip(after, set()) in {("a", "b", "c", "a"), ("b", "c", "a", "b"), ("c", "a", "b", "c")}
    assert round_trip(after, {"b"}) == ()
    assert round_trip({"a": {"a"}}, set()) == ("a", "a")
    assert round_trip({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}, set()) == ()


def test_what_takes_fewer_faults_is_found_first_and_by_a_shortest_way(tmp_path: Path) -> None:
    mutated = next(mutant for mutant in MUTANTS if mutant.defect == "the pid stays published").text()
    (tmp_path / "mutant.yaml").write_text(mutated)
    exploration = Exploration(Model(load(tmp_path / "mutant.yaml").with_profile("none"), 1))
    exploration.run()
    way = exploration.way(Finding("left", "done", "startup-died"))
    assert faults_in(way) == 0
    states = [step.machine.state for step in way if step.move is not None and step.move[0].delivers]
    assert states == ["locating", "spawning", "startup", "reaping", "sweeping", "dismissing", "done"]


def test_two_walks_are_the_same() -> None:
    first, second = walked("file", 1), walked.__wrapped__("file", 1)
    assert (first.states, first.transitions, first.deepest) == (second.states, second.transitions, second.deepest)
    assert list(first.found) == list(second.found)


def test_a_walk_that_is_cut_short_says_so() -> None:
    exploration = walked("file", 0, 5)
    assert not exploration.complete
    assert exploration.deepest < walked("file", 0).deepest

"""The judge of the random lives: what it lets pass, and what not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.vm.fates import FATES, Ending, Fate, complaints, draw
from tests.vm.lives import SEEDS

FATE = Fate("exits", "", (Ending("exited", ({"code": 5},), 1, "by itself"),))
ENDED = {"outcome": "exited", "exit": {"code": 5}, "generation": 1, "reason": "it was ready and ended by itself"}
WELL: dict[str, Any] = {
    "outcome": ENDED,
    "state": "disabled",
    "published": [],
    "survivors": [],
    "children": [],
    "descriptors": 9,
}


def judged(statuses_known: bool = True, **told: Any) -> list[str]:
    return complaints(FATE, {**WELL, **told}, descriptors=9, statuses_known=statuses_known)


def test_a_life_that_ends_as_it_may_and_leaves_nothing_is_well() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"outcome": {**ENDED, "outcome": "stopped"}}, "stopped, exit {'code': 5}"),
        ({"outcome": {**ENDED, "exit": {"code": 4}}}, "exit {'code': 4}"),
        ({"outcome": {**ENDED, "exit": None}}, "exit None"),
        ({"outcome": {**ENDED, "generation": 0}}, "generation 0"),
        ({"outcome": {**ENDED, "reason": "it was tired"}}, "'it was tired'"),
        ({"state": "enabled"}, "the kernel says enabled"),
        ({"published": [7]}, "pids [7] are still published"),
        ({"survivors": [7]}, "nobody had ended [7]"),
        ({"children": [7]}, "children are left, or their zombies: [7]"),
        ({"descriptors": 10}, "10 descriptors, before there were 9"),
    ],
)
def test_each_thing_that_can_be_wrong_is_told(told: dict[str, Any], complaint: str) -> None:
    (said,) = judged(**told)
    assert complaint in said


def test_a_status_that_nobody_can_know_must_not_be_made_up() -> None:
    assert len(judged(statuses_known=False)) == 1
    assert judged(statuses_known=False, outcome={**ENDED, "exit": None}) == []


def test_a_fate_depends_on_its_seed_and_number_only() -> None:
    assert draw(1, 7) == draw(1, 7)
    assert len({draw(seed, number).arguments for seed in (1, 2) for number in (7, 8)}) > 1


@pytest.mark.parametrize("seed", SEEDS.values())
def test_two_hundred_draws_have_every_fate(seed: int) -> None:
    assert {draw(seed, number).name for number in range(200)} == {choose(Random(1)).name for choose in FATES}

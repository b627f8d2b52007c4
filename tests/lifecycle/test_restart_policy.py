"""The restart policy: a pure function, so every history of it can be drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scxlife.lifecycle.operations.restart_policy import POLICIES, History, Policy, exhausted, pause, recent, wanted
from scxlife.lifecycle.options import operations
from scxlife.lifecycle.outcomes import OUTCOMES

_SECONDS = st.floats(0, 1e6, allow_nan=False)
policies = st.builds(
    Policy,
    st.sampled_from(POLICIES),
    _SECONDS,
    st.floats(1, 10, allow_nan=False),
    _SECONDS,
    st.floats(0, 1, allow_nan=False),
    st.integers(0, 20),
    st.floats(0.001, 1e5, allow_nan=False),
)
draws = st.floats(0, 1, allow_nan=False, exclude_max=True)


@given(policies, st.integers(0, 10_000), draws)
def test_no_pause_is_negative_or_longer_than_the_longest(policy: Policy, failures: int, draw: float) -> None:
    found = pause(policy, History(failures), draw)
    assert 0 <= found <= policy.at_most
    assert found >= min(policy.first, policy.at_most) * (1 - policy.jitter) * 0.999


@given(policies, st.integers(0, 100))
def test_without_chance_pauses_never_get_shorter(policy: Policy, failures: int) -> None:
    assert pause(policy, History(failures), 0.0) <= pause(policy, History(failures + 1), 0.0)


@given(policies, st.integers(0, 100), draws, draws)
def test_chance_only_takes_away_and_no_more_than_its_share(
    policy: Policy, failures: int, one: float, two: float
) -> None:
    longest = pause(policy, History(failures), 0.0)
    low, high = sorted(pause(policy, History(failures), draw) for draw in (one, two))
    assert longest * (1 - policy.jitter) <= low * 1.001
    assert high <= longest


@given(policies, st.lists(st.floats(0, 100, allow_nan=False), max_size=60))
def test_no_window_has_more_restarts_than_the_limit(policy: Policy, gaps: list[float]) -> None:
    history, now, made = History(), 0.0, []
    for gap in gaps:
        now += gap
        if not exhausted(policy, history, now):
            history = history.restarted(policy, now)
            made.append(now)
    for end in made:
        assert len([at for at in made if 0 <= end - at < policy.window]) <= policy.limit


@given(policies, st.lists(st.floats(0, 100, allow_nan=False), max_size=60))
def test_a_history_does_not_grow_without_bound(policy: Policy, gaps: list[float]) -> None:
    history, now = History(), 0.0
    for gap in gaps:
        now += gap
        if not exhausted(policy, history, now):
            history = history.restarted(policy, now)
        assert len(history.restarts) <= max(1, policy.limit)
        assert recent(policy, history, now + 2 * policy.window) == ()


@given(policies)
def test_who_is_asked_for_nothing_starts_nothing_that_is_hopeless(policy: Policy) -> None:
    for name in ("not-configured", "left-running"):
        assert not wanted(policy, name, OUTCOMES[name].exit_code)


def test_each_policy_and_each_outcome() -> None:
    def after(restart: str) -> set[str]:
        policy = Policy(restart, 1, 2, 60, 0, 5, 300)
        return {name for name, cls in OUTCOMES.items() if wanted(policy, name, cls.exit_code)}

    failures = {"spawn-failed", "startup-died", "not-attached", "exited", "ejected", "fault"}
    assert after("never") == set()
    assert after("on-ejection") == {"ejected"}
    assert after("on-failure") == failures
    assert after("always") == {*failures, "stopped"}


def test_K3_an_end_with_code_0_is_no_failure_and_an_ejection_is_one() -> None:
    policy = Policy("on-failure", 1, 2, 60, 0, 5, 300)
    assert not wanted(policy, "exited", 0)
    assert wanted(policy, "ejected", 12)


@pytest.mark.parametrize(
    "setting",
    [
        {"restart": "sometimes"},
        {"restart": None},
        {"backoff_factor": 0.5},
        {"backoff_jitter": 1.5},
        {"start_limit": -1},
        {"start_limit": True},
        {"backoff_factor": "2"},
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: dict[str, object]) -> None:
    settings = {**operations().settings, **setting}
    with pytest.raises(ValueError, match=next(iter(setting))):
        Policy.of(settings)  # type: ignore[arg-type]

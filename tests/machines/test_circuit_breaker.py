"""The circuit breaker: it opens on failures, refuses while open, and closes on good trials."""

from __future__ import annotations

import pytest

from scxlife.fsm.events import Event
from scxlife.fsm.runtime import Refused

from .bench import Bench, definition_of

BREAKER = definition_of("circuit_breaker")
SETTINGS = {name: int(BREAKER.settings[name] or 0) for name in ("failure_threshold", "success_threshold", "max_trials")}


class Service:
    """Counts as a breaker does, by the definition's settings."""

    def __init__(self) -> None:
        self.failures = 0
        self.good_trials = 0
        self.trials = 0
        self.reachable = True

    # guards
    def threshold_reached(self, event: Event) -> bool:
        return self.failures + 1 >= SETTINGS["failure_threshold"]

    def trial_free(self, event: Event) -> bool:
        return self.trials < SETTINGS["max_trials"]

    def from_trial(self, event: Event) -> bool:
        return bool(event.data.get("trial"))

    def recovered(self, event: Event) -> bool:
        return self.good_trials + 1 >= SETTINGS["success_threshold"]

    # actions
    def pass_on(self, event: Event) -> None:
        if not self.reachable:
            raise ConnectionRefusedError(111, "nobody listens")

    def pass_on_trial(self, event: Event) -> None:
        self.pass_on(event)
        self.trials += 1

    def count_failure(self, event: Event) -> None:
        self.failures += 1

    def count_success(self, event: Event) -> None:
        self.good_trials += 1
        self.trials -= 1

    def forget_failures(self, event: Event) -> None:
        self.failures = 0

    def forget_trials(self, event: Event) -> None:
        self.trials = self.good_trials = 0


def breaker() -> tuple[Service, Bench]:
    service = Service()
    return service, Bench(BREAKER, service)


def opened() -> tuple[Service, Bench]:
    service, bench = breaker()
    bench.tell(*["failed"] * 5)
    assert bench.state == "open"
    return service, bench


def half_open() -> tuple[Service, Bench]:
    service, bench = opened()
    bench.wait(30.0)
    assert bench.state == "half_open"
    return service, bench


def test_calls_pass_while_it_is_closed() -> None:
    _, bench = breaker()
    bench.tell("call", "succeeded", "call", "failed")
    assert bench.state == "closed"
    assert bench.did() == ["forget_failures", "pass_on", "pass_on", "count_failure"]


def test_the_fifth_failure_in_a_window_opens_it() -> None:
    _, bench = breaker()
    assert bench.tell(*["failed"] * 4) == "closed"
    assert bench.tell("failed") == "open"


def test_failures_of_different_windows_are_not_added() -> None:
    service, bench = breaker()
    bench.tell(*["failed"] * 4)
    assert bench.wait(10.0) == "closed"
    assert (service.failures, bench.due_in()) == (0, 10.0)
    assert bench.tell(*["failed"] * 4) == "closed"


def test_counting_does_not_put_the_window_off() -> None:
    _, bench = breaker()
    bench.wait(9.0)
    bench.tell("failed", "call", "succeeded")
    assert bench.due_in() == 1.0


def test_an_open_circuit_refuses_every_call_and_asks_nobody() -> None:
    _, bench = opened()
    bench.did()
    with pytest.raises(Refused, match="event call is refused in state open: the circuit is open"):
        bench.tell("call")
    assert (bench.state, bench.did()) == ("open", [])
    assert bench.due_in() == 30.0


def test_after_the_reset_timeout_two_calls_may_try_and_a_third_is_refused() -> None:
    service, bench = half_open()
    bench.tell("call", "call")
    assert service.trials == 2
    with pytest.raises(Refused, match="enough trials"):
        bench.tell("call")


def test_two_good_trials_close_it() -> None:
    _, bench = half_open()
    bench.tell("call", "call")
    assert bench.tell("succeeded", trial=True) == "half_open"
    assert bench.tell("succeeded", trial=True) == "closed"
    assert bench.due_in() == 10.0


def test_one_bad_trial_opens_it_again_for_the_whole_timeout() -> None:
    _, bench = half_open()
    bench.tell("call", "call")
    bench.tell("succeeded", trial=True)
    assert bench.tell("failed", trial=True) == "open"
    assert bench.due_in() == 30.0


def test_a_late_result_of_a_call_from_before_says_nothing() -> None:
    _, bench = half_open()
    assert bench.tell("failed") == "half_open"
    assert bench.tell("succeeded", "succeeded", "succeeded") == "half_open"
    _, bench = opened()
    assert bench.tell("succeeded", "failed") == "open"


def test_trials_that_never_come_back_open_it_again() -> None:
    _, bench = half_open()
    bench.tell("call")
    assert bench.wait(4.9) == "half_open"
    assert bench.wait(0.1) == "open"


def test_a_call_that_can_not_even_be_passed_on_is_a_failure() -> None:
    service, bench = breaker()
    service.reachable = False
    for _ in range(4):
        assert bench.tell("call") == "closed"
    assert bench.tell("call") == "open"
    bench.wait(30.0)
    assert bench.tell("call") == "open"


def test_every_opening_and_closing_is_announced() -> None:
    _, bench = opened()
    assert bench.did()[-1] == "announce"
    bench.wait(30.0)
    assert bench.did() == ["forget_trials", "announce"]
    bench.tell("succeeded", "succeeded", trial=True)
    assert bench.did() == ["count_success", "announce", "forget_failures"]
    bench.tell("isolate")
    assert bench.did() == ["announce"]
    bench.tell("restore")
    assert bench.did() == ["announce", "forget_failures"]


def test_what_the_operator_isolates_only_the_operator_gives_back() -> None:
    for _, bench in (breaker(), opened(), half_open()):
        assert bench.tell("isolate") == "isolated"
        assert bench.wait(3600.0) == "isolated"
        with pytest.raises(Refused, match="operator"):
            bench.tell("call")
        assert bench.tell("restore") == "closed"


def test_nothing_is_restored_that_was_not_isolated() -> None:
    _, bench = breaker()
    with pytest.raises(Refused, match="not isolated"):
        bench.tell("restore")

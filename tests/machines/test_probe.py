"""A container under its probes: thresholds, time-outs, restarts and the end."""

from __future__ import annotations

import pytest

from scxlife.fsm.definition import Definition
from scxlife.fsm.events import Event

from .bench import Bench, definition_of

PROBE = definition_of("probe")


class Node:
    """A kubelet for one container. Probes are answered by the test; what is not answered in time is cancelled."""

    def __init__(self, definition: Definition, restart_policy: str = "Always") -> None:
        self.bench: Bench
        self.traffic = False
        self.asked: list[str] = []
        self.reason = ""
        self._settings = {name: int(value) for name, value in definition.settings.items() if isinstance(value, int)}
        self._policy = restart_policy
        self._unanswered: set[str] = set()
        self._runs: dict[str, tuple[str, int]] = {}
        self._wait = 0
        self._served = 0

    def _in_a_row(self, event: Event) -> int:
        """How many results of this kind there are in a row, this one included."""
        probe, _, result = event.name.partition("_")
        last, run = self._runs.get(probe, ("", 0))
        return run + 1 if last == result else 1

    # guards
    def startup_hopeless(self, event: Event) -> bool:
        return self._in_a_row(event) >= self._settings["startup_failures"]

    def dead(self, event: Event) -> bool:
        return self._in_a_row(event) >= self._settings["liveness_failures"]

    def unready_now(self, event: Event) -> bool:
        return self._in_a_row(event) >= self._settings["readiness_failures"]

    def ready_now(self, event: Event) -> bool:
        return self._in_a_row(event) >= self._settings["readiness_successes"]

    def restart_wanted(self, event: Event) -> bool:
        return self._policy == "Always" or (self._policy == "OnFailure" and not self.ended_well(event))

    def ended_well(self, event: Event) -> bool:
        return event.data.get("status") == 0

    def waited_enough(self, event: Event) -> bool:
        return self._served + 1 >= self._wait

    # actions
    def forget_results(self, event: Event) -> None:
        self._runs, self._unanswered, self.traffic = {}, set(), False

    def ask_startup(self, event: Event) -> None:
        self._ask("startup")

    def ask_both(self, event: Event) -> None:
        self._ask("liveness", "readiness")

    def _ask(self, *probes: str) -> None:
        self._unanswered |= set(probes)
        self.asked += probes

    def cancel_unanswered(self, event: Event) -> None:
        for probe in sorted(self._unanswered):
            self.bench.runtime.post(Event(f"{probe}_failed", cause="cancelled"))
        self._unanswered.clear()

    def count(self, event: Event) -> None:
        probe, _, result = event.name.partition("_")
        self._runs[probe] = (result, self._in_a_row(event))

    def add_endpoint(self, event: Event) -> None:
        self.traffic = True

    def remove_endpoint(self, event: Event) -> None:
        self.traffic = False

    def lengthen_back_off(self, event: Event) -> None:
        self._wait, self._served = min(30, max(1, 2 * self._wait)), 0

    def serve_step(self, event: Event) -> None:
        self._served += 1

    def note_reason(self, event: Event) -> None:
        self.reason = event.name

    # the test's side
    def answer(self, **results: bool) -> str:
        for probe, passed in results.items():
            self._unanswered.remove(probe)
            self.bench.tell(f"{probe}_{'passed' if passed else 'failed'}")
        return self.bench.state


def node(definition: Definition = PROBE, restart_policy: str = "Always") -> tuple[Node, Bench]:
    world = Node(definition, restart_policy)
    world.bench = Bench(definition, world)
    return world, world.bench


def started(definition: Definition = PROBE, restart_policy: str = "Always") -> tuple[Node, Bench]:
    world, bench = node(definition, restart_policy)
    bench.tell("created")
    assert bench.wait(0.0) == "starting"
    return world, bench


def ready(definition: Definition = PROBE, restart_policy: str = "Always") -> tuple[Node, Bench]:
    world, bench = started(definition, restart_policy)
    world.answer(startup=True)
    assert world.answer(liveness=True, readiness=True) == "ready"
    return world, bench


def test_a_container_gets_traffic_when_it_has_started_and_says_that_it_is_ready() -> None:
    world, bench = ready()
    assert bench.path == ["creating", "delaying", "starting", "unready", "ready"]
    assert world.traffic
    assert world.asked == ["startup", "liveness", "readiness"]


def test_only_the_startup_probe_is_asked_until_it_has_passed() -> None:
    world, bench = started()
    for _ in range(2):
        world.answer(startup=False)
        bench.wait(10.0)
    assert set(world.asked) == {"startup"}
    assert world.answer(startup=True) == "unready"
    assert not world.traffic


def test_the_initial_delay_comes_before_the_first_probe() -> None:
    world, bench = node(PROBE.with_settings(initial_delay=15.0))
    bench.tell("created")
    assert bench.wait(14.9) == "delaying"
    assert world.asked == []
    assert bench.wait(0.1) == "starting"
    assert world.asked == ["startup"]


def test_the_third_failed_startup_probe_in_a_row_ends_the_container() -> None:
    world, bench = started()
    for _ in range(2):
        assert world.answer(startup=False) == "starting"
        bench.wait(10.0)
    assert world.answer(startup=False) == "restarting"
    assert world.reason == "startup_failed"
    assert bench.due_in() == 30.0


def test_a_slow_program_gets_thirty_chances_by_a_profile() -> None:
    world, bench = started(PROBE.with_profile("slow_start"))
    for _ in range(29):
        assert world.answer(startup=False) == "starting"
        bench.wait(10.0)
    assert world.answer(startup=False) == "restarting"


def test_a_round_begins_every_period_however_the_last_was_answered() -> None:
    world, bench = ready()
    bench.wait(10.0)
    for slowness in (0.0, 0.5, 0.9):
        bench.wait(slowness)
        world.answer(liveness=True, readiness=True)
        world.asked.clear()
        bench.wait(9.9 - slowness)
        assert world.asked == []
        bench.wait(0.1)
        assert world.asked == ["liveness", "readiness"]


def test_a_probe_that_does_not_answer_in_its_time_has_failed() -> None:
    world, bench = ready()
    bench.wait(10.0)
    for _ in range(2):
        world.answer(readiness=True)
        assert bench.wait(1.0) == "ready"
        bench.wait(9.0)
    world.answer(readiness=True)
    assert bench.wait(1.0) == "restarting"
    assert (world.reason, world.traffic) == ("liveness_failed", False)


def test_readiness_moves_traffic_and_never_restarts() -> None:
    world, bench = ready()
    for state in ("ready", "ready", "unready", "unready", "unready"):
        bench.wait(10.0)
        assert world.answer(liveness=True, readiness=False) == state
    assert not world.traffic
    bench.wait(10.0)
    assert world.answer(liveness=True, readiness=True) == "ready"
    assert world.traffic


def test_one_good_answer_starts_the_count_of_bad_ones_again() -> None:
    world, bench = ready()
    for alive in (False, False, True, False, False):
        bench.wait(10.0)
        assert world.answer(liveness=alive, readiness=True) == "ready"
    bench.wait(10.0)
    assert world.answer(liveness=False) == "restarting"


def test_ready_may_be_made_harder_than_unready() -> None:
    world, bench = started(PROBE.with_settings(readiness_successes=3))
    world.answer(startup=True)
    for state in ("unready", "unready", "ready"):
        assert world.answer(liveness=True, readiness=True) == state
        bench.wait(10.0)


def test_a_container_that_ignores_the_stop_signal_is_killed_and_started_again_after_a_while() -> None:
    world, bench = ready(PROBE.with_profile("impatient"))
    bench.wait(1.0)
    bench.did()
    assert world.answer(liveness=False) == "restarting"
    assert bench.did() == ["remove_endpoint", "note_reason", "send_stop"]
    assert bench.wait(30.0) == "killing"
    assert bench.tell("exited", status=137) == "backing_off"
    assert bench.did() == ["send_kill", "lengthen_back_off"]
    assert bench.wait(9.9) == "backing_off"
    assert bench.wait(0.1) == "creating"


def test_the_wait_before_a_restart_doubles_up_to_five_minutes() -> None:
    _, bench = node()
    waits = []
    for _ in range(7):
        bench.tell("created")
        bench.wait(0.0)
        crashed = bench.now
        bench.tell("exited", status=1)
        for _ in range(30):
            if bench.wait(10.0) == "creating":
                break
        waits.append(bench.now - crashed)
    assert waits == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


@pytest.mark.parametrize(
    ("policy", "status", "state", "outcome"),
    [
        ("Always", 0, "backing_off", None),
        ("Always", 1, "backing_off", None),
        ("OnFailure", 0, "gone", "completed"),
        ("OnFailure", 1, "backing_off", None),
        ("Never", 0, "gone", "completed"),
        ("Never", 1, "gone", "failed"),
    ],
)
def test_the_restart_policy_decides_what_follows_an_exit(
    policy: str, status: int, state: str, outcome: str | None
) -> None:
    world, bench = ready(restart_policy=policy)
    assert bench.tell("exited", status=status) == state
    assert (bench.outcome, world.traffic) == (outcome, False)


def test_a_probe_s_verdict_is_a_failure_even_if_the_container_then_exits_well() -> None:
    world, bench = ready(restart_policy="Never")
    for _ in range(3):
        bench.wait(10.0)
        world.answer(liveness=False, **({"readiness": True} if bench.state == "ready" else {}))
    bench.tell("exited", status=0)
    assert bench.outcome == "failed"


def test_a_deletion_takes_the_traffic_first_and_ends_the_container_without_a_restart() -> None:
    world, bench = ready()
    bench.did()
    assert bench.tell("deleted") == "deleting"
    assert bench.did() == ["remove_endpoint", "send_stop"]
    assert not world.traffic
    assert bench.tell("exited", status=0) == "gone"
    assert bench.outcome == "deleted"


def test_liveness_ends_a_container_that_is_not_ready_either() -> None:
    world, bench = started()
    world.answer(startup=True)
    for state in ("unready", "unready", "restarting"):
        assert world.answer(readiness=False, liveness=False) == state
        bench.wait(10.0)


def test_a_container_may_end_well_before_it_was_ever_ready() -> None:
    _, bench = started(restart_policy="OnFailure")
    assert bench.tell("exited", status=0) == "gone"
    assert bench.outcome == "completed"


def test_a_deletion_overrides_a_restart_wherever_it_stands() -> None:
    _, bench = started()
    bench.tell("exited", status=1)
    assert bench.tell("deleted") == "gone"
    assert bench.outcome == "deleted"
    world, bench = started(PROBE.with_settings(startup_failures=1))
    assert world.answer(startup=False) == "restarting"
    bench.wait(20.0)
    assert bench.tell("deleted") == "deleting"
    assert bench.due_in() == 30.0


def test_a_kill_that_can_not_be_sent_leaves_it_stuck() -> None:
    class Broken(Node):
        def send_kill(self, event: Event) -> None:
            raise PermissionError(1, "not allowed")

    world = Broken(PROBE)
    world.bench = Bench(PROBE, world)
    world.bench.tell("created")
    world.bench.wait(0.0)
    world.bench.tell("deleted")
    assert world.bench.wait(30.0) == "stuck"


def test_no_probe_is_heard_while_a_container_is_on_its_way_out() -> None:
    _, bench = ready()
    bench.tell("deleted")
    assert bench.tell(*["liveness_failed"] * 5) == "deleting"


def test_a_deletion_that_comes_before_the_container_is_made_waits_for_it() -> None:
    _, bench = node()
    assert bench.tell("deleted") == "creating"
    assert bench.tell("created") == "deleting"
    assert bench.wait(30.0) == "deleting_hard"
    bench.tell("exited", status=137)
    assert bench.outcome == "deleted"


def test_what_does_not_even_die_of_a_kill_is_stuck() -> None:
    _, bench = ready()
    bench.tell("deleted")
    assert bench.wait(30.0 + 10.0) == "stuck"
    assert bench.outcome == "stuck"


def test_a_runtime_that_never_answers_is_not_waited_for_for_ever() -> None:
    _, bench = node()
    assert bench.wait(119.9) == "creating"
    assert bench.wait(0.1) == "backing_off"
    assert bench.did() == ["forget_results", "create", "abandon", "lengthen_back_off"]

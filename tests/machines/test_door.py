"""The door: keys, the bolt on its way, what jams and what is forced, and fire."""

from __future__ import annotations

import pytest

from scxlife.fsm.events import Event
from scxlife.fsm.runtime import Refused

from .bench import Bench, definition_of

DOOR = definition_of("door")


class Hardware:
    """A leaf, a motor that runs until it is stopped, a reader that knows one key."""

    def __init__(self) -> None:
        self.leaf_is_shut = True
        self.motor = "still"
        self.motor_obeys = True
        self.tries = 0
        self.attempts = 0
        self.alarm_sounds = False

    # guards
    def key_fits(self, event: Event) -> bool:
        return event.data.get("key") == "brass"

    def last_try(self, event: Event) -> bool:
        return self.tries + 1 >= 3

    def tried_twice(self, event: Event) -> bool:
        return self.attempts >= 1

    def leaf_shut(self, event: Event) -> bool:
        return self.leaf_is_shut

    # actions
    def throw_bolt(self, event: Event) -> None:
        self._run("outward")

    def withdraw_bolt(self, event: Event) -> None:
        self._run("inward")

    def _run(self, way: str) -> None:
        if not self.motor_obeys:
            raise OSError(5, "no current")
        self.motor = way

    def stop_motor(self, event: Event) -> None:
        self.motor = "still"

    def count_try(self, event: Event) -> None:
        self.tries += 1

    def forget_tries(self, event: Event) -> None:
        self.tries = 0

    def note_attempt(self, event: Event) -> None:
        self.attempts += 1

    def forget_attempts(self, event: Event) -> None:
        self.attempts = 0

    def sound_alarm(self, event: Event) -> None:
        self.alarm_sounds = True

    def silence(self, event: Event) -> None:
        self.alarm_sounds = False


def door() -> tuple[Hardware, Bench]:
    hardware = Hardware()
    return hardware, Bench(DOOR, hardware)


def locked() -> tuple[Hardware, Bench]:
    hardware, bench = door()
    bench.tell("lock", "bolt_out")
    assert bench.state == "locked"
    return hardware, bench


def test_a_closed_door_locks_itself_and_believes_only_the_bolt() -> None:
    hardware, bench = door()
    assert bench.wait(5.0) == "locking"
    assert hardware.motor == "outward"
    assert bench.tell("bolt_out") == "locked"
    assert hardware.motor == "still"
    assert bench.due_in() is None


def test_somebody_with_a_key_comes_in_and_the_door_locks_behind_them() -> None:
    _, bench = locked()
    bench.tell("turn_key", key="brass")
    bench.tell("bolt_in", "opened", "shut")
    bench.wait(5.0)
    bench.tell("bolt_out")
    assert bench.path[2:] == ["locked", "unlocking", "closed", "open", "closed", "locking", "locked"]


def test_actions_run_in_the_order_exit_row_entry() -> None:
    _, bench = locked()
    assert bench.did() == ["throw_bolt", "stop_motor", "forget_attempts"]
    bench.tell("turn_key", key="brass")
    assert bench.did() == ["forget_tries", "log_entry", "withdraw_bolt"]


def test_three_wrong_keys_block_the_reader_for_a_minute() -> None:
    hardware, bench = locked()
    for _ in range(2):
        assert bench.tell("turn_key", key="tin") == "locked"
    assert bench.tell("turn_key", key="tin") == "blocked"
    assert hardware.alarm_sounds
    with pytest.raises(Refused, match="wait"):
        bench.tell("turn_key", key="brass")
    assert bench.wait(59.9) == "blocked"
    assert bench.wait(0.1) == "locked"
    assert (hardware.alarm_sounds, hardware.tries) == (False, 0)
    assert bench.tell("turn_key", key="brass") == "unlocking"


def test_a_fitting_key_forgives_the_wrong_ones_before_it() -> None:
    hardware, bench = locked()
    bench.tell("turn_key", "turn_key", key="tin")
    bench.tell("turn_key", key="brass")
    assert hardware.tries == 0


def test_a_key_that_comes_while_the_bolt_moves_counts_when_it_rests() -> None:
    _, bench = door()
    bench.tell("lock")
    assert bench.tell("turn_key", key="brass") == "locking"
    assert bench.tell("bolt_out") == "unlocking"


def test_a_bolt_that_is_late_gets_a_second_attempt_and_then_is_jammed() -> None:
    hardware, bench = door()
    bench.tell("lock")
    assert bench.wait(2.0) == "locking"
    assert bench.path == ["closed", "locking", "locking"]
    assert bench.due_in() == 2.0
    assert bench.wait(2.0) == "jammed"
    assert (hardware.motor, hardware.alarm_sounds) == ("still", True)
    with pytest.raises(Refused, match="call the guard"):
        bench.tell("turn_key", key="brass")
    assert bench.tell("serviced") == "closed"
    assert (hardware.attempts, hardware.alarm_sounds) == (0, False)


def test_a_second_attempt_that_succeeds_is_forgotten() -> None:
    hardware, bench = door()
    bench.tell("lock")
    bench.wait(2.0)
    assert bench.tell("bolt_out") == "locked"
    assert hardware.attempts == 0
    for leaf_is_shut, state in ((True, "closed"), (False, "open")):
        hardware, bench = locked()
        bench.tell("turn_key", key="brass")
        assert bench.wait(2.0) == "unlocking"
        hardware.leaf_is_shut = leaf_is_shut
        assert bench.tell("bolt_in") == state
        assert hardware.attempts == 0


def test_a_bolt_that_does_not_come_in_is_jammed_as_well() -> None:
    hardware, bench = locked()
    bench.tell("turn_key", key="brass")
    assert bench.wait(4.0) == "jammed"
    hardware.leaf_is_shut = False
    assert bench.tell("serviced") == "open"
    assert hardware.attempts == 0


def test_a_motor_that_does_not_obey_is_a_jam() -> None:
    hardware, bench = door()
    hardware.motor_obeys = False
    assert bench.tell("lock") == "jammed"
    assert hardware.alarm_sounds


def test_a_leaf_that_opens_against_the_bolt_was_forced() -> None:
    hardware, bench = locked()
    assert bench.tell("opened") == "forced"
    assert hardware.alarm_sounds
    hardware.leaf_is_shut = False
    assert bench.tell("serviced") == "open"
    assert not hardware.alarm_sounds


def test_whoever_is_quicker_than_the_bolt_gets_through() -> None:
    hardware, bench = door()
    bench.tell("lock")
    hardware.leaf_is_shut = False
    assert bench.tell("opened") == "unlocking"
    assert hardware.motor == "inward"
    assert bench.tell("bolt_in") == "open"


def test_a_door_that_is_held_open_beeps_until_it_is_shut() -> None:
    _, bench = door()
    bench.tell("opened")
    assert bench.wait(29.9) == "open"
    assert bench.wait(0.1) == "ajar"
    assert bench.did() == ["beep"]
    assert bench.tell("shut") == "closed"
    assert bench.did() == ["silence"]


def test_an_open_door_can_not_be_locked() -> None:
    _, bench = door()
    bench.tell("opened")
    with pytest.raises(Refused, match="shut the door first"):
        bench.tell("lock")


@pytest.mark.parametrize("state", sorted(DOOR.states.keys() - {"released"}))
def test_fire_releases_the_door_from_every_state(state: str) -> None:
    (branch,) = DOOR.cells[state, "alarm"]
    assert branch.decision.target == "released"
    assert branch.decision.actions[-1] == "withdraw_bolt"


def test_a_released_door_stays_released_until_the_alarm_is_reset() -> None:
    hardware, bench = locked()
    bench.tell("alarm")
    assert bench.wait(3600.0) == "released"
    with pytest.raises(Refused, match="while it burns"):
        bench.tell("lock")
    assert bench.tell("alarm_reset") == "closed"
    hardware.leaf_is_shut = False
    bench.tell("opened", "alarm")
    assert bench.tell("alarm_reset") == "open"


def test_a_bolt_that_can_not_be_withdrawn_in_a_fire_calls_for_help() -> None:
    hardware, bench = locked()
    hardware.motor_obeys = False
    assert bench.tell("alarm") == "jammed"
    assert hardware.alarm_sounds

"""The signal head: its cycle, its button, its night and its defects."""

from __future__ import annotations

import pytest

from scxlife.fsm.events import Event
from scxlife.fsm.runtime import Refused

from .bench import Bench, definition_of

LIGHT = definition_of("traffic_light")


class Head:
    """What burns, what is broken, and a switch that can be made to stick."""

    def __init__(self) -> None:
        self.lamps = ""
        self.seen: list[str] = []
        self.broken = False
        self.stuck: set[str] = set()

    def _show(self, lamps: str) -> None:
        if lamps in self.stuck:
            raise OSError(5, "the relay sticks")
        self.lamps = lamps
        self.seen.append(lamps)

    def faulty(self, event: Event) -> bool:
        return self.broken

    def show_red(self, event: Event) -> None:
        self._show("red")

    def show_red_amber(self, event: Event) -> None:
        self._show("red amber")

    def show_green(self, event: Event) -> None:
        self._show("green")

    def show_amber(self, event: Event) -> None:
        self._show("amber")

    def show_nothing(self, event: Event) -> None:
        self._show("")

    def note_defect(self, event: Event) -> None:
        self.broken = True

    def clear_defect(self, event: Event) -> None:
        self.broken = False


def light() -> tuple[Head, Bench]:
    head = Head()
    return head, Bench(LIGHT, head)


def in_green() -> tuple[Head, Bench]:
    head, bench = light()
    bench.wait(21.0)
    assert bench.state == "green"
    return head, bench


def test_it_cycles_by_deadlines_alone() -> None:
    head, bench = light()
    bench.wait(20 + 1 + 5 + 25 + 3)
    assert bench.path == ["red", "red_amber", "green", "green_held", "amber", "red"]
    assert head.seen == ["red", "red amber", "green", "amber", "red"]
    assert bench.now == 54.0


def test_each_aspect_lasts_as_long_as_its_setting_says() -> None:
    _, bench = light()
    durations = []
    for _ in range(5):
        seconds = bench.due_in()
        assert seconds is not None
        durations.append(seconds)
        bench.wait(seconds)
    assert durations == [20.0, 1.0, 5.0, 25.0, 3.0]


def test_a_press_in_the_minimum_green_waits_for_its_end_and_then_stops_the_traffic() -> None:
    _, bench = in_green()
    bench.wait(1.0)
    assert bench.tell("press") == "green"
    assert bench.wait(3.9) == "green"
    assert bench.wait(0.1) == "amber"
    assert bench.path[-3:] == ["green", "green_held", "amber"]


def test_a_press_after_the_minimum_green_stops_the_traffic_at_once() -> None:
    _, bench = in_green()
    bench.wait(9.0)
    assert bench.tell("press") == "amber"


def test_a_second_press_changes_nothing() -> None:
    _, bench = in_green()
    bench.tell("press", "press", "press")
    bench.wait(5.0)
    assert bench.state == "amber"
    assert bench.wait(3.0) == "red"
    assert bench.wait(19.9) == "red"


def test_night_is_put_off_until_everybody_stands() -> None:
    _, bench = in_green()
    assert bench.tell("night") == "green"
    bench.wait(5 + 25 + 3)
    assert bench.path[-4:] == ["green_held", "amber", "red", "flash_lit"]


def test_a_change_of_mind_is_heard_after_the_night_that_it_takes_back() -> None:
    _, bench = in_green()
    bench.tell("night", "day")
    bench.wait(5 + 25 + 3 + 3)
    assert bench.path[-4:] == ["red", "flash_lit", "amber", "red"]


def test_at_night_amber_flashes_once_a_second_and_day_comes_by_steady_amber() -> None:
    head, bench = light()
    bench.tell("night")
    head.seen.clear()
    bench.wait(2.0)
    assert head.seen == ["", "amber", "", "amber"]
    assert bench.tell("day") == "amber"
    assert bench.wait(3.0) == "red"


def test_a_burnt_out_lamp_leads_to_flashing_from_any_aspect() -> None:
    for seconds in (0.0, 20.5, 22.0, 30.0, 52.0):
        head, bench = light()
        bench.wait(seconds)
        assert bench.tell("lamp_out") == "flash_lit"
        assert (head.broken, head.lamps) == (True, "amber")


def test_a_defect_keeps_it_flashing_until_it_is_repaired() -> None:
    head, bench = in_green()
    bench.tell("conflict")
    with pytest.raises(Refused, match="not repaired"):
        bench.tell("day")
    assert bench.wait(3600.0) in ("flash_lit", "flash_dark")
    assert bench.tell("repaired") == "amber"
    assert not head.broken


def test_the_lamp_that_flashes_may_burn_out_and_its_switch_may_stick() -> None:
    head, bench = light()
    bench.tell("night")
    assert bench.tell("lamp_out") == "out"
    assert head.broken
    head, bench = light()
    bench.tell("night")
    head.stuck = {""}
    assert bench.wait(0.5) == "out"
    assert head.broken


def test_a_switch_that_fails_is_a_defect() -> None:
    head, bench = light()
    head.stuck = {"green"}
    assert bench.wait(21.0) == "flash_lit"
    assert (head.broken, head.lamps) == (True, "amber")


def test_when_not_even_amber_can_be_shown_all_lamps_go_out_until_somebody_comes() -> None:
    head, bench = light()
    head.stuck = {"amber", "green"}
    assert bench.wait(21.0) == "out"
    assert head.lamps == ""
    assert bench.due_in() is None
    with pytest.raises(Refused, match="repaired first"):
        bench.tell("day")
    head.stuck.clear()
    assert bench.tell("repaired") == "flash_lit"
    assert bench.tell("day") == "amber"


def test_green_is_never_shown_right_after_anything_but_red_with_amber() -> None:
    before = {
        state
        for (state, _), cell in LIGHT.cells.items()
        for branch in cell
        if branch.decision.target == "green" and not branch.decision.internal
    }
    assert before == {"red_amber"}


def test_nothing_is_repaired_that_was_not_broken() -> None:
    _, bench = light()
    with pytest.raises(Refused, match="nothing was broken"):
        bench.tell("repaired")
    assert bench.state == "red"

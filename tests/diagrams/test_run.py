"""A run on its drawing: the way that it took, in order and with its times, or why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scxlife.diagrams.dot_run import dot_run
from scxlife.diagrams.path import NotOfThis, path_of
from scxlife.fsm.definition import Definition
from scxlife.fsm.tape_reader import NotATape
from scxlife.lifecycle.commands.highlighted import highlighted
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse
from scxlife.lifecycle.usage import UsageError

from .test_dot import lines, read, run_dot

EJECTED = Path(__file__).with_name("ejected.yaml")
REACHED = Path(__file__).parents[1] / "simulated" / "reached"


@pytest.fixture(scope="module")
def tape() -> list[str]:
    return run(parse(EJECTED.read_text())).lines


def test_the_way_of_an_ejection_has_its_arrows_in_order_with_their_times(shipped: Definition, tape: list[str]) -> None:
    path = path_of(shipped, tape)
    assert [passage.target for passage in path.passages] == [
        *("locating", "spawning", "startup", "running", "detached"),
        *("stopping", "reaping", "sweeping", "dismissing", "done"),
    ]
    assert (path.outcome, path.missing) == ("ejected/kernel", "")
    lost = path.passages[4]
    assert (lost.number, lost.event, lost.source) == (5, "lost", "running")
    assert 2.0 <= lost.at < 2.1, "the kernel ejects it at 2.0"
    assert path.visited()["detached"] == pytest.approx(3.0, abs=0.01), "the setting reattach_grace"
    assert sum(path.visited().values()) == pytest.approx(path.lasted)


def test_a_run_is_drawn_with_numbers_and_times_on_its_arrows(shipped: Definition, tape: list[str]) -> None:
    path = path_of(shipped, tape)
    drawing = read(dot_run(shipped, path))
    taken = {pair: edge for pair, edge in drawing.edges.items() if edge.get("label")}
    at = [f"{passage.at:.3f} s" for passage in path.passages]
    assert [re.sub(r"\s+", " ", " ".join(lines(edge["label"]))) for edge in by_number(taken)][3:7] == [
        f"4 {at[3]} ready",
        f"5 {at[4]} lost",
        f"6 {at[5]} reattach_late ⚑ ejected/kernel",
        f"7 {at[6]} exited ⚑ ejected/kernel",
    ]
    assert {edge["penwidth"] for edge in taken.values()} == {"2.4"}
    assert ("startup", "attaching") in drawing.edges.keys() - taken.keys(), "what was not taken is there, thin"
    assert lines(drawing.nodes["detached"]["label"]) == ["detached", f"for {path.visited()['detached']:.3f} s"]
    assert "penwidth" not in drawing.nodes["attaching"]


def test_a_long_arrow_that_was_taken_is_drawn(shipped: Definition) -> None:
    """Attaching is killed for a stranger's scheduler: too long an arrow for a drawing of the whole."""
    path = highlighted(shipped, str(REACHED / "attaching-foreign-0.yaml"))
    assert ("attaching", "killing") in path.arrows()
    assert read(dot_run(shipped, path)).edges["attaching", "killing"]["label"]


@pytest.mark.parametrize("scenario", sorted(REACHED.glob("*.yaml"))[::12], ids=lambda file: str(file.stem))
def test_every_run_can_be_drawn(shipped: Definition, scenario: Path) -> None:
    path = highlighted(shipped, str(scenario))
    told = {pair for pair, edge in read(dot_run(shipped, path)).edges.items() if edge.get("penwidth") == "2.4"}
    assert told == path.arrows().keys()


def test_many_passages_along_one_arrow_are_counted(kettle: Definition) -> None:
    path = path_of(kettle, presses(9))
    label = lines(read(dot_run(kettle, path)).edges["cold", "heating"]["label"])
    assert [word for word in label if word.isdigit() or "more" in word] == ["1", "3", "5", "5 more", "17"]


def by_number(edges: Mapping[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(edges.values(), key=lambda edge: int(lines(edge["label"])[0]))


def presses(times: int) -> list[str]:
    """The tape of a kettle that is switched on and off, a second each."""
    records: list[dict[str, object]] = [
        {
            "kind": "tape",
            "version": 1,
            "machine": "kettle",
            "definition": 2,
            "settings": {"patience": 90, "rest": None},
        },
        {"kind": "start", "state": "cold", "machine": "kettle", "version": 2},
    ]
    moments = [0.0, 0.0]
    for turn in range(2 * times):
        on = turn % 2 == 0
        told = {"event": "press", "cause": "a finger", "data": {}}
        step = {
            "state": "cold",
            "to": "heating",
            "guards": {"filled": True},
            "do": ["heater_on"],
            "because": "it clicks",
        }
        if not on:
            step = {"state": "heating", "to": "cold", "guards": {}, "do": ["heater_off"], "because": ""}
        action = "heater_on" if on else "heater_off"
        records += [
            {"kind": "event", "rank": 0, **told},
            {"kind": "step", "cell": "go", "verdict": None, **told, **step},
            {"kind": "action", "name": action, "result": "done"},
        ]
        moments += [turn + 1.0] * 3
    return [json.dumps({"seq": seq, "t": moments[seq], **record}) for seq, record in enumerate(records)]


# -- what is no whole run ---------------------------------------------------------------------------------------


def test_a_tape_that_is_cut_off_is_drawn_as_far_as_it_goes_and_says_so(shipped: Definition, tape: list[str]) -> None:
    half = [*tape[:30], tape[30][:20]]
    path = path_of(shipped, half)
    assert (path.outcome, path.missing) == (None, "its last line is cut off")
    assert 0 < len(path.passages) < 10
    caption = lines(json.loads(run_dot(dot_run(shipped, path), "json"))["label"])
    assert "without an end" in "".join(caption)
    assert "the tape is not whole: its last line is cut off" in caption


def test_a_tape_without_its_end_says_what_would_come(shipped: Definition, tape: list[str]) -> None:
    path = path_of(shipped, tape[:-1])
    assert path.missing.startswith("no end: the next would be ")


def test_a_tape_of_nothing_but_its_header_is_a_run_that_went_nowhere(shipped: Definition, tape: list[str]) -> None:
    path = path_of(shipped, tape[:1])
    assert (path.passages, path.visited()) == ((), {"idle": 0.0})
    assert path.missing == "no end: the next would be start or restore"


def test_an_empty_tape_is_none(shipped: Definition) -> None:
    with pytest.raises(NotATape, match="the tape is empty"):
        path_of(shipped, [])


def test_a_tape_of_another_machine_is_told_with_the_line_that_differs(kettle: Definition, tape: list[str]) -> None:
    with pytest.raises(NotOfThis, match=r'line 1: machine: the tape has "scheduler", the definition says "kettle"'):
        path_of(kettle, tape)


def test_a_tape_that_says_what_the_table_does_not_is_not_drawn(shipped: Definition, tape: list[str]) -> None:
    forged = [line.replace('"to": "detached"', '"to": "finishing"') for line in tape]
    with pytest.raises(NotOfThis, match=r'to: the tape has "finishing", the definition says "detached"'):
        path_of(shipped, forged)


def test_a_file_that_is_neither_tape_nor_scenario_says_what_to_name(shipped: Definition, tmp_path: Path) -> None:
    for name, text, hint in (
        ("page.md", "# page\n", "scxlife run --tape FILE writes a tape"),
        ("page.yaml", "kernl: '6.12'\n", "docs/simulation.md says what a scenario is"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UsageError) as raised:
            highlighted(shipped, str(tmp_path / name))
        assert raised.value.hint.startswith(hint)
    with pytest.raises(UsageError, match="No such file or directory"):
        highlighted(shipped, str(tmp_path / "none.tape"))

"""The SCXML document: as the Recommendation wants it, read by Qt's compiler, and saying what the table says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

from scxlife.diagrams.scxml import NAMESPACE, scxml
from scxlife.fsm.decision import decide
from scxlife.fsm.definition import DEFER, GO, Definition
from scxlife.fsm.loader import load, loads

from .conftest import KETTLE
from .rings import HOSTILE, ring, shown

SCHEMA = Path(__file__).with_name("scxml.rng")
QSCXMLC = "/usr/lib/qt6/libexec/qscxmlc"
S = "{http://www.w3.org/2005/07/scxml}"
OURS = f"{{{NAMESPACE}}}"


def accepted(folder: Path, definitions: Iterable[Definition]) -> None:
    files = []
    for index, definition in enumerate(definitions):
        files.append(folder / f"{index}.scxml")
        files[-1].write_text(scxml(definition))
    lint = ["xmllint", "--nonet", "--noout", "--relaxng", str(SCHEMA), *map(str, files)]
    done = subprocess.run(lint, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for file in files:
        done = subprocess.run(
            [QSCXMLC, "-o", str(folder / "machine"), str(file)], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_what_is_no_scxml_is_refused_here(tmp_path: Path, kettle: Definition) -> None:
    """Else this file would show nothing."""
    broken = attrs.evolve(kettle, initial="nowhere")
    with pytest.raises(AssertionError):
        accepted(tmp_path, [broken])


def test_every_machine_is_accepted(tmp_path: Path, files: list[Path]) -> None:
    accepted(tmp_path, map(load, files))


def test_any_name_is_accepted_and_kept(tmp_path: Path) -> None:
    machine = ring(HOSTILE)
    accepted(tmp_path, [machine])
    root = ElementTree.fromstring(scxml(machine))
    assert [state.get(f"{OURS}name") for state in root.iter(f"{S}state")] == list(map(shown, HOSTILE))
    expressions = [log.get("expr", "") for log in root.iter(f"{S}log")]
    assert expressions and all(re.fullmatch(r"'[^'\n]*'", expression) for expression in expressions)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def taken(state: ElementTree.Element, event: str, guards: dict[str, bool]) -> ElementTree.Element:
    """The transition that a processor takes: the first one in the document whose condition holds."""
    for transition in state.iter(f"{S}transition"):
        parts = re.findall(r"(!?)holds\('([^']+)', _event\)", transition.get("cond", ""))
        if transition.get("event") == event and all(guards[name] is (no != "!") for no, name in parts):
            return transition
    raise AssertionError("no transition")


def test_the_first_transition_whose_condition_holds_is_what_the_table_decides(machine: Definition) -> None:
    root = ElementTree.fromstring(scxml(machine))
    states = {state.get("id"): state for state in root.iter(f"{S}state")}
    compared = 0
    for (name, event), cell in machine.cells.items():
        if machine.states[name].final is not None:
            continue
        asked = list(dict.fromkeys(guard for branch in cell for guard, _ in branch.guards))
        for values in product([False, True], repeat=len(asked)):
            guards = dict(zip(asked, values, strict=True))
            decision = decide(machine, name, event, guards)
            transition = taken(states[name], event, guards)
            leaves = decision.kind == GO and not decision.internal
            assert transition.get(f"{OURS}kind") == decision.kind
            assert transition.get("target") == (decision.target if leaves else None)
            logged = [log.get("expr") for log in transition.iter(f"{S}log")]
            exits, entries = (machine.states[name].exit, machine.states[decision.target].entry) if leaves else ((), ())
            own = decision.actions[len(exits) : len(decision.actions) - len(entries)]
            assert logged == [f"'{action}'" for action in own]
            assigned = {assign.get("location"): assign.get("expr") for assign in transition.iter(f"{S}assign")}
            assert ("deferred" in assigned) is (decision.kind == DEFER)
            noted = [assigned["verdict"]] if "verdict" in assigned else []
            assert noted == ([f"'{decision.verdict}'"] if decision.verdict else [])
            compared += 1
    assert compared >= len(machine.cells) - len(machine.events) * len(root.findall(f"{S}final"))


def test_a_deadline_is_sent_late_when_its_state_is_entered_and_cancelled_when_it_is_left(kettle: Definition) -> None:
    root = ElementTree.fromstring(scxml(kettle))
    (heating,) = [state for state in root.iter(f"{S}state") if state.get("id") == "heating"]
    (sent,) = heating.findall(f"{S}onentry/{S}send")
    assert dict(sent.attrib) == {"event": "boil_late", "id": "heating.boil_late", "delay": "90s"}
    assert [cancel.get("sendid") for cancel in heating.findall(f"{S}onexit/{S}cancel")] == ["heating.boil_late"]
    (hot,) = [state for state in root.iter(f"{S}state") if state.get("id") == "hot"]
    assert [send for send in hot.iter(f"{S}send") if send.get("delay")] == [], (
        "a deadline whose setting is unset never comes"
    )


def test_a_deadline_that_starts_over_is_sent_and_cancelled_under_a_name_of_its_own(tmp_path: Path) -> None:
    rows = "  - {in: heating, on: fault, to: broken}\n  - {in: heating, on: boil_late, again: true}\n"
    text = KETTLE.replace("  - {in: heating, on: [boil_late, fault], to: broken}\n", rows)
    machine = loads(text, "kettle.yaml")
    accepted(tmp_path, [machine])
    root = ElementTree.fromstring(scxml(machine))
    assert [send.get("id") for send in root.iter(f"{S}send") if send.get("id")] == [
        "heating.boil_late",
        "heating.boil_late_x20_again",
    ]
    cancelled = [cancel.get("sendid") for cancel in root.iter(f"{S}cancel")]
    assert cancelled == ["heating.boil_late", "heating.boil_late_x20_again"]

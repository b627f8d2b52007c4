"""`scxlife import`: for each kind of machine the expected draft, and the states of the original after every event."""

from __future__ import annotations

import importlib.util
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from tests.diagrams.conftest import FILES as SHIPPED
from tests.diagrams.interpreters import qt, scion, states
from transitions import Machine, MachineError

from scxlife.diagrams.scxml import scxml
from scxlife.fsm.decision import decide
from scxlife.fsm.definition import Definition
from scxlife.fsm.importing.draft import Draft
from scxlife.fsm.importing.reading import drafted, drafted_object
from scxlife.fsm.importing.text import draft_text
from scxlife.fsm.lint import check_text
from scxlife.fsm.loader import load, loads

from .pairs import Imported, same_states

HERE = Path(__file__).parent
MACHINES = HERE / "machines"
EXPECTED = HERE / "expected"
OBJECTS = {"crossing": ("crossing", "machine"), "order": ("order", "Order"), "player": ("order", "Player")}
FILES = ("turnstile.yaml", "fetch.json", "lamp.json", "microwave.scxml", "login.scxml")
RENEW = os.environ.get("SCXLIFE_RENEW_DRAFTS")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"imported_{name}", MACHINES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def draft_of(name: str) -> Draft:
    if name in OBJECTS:
        file, attribute = OBJECTS[name]
        return drafted_object(f"{file}:{attribute}", getattr(module(file), attribute), None)
    (file,) = (file for file in FILES if file.startswith(f"{name}."))
    return drafted(file, (MACHINES / file).read_bytes(), None)


def definition_of(name: str) -> Definition:
    return loads(draft_text(draft_of(name)), f"{name}.yaml")


NAMES = (*OBJECTS, *(file.partition(".")[0] for file in FILES))


@pytest.mark.parametrize("name", NAMES)
def test_the_draft_is_the_expected_one_and_loads_without_findings(name: str) -> None:
    text = draft_text(draft_of(name))
    report = check_text(text, f"{name}.yaml")
    assert report.definition is not None and not report.problems
    expected = EXPECTED / f"{name}.yaml"
    if RENEW:
        expected.write_text(text)
    assert text == expected.read_text()


# -- with the original ------------------------------------------------------------------------------------------


class Transitions:
    """A machine of transitions whose guards answer from `answers`."""

    def __init__(self, machine: Any, model: Any) -> None:
        self.machine, self.model = machine, model

    def state(self) -> str:
        return str(self.model.state)

    def send(self, event: str) -> None:
        try:
            self.model.trigger(event)
        except (MachineError, AttributeError):
            return


def test_a_configuration_of_transitions_reaches_the_same_states() -> None:
    definition = definition_of("turnstile")
    data = yaml.safe_load((MACHINES / "turnstile.yaml").read_text())
    for state in data["states"]:
        if isinstance(state, dict):
            state.pop("timeout", None), state.pop("on_timeout", None)

    def make(answers: dict[str, bool]) -> tuple[Imported, Transitions]:
        guards = {name: (lambda name=name: answers[name]) for name in definition.guards}
        model = type("Model", (), {})()
        for name in (*definition.actions, "note", "kicked"):
            setattr(model, name, lambda: None)
        for name, guard in guards.items():
            setattr(model, name, guard)
        options = {key: value for key, value in data.items() if key != "name"}
        return Imported(definition, answers.__getitem__), Transitions(Machine(model, **options), model)

    assert same_states(make, {"unlocked_timeout": "give_up"}) == {"locked", "unlocked", "broken"}


def test_a_hierarchical_machine_of_transitions_reaches_the_same_states() -> None:
    definition = definition_of("crossing")

    def make(answers: dict[str, bool]) -> tuple[Imported, Transitions]:
        made = module("crossing")
        made.signals.is_night = lambda: answers["is_night"]
        return Imported(definition, answers.__getitem__), Transitions(made.machine, made.signals)

    assert same_states(make) == set(definition.states)


class StateMachineOf:
    def __init__(self, cls: Any, answers: dict[str, bool]) -> None:
        self.machine = cls()
        self.machine.values = answers

    def state(self) -> str:
        (leaf,) = (state for state in self.machine.configuration if not state.states)
        return str(leaf.id)

    def send(self, event: str) -> None:
        from statemachine.exceptions import TransitionNotAllowed

        try:
            self.machine.send(event)
        except TransitionNotAllowed:
            return


@pytest.mark.parametrize("name", ["order", "player"])
def test_a_class_of_python_statemachine_reaches_the_same_states(name: str) -> None:
    definition = definition_of(name)
    file, attribute = OBJECTS[name]
    cls = getattr(module(file), attribute)

    def make(answers: dict[str, bool]) -> tuple[Imported, StateMachineOf]:
        return Imported(definition, answers.__getitem__), StateMachineOf(cls, answers)

    assert same_states(make) == set(definition.states)


class XState:
    """Their JSON run by xstate-statemachine, an implementation of XState in Python."""

    def __init__(self, config: dict[str, Any], answers: dict[str, bool], definition: Definition) -> None:
        from xstate_statemachine import MachineLogic, SimulatedClock, SyncInterpreter, create_machine

        actions = dict.fromkeys(
            ("click", "flicker", "rattle", "log", "clear", "abort", "countUnknown"), lambda *_: None
        )
        guards = {name: lambda *_, name=name: answers[name] for name in definition.guards}
        self.clock = SimulatedClock()
        machine = create_machine(config, logic=MachineLogic(actions=actions, guards=guards))
        self.interpreter = SyncInterpreter(machine, clock=self.clock)
        self.interpreter.start()

    def state(self) -> str:
        (leaf,) = self.interpreter.current_state_ids
        return str(leaf.partition(".")[2])

    def send(self, event: str) -> None:
        if event.endswith(" ms"):
            self.clock.increment(float(event.removesuffix(" ms")))
        else:
            self.interpreter.send(event)


@pytest.mark.parametrize("name", ["fetch", "lamp"])
def test_a_configuration_of_xstate_reaches_the_same_states(name: str) -> None:
    definition = definition_of(name)
    config = json.loads((MACHINES / f"{name}.json").read_text())
    if name == "fetch":
        # What the service would send is sent by the test.
        invoked = config["states"]["loading"].pop("invoke")
        sent = {"done.invoke.load": invoked["onDone"], "error.load": invoked["onError"]}
        config["states"]["loading"]["on"] |= sent

    def make(answers: dict[str, bool]) -> tuple[Imported, XState]:
        answers |= dict.fromkeys(definition.guards.keys() - answers.keys(), False)
        return Imported(definition, answers.__getitem__), XState(config, answers, definition)

    seen = same_states(
        make,
        {"loading.after.5s": "5000 ms", "waiting.after.1500ms": "1500 ms"},
        steady=("hot",) if name == "lamp" else (),
    )
    # A state with what follows at once is left before anybody could see it.
    assert seen == set(definition.states) - {"shown.closed", "abandoned"}


# -- SCXML -------------------------------------------------------------------------------------------------------


class Microwave:
    """What the program keeps for the draft, where the original has data."""

    closed, spent = True, 0

    def __init__(self) -> None:
        self.guards = {"closed": lambda: self.closed, "spent_0": lambda: self.spent == 0}
        self.does = {"set_spent": self.zero, "set_spent_2": self.more}

    def zero(self) -> None:
        self.spent = 0

    def more(self) -> None:
        self.spent += 1


class Login:
    tries = 0

    def __init__(self) -> None:
        self.guards = {"tries_2": lambda: self.tries > 2, "tries_3": lambda: self.tries < 3}
        self.does = {"set_tries": self.more, "set_tries_2": self.zero}

    def zero(self) -> None:
        self.tries = 0

    def more(self) -> None:
        self.tries += 1


@pytest.mark.parametrize("world", [Microwave, Login])
def test_a_document_of_scxml_reaches_the_same_states_in_qt_and_scion(world: Callable[[], Any]) -> None:
    name = world.__name__.lower()
    definition = definition_of(name)
    chance = random.Random(18)
    orders: list[dict[str, Any]] = []
    reached: list[str] = []
    while len(orders) < 600:
        kept = world()
        imported = Imported(definition, lambda guard, kept=kept: kept.guards[guard](), kept.does)
        if reached:
            orders.append({"restart": True})
        reached.append(imported.runtime.state)
        for _ in range(30):
            if imported.runtime.ending is not None:
                break
            if imported.runtime.next_deadline() is not None and chance.random() < 0.2:
                imported.expire()
                orders.append({"advance": 90_000})
            else:
                event = chance.choice(imported.comes())
                imported.send(event)
                orders.append({"event": event})
            reached.append(imported.runtime.state)
    for interpreter in (qt(), scion()):
        found = states(interpreter, MACHINES / f"{name}.scxml", orders)
        assert len(found) == len(reached)
        for number, (active, state) in enumerate(zip(found, reached, strict=True)):
            ended = definition.states[state].final is not None and not active
            assert ended or active == [state], f"{interpreter[0]}, after {orders[max(0, number - 9) : number]}"
    # Those with what follows at once are left before anybody could see them.
    assert set(reached) == set(definition.states) - {"checking", "ended"}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_our_own_export_makes_a_draft_that_loads(file: Path) -> None:
    text = draft_text(drafted(f"{file.stem}.scxml", scxml(load(file)).encode(), None))
    assert set(loads(text, file.name).states) >= set(load(file).states)


def test_a_row_for_all_states_still_goes_before_a_later_one_for_one_state() -> None:
    """The engine asks the narrower row first, transitions the earlier one."""
    data = {
        "states": ["a", "b", "c"],
        "initial": "a",
        "transitions": [
            {"trigger": "go", "source": "*", "dest": "b", "conditions": "near"},
            {"trigger": "go", "source": "a", "dest": "c", "conditions": "far"},
            {"trigger": "go", "source": "b", "dest": "c"},
            {"trigger": "go", "source": "c", "dest": "a"},
        ],
    }
    definition = loads(draft_text(drafted("m.json", json.dumps(data).encode(), None)))
    assert decide(definition, "a", "go", {"near": True, "far": True}).target == "b"
    assert decide(definition, "a", "go", {"near": False, "far": True}).target == "c"

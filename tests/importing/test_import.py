"""`scxlife import`: for each kind of machine the expected draft, and the states of the original after every event."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from transitions import Machine, MachineError

from scxlife.fsm.definition import Definition
from scxlife.fsm.importing.draft import Draft
from scxlife.fsm.importing.reading import drafted, drafted_object
from scxlife.fsm.importing.text import draft_text
from scxlife.fsm.lint import check_text
from scxlife.fsm.loader import loads

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


# -- beside the original -----------------------------------------------------------------------------------------


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

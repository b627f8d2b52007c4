"""The model's machine held against the real `Runtime`, and its shortcuts against the long way."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from scxlife.fsm.definition import BY_ACTION, Definition
from scxlife.fsm.replay import replay
from scxlife.fsm.tape_reader import TapeReader
from scxlife.lifecycle.model.answers import ANSWERS
from scxlife.lifecycle.model.effects import DONE_ALL_THE_SAME, EFFECTS
from scxlife.lifecycle.model.exploration import Exploration, Step, shortened
from scxlife.lifecycle.model.machine import Machine, Turn
from scxlife.lifecycle.model.steps import TOGETHER, Model, Move, Script
from scxlife.lifecycle.model.witness import Disagreement, Witness
from scxlife.lifecycle.model.world import DYING, OVER, World
from scxlife.lifecycle.options import shipped

LONGEST = 80


def in_profile(name: str) -> Definition:
    return shortened(shipped().with_profile(name))


def random_way(model: Model, draw: random.Random) -> list[Step]:
    """What may happen, until the machine ends."""
    machine, world, _ = draw.choice(list(model.beginnings()))
    steps = [Step(None, None, machine, world)]
    while len(steps) < LONGEST and model.definition.states[machine.state].final is None:
        moves = list(model.deliveries(machine, world) if machine.inbox else model.wakes(machine, world))
        if moves and draw.random() < 0.7:
            ordinary = [move for move in moves if not move[0].faults]
            turn, world, script = draw.choice(ordinary if ordinary and draw.random() < 0.98 else moves)
            machine = model.after(machine, turn)
            steps.append(Step(None, (turn, world, script), machine, world))
        else:
            happening = draw.choice([*model.happenings(world), None])
            if happening is None:
                continue
            world = happening.world
            steps.append(Step(happening, None, machine, world))
        if machine.wrong:
            break
    return steps


@pytest.mark.parametrize("profile", ["sched_ext", "file", "none", "boot"])
def test_the_runtime_does_what_the_model_says_and_replay_accepts_the_tape(profile: str) -> None:
    model = Model(in_profile(profile), faults=3)
    ends = set()
    for seed in range(150):
        way, lines = random_way(model, random.Random(seed)), list[str]()
        Witness(model.definition, lines.append).go(way, "nothing", "it is a walk")
        result = replay(model.definition, TapeReader(lines))
        assert result.difference is None, (seed, result.difference)
        assert result.state == way[-1].machine.state
        ends.add(result.outcome)
    assert len(ends) > 4, ends


def test_a_model_that_goes_wrong_is_noticed() -> None:
    model = Model(in_profile("file"), faults=0)
    way = random_way(model, random.Random(1))
    way[2] = way[2]._replace(machine=way[2].machine._replace(state="running"))
    with pytest.raises(Disagreement, match="the runtime is in spawning"):
        Witness(model.definition, lambda line: None).go(way, "", "")


class EveryCrowd(Model):
    """Any of the sources may be looked at together, and what nothing comes of is delivered one by one."""

    def wakes(self, machine: Machine, world: World) -> Iterator[Move]:
        yield from super().wakes(machine, world)
        listening = self._listening(machine.state, machine.broken, world)
        for seen, told, looks in self._looked(listening, world):
            if told:
                yield Turn(False, None, (), told, machine.broken, 0), seen, Script({}, (), (), looks)

    def after(self, machine: Machine, turn: Turn) -> Machine:
        return self.rules.step(machine, turn)


@pytest.mark.parametrize(("profile", "faults", "depth"), [("none", 1, None), ("file", 0, None), ("sched_ext", 0, 14)])
def test_looking_at_one_source_at_a_time_misses_no_end(profile: str, faults: int, depth: int | None) -> None:
    definition = in_profile(profile)
    short, long = Exploration(Model(definition, faults)), Exploration(EveryCrowd(definition, faults))
    # What is delivered one by one takes more steps.
    short.run(depth)
    long.run(None if depth is None else depth - 2)
    assert long.complete == short.complete
    assert long.found.keys() == short.found.keys()
    assert ends(long) <= ends(short)
    if depth is None:
        assert ends(long) == ends(short)
        assert short.states < long.states


def ends(exploration: Exploration) -> set[tuple[str, str, World]]:
    """Everything that a run can come to. Whether a payload that was killed is dead yet is nobody's to see."""
    return {
        (machine.state, machine.verdict, world._replace(payload=DYING) if world.payload == OVER else world)
        for machine, world in exploration.reached()
        if exploration.model.definition.states[machine.state].final is not None
    }


def test_every_action_and_guard_has_its_function_and_no_function_is_left_over() -> None:
    definition = shipped()
    assert EFFECTS.keys() == definition.actions.keys()
    assert ANSWERS.keys() == definition.guards.keys()
    assert set(DONE_ALL_THE_SAME) <= EFFECTS.keys()
    assert set(TOGETHER) <= definition.sources.keys()


def test_effects_post_what_their_actions_list() -> None:
    """Whatever the world: seen in all that one fault can lead to in the smallest profile."""
    definition = in_profile("none")
    model = Model(definition, 1)
    exploration = Exploration(model)
    exploration.run()
    posted: dict[str, set[str]] = {}
    for machine, world in exploration.reached():
        if machine.inbox and definition.states[machine.state].final is None:
            for _, _, script in model.deliveries(machine, world):
                for name, _, posts, _ in script.results:
                    posted.setdefault(name, set()).add(posts)
    by_actions = {event.name for event in definition.events.values() if event.source == BY_ACTION}
    for name, posts in posted.items():
        assert posts & by_actions == set(definition.actions[name].posts), name

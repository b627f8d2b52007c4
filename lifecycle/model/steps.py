"""The machine over the world: every step that the two of them can take.

`decide()` says what the machine does to an event, and the effects say what that does to the world.
One step is one of three: nature goes on, the sources are looked at (some of them; all when a deadline is over), or the
first event that waits is delivered, with its actions and the opening of what the new state listens to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import FAULT, GO, IGNORE, Decision, Definition

from .answers import ANSWERS, Question
from .effects import DONE_ALL_THE_SAME, EFFECTS, Asked
from .machine import Machine, Rules, Turn, name_of
from .nature import NATURES, Happening, Nature
from .properties import ENDED_BY_ITSELF
from .sources import LOOKS, Look, blunted, closed, opened
from .world import ABSENT, ALIVE, BY_ITSELF, DISABLED, DYING, FOREIGN, NONE, OVER, WANTED, World

# Guards that ask for the kernel's reason.
REASONED = ("ejected_by_kernel", "detached_from_outside", "unregistered_by_itself")
# What these tell is as true later, so that telling it together with others comes to the same as telling it next.
LEISURELY = ("payload", "logs", "probe", "signals")
# Of all others, too, one is looked at at a time; but what death and readiness say together, rank has to order.
TOGETHER = ("process", "readiness")


class Script(NamedTuple):
    """How a step went in particular, for whoever wants to see it again: the answers of the guards and which of them
    failed, what each action did (its name, `done`, `failed` or `skipped`, what it posted, what is to be said of it)
    and what each source told."""

    answers: Mapping[str, bool]
    failed_guards: tuple[str, ...]
    results: tuple[tuple[str, str, str, str], ...]
    looks: tuple[tuple[str, tuple[str, ...]], ...]


Move = tuple[Turn, World, Script]
#: The world behind a look, what was told, and by whom.
Looked = tuple[World, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]


class UnknownToModel(Exception):
    """The definition names what the model has nothing for. The text says what."""


class Model:
    """A definition with the world that its sources are about."""

    def __init__(self, definition: Definition, faults: int) -> None:
        self.definition = definition
        self.faults = faults
        self.kinds = {name: kind for name, kind in definition.sources.items() if kind is not None}
        _known("source", set(self.kinds.values()), LOOKS)
        _known("action", definition.actions, EFFECTS)
        _known("guard", definition.guards, ANSWERS)
        _known("readiness", {self.kinds.get("readiness", "")}, NATURES)
        self.looks: dict[str, Look] = {name: LOOKS[kind] for name, kind in self.kinds.items()}
        self.nature: Nature = NATURES[self.kinds["readiness"]]
        self.rules = Rules(definition)
        self._hears = _with_ways_to(definition, _hearing(definition))
        self._minds = _with_ways_to(definition, _minding(definition))

    def beginnings(self) -> Iterator[tuple[Machine, World, int]]:
        """Told to start, in every world that it may find, and how many faults that one has."""
        initial = self.definition.states[self.definition.initial]
        machine = Machine(initial.name, inbox=("start",))
        kernels = {DISABLED: 0, ABSENT: 0, FOREIGN: 1} if self.kinds["readiness"] == "sched_ext" else {DISABLED: 0}
        for kernel, faults in kernels.items():
            for payload in (NONE, WANTED):
                yield machine, World(kernel=kernel, payload=payload), faults
        yield machine, World(left=ALIVE), 1
        for name in initial.sources:
            deaf = self.rules.posted(machine, (FAULT,))._replace(broken=(name,))
            yield deaf, World(), 1

    def after(self, machine: Machine, turn: Turn) -> Machine:
        """The machine behind a step."""
        return self.rules.after(machine, turn)

    def happenings(self, world: World) -> Iterator[Happening]:
        """What nature may do next."""
        return self.nature(world)

    # -- a look ------------------------------------------------------------------------------------------------

    def wakes(self, machine: Machine, world: World) -> Iterator[Move]:
        """Nothing waits: a source has something to tell and is looked at, or all are because a deadline is over."""
        listening = self._listening(machine.state, machine.broken, world)
        alone = [[name] for name in listening if name not in TOGETHER]
        for together in ([name for name in listening if name in TOGETHER], *alone):
            for seen, told, looks in self._looked(together, world):
                if told or seen != world:
                    yield Turn(False, None, (), told, machine.broken, 0), seen, Script({}, (), (), looks)
        if machine.armed:
            for seen, told, looks in self._looked_at_all(listening, world):
                script = Script({}, (), (), looks)
                yield Turn(False, None, (), told, machine.broken, 0, "due"), seen, script
                if self.faults and len(machine.armed) > 1:
                    yield Turn(False, None, (), told, machine.broken, 1, "late"), seen, script
        if self.faults:
            for name in listening:
                broken = tuple(sorted((*machine.broken, name)))
                script = Script({}, (), (), ((name, (FAULT,)),))
                yield Turn(False, None, (), (FAULT,), broken, 1), closed(world, name), script

    def is_quiet(self, machine: Machine, world: World) -> bool:
        """Whether no source has anything that it must tell, or remember."""
        listening = self._listening(machine.state, machine.broken, world)
        return all(((), world) in self.looks[name](world) for name in listening)

    def _is_there(self, source: str, world: World) -> bool:
        """Whether there is anything that it could be about."""
        if source == "payload":
            return world.payload in (ALIVE, DYING, OVER)
        return source != "logs" or self.definition.settings["log_limit"] is not None

    def _listening(self, state: str, broken: tuple[str, ...], world: World) -> list[str]:
        return [
            name
            for name in self.definition.states[state].sources
            if name in self.looks and name not in broken and self._is_there(name, world)
        ]

    def _looked(self, together: Iterable[str], world: World) -> list[Looked]:
        """Some or all of these are looked at, in their order."""
        ways: list[Looked] = [(world, (), ())]
        for name in together:
            ways += [
                (after, told + events, (*looks, (name, events)))
                for seen, told, looks in ways
                for events, after in self.looks[name](seen)
            ]
        return ways

    def _looked_at_all(self, listening: Iterable[str], world: World) -> list[Looked]:
        ways: list[Looked] = [(world, (), ())]
        for name in listening:
            if name not in LEISURELY:
                ways = [
                    (after, told + events, (*looks, (name, events)))
                    for seen, told, looks in ways
                    for events, after in self.looks[name](seen)
                ]
        return ways

    # -- a delivery --------------------------------------------------------------------------------------------

    def deliveries(self, machine: Machine, world: World) -> Iterator[Move]:
        """The first event that waits is delivered, in every way in which that can go."""
        state, token, broken, left = machine.state, machine.inbox[0], machine.broken, self.faults
        name = name_of(token)
        if (state, name) in self.rules.unheard:
            yield Turn(True, None, (), (), broken, 0), world, Script({}, (), (), ())
            return
        listening = self._listening(state, broken, world)
        kind = self.kinds["readiness"] if "readiness" in listening else ""
        question = Question(self.definition.settings, kind, "kernel_log" in listening)
        asked = Asked(token, bool(kind), kind == "sched_ext", state in self._hears)
        for decision, answers, failed, spent in self._decisions(state, name, world, question, left):
            raised = (FAULT,) * len(failed)
            if decision.kind != GO:
                yield Turn(True, decision, raised, (), broken, spent), world, Script(answers, failed, (), ())
                continue
            wrong = "status" if decision.verdict in ENDED_BY_ITSELF and world.status != BY_ITSELF else ""
            said = world._replace(wrong=wrong) if wrong else world
            for after, posted, results, cost in self._acted(decision.actions, said, asked, left - spent):
                script = Script(answers, failed, results, ())
                faults = spent + cost
                if decision.internal:
                    yield Turn(True, decision, raised + posted, (), broken, faults), after, script
                    continue
                if decision.target not in self._hears:
                    after = after._replace(heard="", attached=False)
                for there, told, looks, deaf, more in self._arrived(decision, broken, after, left - faults):
                    turn = Turn(True, decision, raised + posted, told, deaf, faults + more)
                    yield turn, there, script._replace(looks=looks)

    def _decisions(
        self, state: str, name: str, world: World, question: Question, left: int
    ) -> Iterator[tuple[Decision, Mapping[str, bool], tuple[str, ...], int]]:
        """Every decision that the guards' possible answers lead to. A guard that fails does not hold."""
        waiting: list[tuple[dict[str, bool], tuple[str, ...], int]] = [({}, (), 0)]
        while waiting:
            answers, failed, spent = waiting.pop()
            try:
                decision = decide(self.definition, state, name, answers)
            except KeyError as missing:
                guard = missing.args[0]
                if spent < left:
                    waiting.append(({**answers, guard: False}, (*failed, guard), spent + 1))
                for answer in ANSWERS[guard](world, question):
                    if spent + answer.faults <= left:
                        waiting.append(({**answers, guard: answer.holds}, failed, spent + answer.faults))
                continue
            yield decision, answers, failed, spent

    def _acted(
        self, actions: tuple[str, ...], world: World, asked: Asked, left: int
    ) -> list[tuple[World, tuple[str, ...], tuple[tuple[str, str, str, str], ...], int]]:
        """Every way in which a run of actions can go. Once one has failed, the rest is skipped."""
        ways: list[tuple[World, tuple[str, ...], tuple[tuple[str, str, str, str], ...], int]] = [(world, (), (), 0)]
        for name in actions:
            further = []
            for at, posted, results, spent in ways:
                if results and results[-1][1] != "done":
                    further.append((at, posted, (*results, (name, "skipped", "", "")), spent))
                    continue
                for done in EFFECTS[name](at, asked):
                    if spent + done.faults <= left:
                        result = "failed" if done.failed else "done"
                        posts = FAULT if done.failed else done.posts
                        more = (*posted, posts) if posts else posted
                        record = (name, result, "" if done.failed else posts, done.note)
                        further.append((done.world, more, (*results, record), spent + done.faults))
                if spent < left:
                    record = (name, "failed", "", "OSError: [Errno 5] Input/output error")
                    left_behind = further[-1][0] if name in DONE_ALL_THE_SAME else at
                    further.append((left_behind, (*posted, FAULT), (*results, record), spent + 1))
            ways = further
        return ways

    def _arrived(
        self, decision: Decision, broken: tuple[str, ...], world: World, left: int
    ) -> list[tuple[World, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...], int]]:
        """Sources that the new state does not list are closed, those that it lists are opened and looked at."""
        before, wanted = self.definition.states[decision.state].sources, self.definition.states[decision.target].sources
        for name in before:
            if name not in wanted and name in self.looks:
                world = closed(world, name)
        if decision.target not in self._minds:
            world = blunted(world)
        still = tuple(name for name in broken if name in wanted)
        Way = tuple[World, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...], int]
        ways: list[Way] = [(world, (), (), still, 0)]
        for name in wanted:
            if name in before or name not in self.looks or not self._is_there(name, world):
                continue
            further: list[Way] = []
            for at, told, looks, deaf, spent in ways:
                new = opened(at, name)
                for events, after in [((), new)] if name in LEISURELY else self.looks[name](new):
                    further.append((after, told + events, (*looks, (name, events)), deaf, spent))
                if spent < left:
                    deafer = tuple(sorted((*deaf, name)))
                    further.append((at, (*told, FAULT), (*looks, (name, (FAULT,))), deafer, spent + 1))
            ways = further
        return ways


def _hearing(definition: Definition) -> set[str]:
    """The states in which the kernel's reason is asked for."""
    return {
        state
        for (state, _), cell in definition.cells.items()
        if any(guard in REASONED for branch in cell for guard, _ in branch.guards)
    }


def _minding(definition: Definition) -> set[str]:
    """The states that do something about a refusal."""
    return {
        name
        for name, state in definition.states.items()
        if "readiness" in state.sources
        and any(branch.decision.kind != IGNORE for branch in definition.cells[name, "refused"])
    }


def _with_ways_to(definition: Definition, states: set[str]) -> set[str]:
    """These states, and those from where the machine can come to them."""
    leading = set(states)
    while further := {
        state
        for (state, _), cell in definition.cells.items()
        if state not in leading and any(branch.decision.target in leading for branch in cell)
    }:
        leading |= further
    return leading


def _known(what: str, named: object, known: Mapping[str | None, object] | Mapping[str, object]) -> None:
    missing = sorted(set(named) - known.keys())  # type: ignore[call-overload]
    if missing:
        raise UnknownToModel(f"the model of the world knows no {what} {', '.join(map(repr, missing))}")

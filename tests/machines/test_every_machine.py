"""What holds for each of the classic machines: it loads, it is total, and runtime and `decide` agree."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import nullcontext, suppress

import pytest

from scxlife.fsm.decision import decide
from scxlife.fsm.definition import BY_ACTION, BY_CALLER, GO, IMPOSSIBLE, REJECT, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.runtime import Refused

from .bench import HERE, MACHINES, Bench, definition_of

EVENTS_PER_MACHINE = 5_000


def test_there_are_six() -> None:
    assert MACHINES == ["circuit_breaker", "door", "probe", "systemd_service", "tcp", "traffic_light"]


@pytest.mark.parametrize("machine", MACHINES)
def test_it_loads_and_every_cell_is_decided(machine: str) -> None:
    definition = definition_of(machine)
    assert definition.name == machine
    assert definition.cells.keys() == {(state, event) for state in definition.states for event in definition.events}
    assert all(cell and not cell[-1].guards for cell in definition.cells.values())


@pytest.mark.parametrize("machine", MACHINES)
def test_it_opens_with_its_theory_of_operation_and_where_its_facts_are_from(machine: str) -> None:
    opening = (HERE / f"{machine}.yaml").read_text().split("\nformat: 1\n")[0]
    assert all(line.startswith("#") or not line for line in opening.splitlines())
    assert "# Theory of operation" in opening
    assert "Facts:" in opening or "RFC 9293, section 3.3.2, figure 5" in opening


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_guard_and_setting_says_what_it_is(machine: str) -> None:
    definition = definition_of(machine)
    final = {name for name, state in definition.states.items() if state.final is not None}
    assert [name for name, state in definition.states.items() if not state.doc and name not in final] == []
    assert [name for name, text in definition.guards.items() if not text] == []
    assert [name for name, action in definition.actions.items() if not action.doc] == []


class Dice:
    """A world in which guards hold, actions post and actions fail by chance; the same seed gives the same world."""

    def __init__(self, definition: Definition, rng: random.Random) -> None:
        self._definition = definition
        self._rng = rng
        self._holds: dict[str, bool] = {}
        self.shake()

    def shake(self) -> dict[str, bool]:
        """Throw all guards anew; they stay as they are until the next throw."""
        self._holds = {name: self._rng.random() < 0.5 for name in self._definition.guards}
        return self._holds

    def __getattr__(self, name: str) -> object:
        if name in self._definition.guards:
            return lambda event: self._holds[name]
        if name not in self._definition.actions:
            raise AttributeError(name)

        def act(event: Event) -> str | None:
            if self._rng.random() < 0.01:
                raise OSError(5, "no luck")
            return self._rng.choice([None, *self._definition.actions[name].posts])

        return act


def may_come(bench: Bench, guards: dict[str, bool]) -> list[str]:
    """What a caller or an open source may send now; an `impossible` cell is one that they promise not to hit."""
    definition, here = bench.definition, bench.definition.states[bench.state]
    sent = [
        event.name
        for event in definition.events.values()
        if event.source == BY_CALLER or (event.source not in (None, BY_ACTION) and event.source in here.sources)
    ]
    return [name for name in sent if decide(definition, bench.state, name, guards).kind != IMPOSSIBLE]


def first_due(bench: Bench) -> float | None:
    """Seconds from entering the present state to its first deadline, as the definition says."""
    definition = bench.definition
    timers = (definition.events[name].timer or "" for name in definition.states[bench.state].deadlines)
    durations = (definition.settings[timer] for timer in timers)
    return min((float(seconds) for seconds in durations if seconds is not None), default=None)


@pytest.mark.parametrize("machine", MACHINES)
def test_through_thousands_of_random_events_the_runtime_does_what_decide_says(machine: str) -> None:
    definition = definition_of(machine)
    rng = random.Random(f"{machine} 3")
    dice = Dice(definition, rng)
    bench = Bench(definition, dice)
    visits: Counter[str] = Counter()
    passed: set[str] = set()
    kinds: set[str] = set()
    for _ in range(EVENTS_PER_MACHINE):
        visits[bench.state] += 1
        if bench.runtime.ending is not None:
            passed.update(bench.path)
            bench = Bench(definition, dice)
        guards = dice.shake()
        choices = may_come(bench, guards)
        deadline = bench.runtime.next_deadline()
        if deadline is not None and (not choices or rng.random() < 0.3):
            bench.now = max(bench.now, deadline)
            bench.runtime.expire(bench.now)
        else:
            bench.now += rng.random()
            # Of three, the one that leads where the walk has been least: no state is left out by bad luck.
            decisions = [decide(definition, bench.state, event, guards) for event in rng.choices(choices, k=3)]
            expected = min(decisions, key=lambda decision: visits[decision.target])
            kinds.add(expected.kind)
            bench.runtime.post(Event(expected.event))
            with pytest.raises(Refused) if expected.kind == REJECT else nullcontext():
                bench.runtime.deliver_one()
            assert bench.state == expected.target
            if expected.kind == GO and not expected.internal:
                assert bench.due_in() == pytest.approx(first_due(bench))
            else:
                assert bench.runtime.next_deadline() == deadline
        # What actions posted and what was deferred comes now; `bench` holds each step of it against `decide`.
        while True:
            with suppress(Refused):
                bench.runtime.deliver()
                break
        assert bench.state == bench.path[-1]
    assert passed | set(bench.path) == definition.states.keys()
    assert kinds == {branch.decision.kind for cell in definition.cells.values() for branch in cell} - {IMPOSSIBLE}

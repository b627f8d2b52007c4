"""Requests to a supervisor on a simulated machine: the production code of `operations`, and all that was seen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from scxlife.fsm.definition import Definition, Value
from scxlife.fsm.events import Event
from scxlife.lifecycle.operations.answers import Answer
from scxlife.lifecycle.operations.operations import Operations
from scxlife.lifecycle.operations_names import EventName
from scxlife.lifecycle.options import operations, shipped
from scxlife.lifecycle.plan import Plan, scheduler_environment
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.sim import Machine, SimKernel
from scxlife.platform.sim.caller import Stuck
from scxlife.platform.sim.clock import Endless
from scxlife.platform.sim.faults import Fault, Injector, SupervisorKilled
from scxlife.platform.sim.outside import Happening, Interrupt
from scxlife.platform.sim.processes import Process
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import Program
from scxlife.platform.sim.struct_ops import Instance

if TYPE_CHECKING:
    from scxlife.lifecycle.actions import Announce


@attrs.frozen
class Request:
    """`at` is seconds from the beginning; `name` a staged scheduler's for attach and replace. A `status` is no
    request: it is answered on the spot."""

    at: float
    what: str
    name: str | None = None


@attrs.frozen
class Story:
    """`staged` are programs by name, `first` the one to begin with. After `patience` seconds a signal asks for the
    end."""

    staged: Mapping[str, Program]
    first: str | None = None
    requests: tuple[Request, ...] = ()
    kernel: str = "7.2"
    outside: tuple[Happening, ...] = ()
    faults: tuple[Fault, ...] = ()
    settings: Mapping[str, Value] = attrs.Factory(dict)
    life_settings: Mapping[str, Value] = attrs.Factory(dict)
    payload: Program | None = None
    patience: float = 60.0
    seed: int = 0


@attrs.frozen
class Answered:
    """An answer and what was true: virtual nanoseconds, what the kernel had told last, who of ours lived, the machine's
    state."""

    request: Request
    answer: Answer
    at: int
    told: tuple[int, str, Instance | None, int]
    alive: tuple[Process, ...]
    state: str


@attrs.define(eq=False)
class Told:
    """`begun` holds, for each life, its name and who of the former ones still lived; `steps` the machine's moves."""

    story: Story
    machine: Machine
    kernel: SimKernel
    operations: Operations | None = None
    asked: list[Request] = attrs.Factory(list)
    answers: list[Answered] = attrs.Factory(list)
    begun: list[tuple[str, float, tuple[Process, ...]]] = attrs.Factory(list)
    outcomes: list[str] = attrs.Factory(list)
    steps: list[Mapping[str, Any]] = attrs.Factory(list)
    news: list[Mapping[str, Any]] = attrs.Factory(list)
    statuses: list[Mapping[str, Any]] = attrs.Factory(list)
    status: int | None = None
    error: BaseException | None = None

    def alive(self, *, payload: bool = False) -> tuple[Process, ...]:
        """Whoever lives of what we have started, the payload aside."""
        return tuple(
            process
            for process in self.machine.processes.everyone
            if process.alive
            and process.root in self.kernel.started
            and (payload or process.root is None or process.root.comm != "payload")
        )


class ScriptedControl:
    """An event source that asks at its moments, as a client on a socket would."""

    degraded: str | None = None

    def __init__(self, told: Told, began: float) -> None:
        self._told = told
        self._began = began
        self._left = sorted(told.story.requests, key=lambda request: request.at)

    def open(self) -> None:
        """There is nothing to open: it asks wherever the machine is."""

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return self._began + self._left[0].at if self._left else None

    def drain(self) -> list[Event]:
        told = self._told
        assert told.operations is not None
        now = told.kernel.clock.now / 1e9
        while self._left and self._began + self._left[0].at <= now:
            request = self._left.pop(0)
            if request.what == "status":
                told.statuses.append(told.operations.status())
                continue
            told.asked.append(request)

            def reply(answer: Answer, request: Request = request) -> None:
                assert told.operations is not None
                state, last_told = told.operations.runtime.state, told.machine.sched_ext.last_told
                told.answers.append(Answered(request, answer, told.machine.clock.now, last_told, told.alive(), state))

            told.operations.request(EventName(request.what), request.name, reply)
        return []

    def close(self) -> None:
        """It comes back where it was."""


def tell(story: Story) -> Told:
    """Run it. Whatever is raised is in the result."""
    machine = Machine(PROFILES[story.kernel], seed=story.seed, faults=Injector(story.faults, Random(story.seed)))
    for name, program in story.staged.items():
        machine.install(f"/bin/{name}", program)
    if story.payload is not None:
        machine.install("/bin/payload", story.payload)
    machine.expect(story.outside)
    kernel = SimKernel(machine)
    machine.interrupted = kernel.interrupted
    machine.expect((Interrupt(story.patience, "SIGTERM"),))
    told = Told(story, machine, kernel)
    control = ScriptedControl(told, kernel.clock.now / 1e9)
    try:
        told.operations = ours(told, control)
        told.status = told.operations.run(story.first)
    except (Exception, KeyboardInterrupt, SupervisorKilled, Endless, Stuck) as error:
        told.error = error
    machine.interrupted = lambda number: None
    return told


def ours(told: Told, control: ScriptedControl) -> Operations:
    """The production code, ready to go."""
    story, kernel = told.story, told.kernel
    definition = _life().with_settings(**dict(story.life_settings))

    def prepare(name: str, number: int, announce: Announce) -> Supervision:
        told.begun.append((name, kernel.clock.now / 1e9, told.alive()))
        plan = Plan(
            command=f"/bin/{name}", environment=scheduler_environment({}), log_path=f"/tmp/sched_{name}_{number}.log"
        )
        return Supervision(kernel, definition, plan, observer=lambda record: None, announce=announce)

    def news(what: Mapping[str, Any]) -> None:
        told.news.append(what)
        if what["event"] == "ended":
            told.outcomes.append(what["outcome"]["outcome"])

    def observe(record: Mapping[str, Any]) -> None:
        if record["kind"] == "step":
            told.steps.append(record)

    plan = None if story.payload is None else Plan(command="", payload=("/bin/payload",))
    return Operations(
        kernel,
        _machine().with_settings(**dict(story.settings)),
        prepare,
        command=lambda name: f"/bin/{name}",
        draw=Random(story.seed).random,
        observer=observe,
        news=news,
        plan=plan,
        control=lambda: control,
    )


@cache
def _life() -> Definition:
    return shipped().with_profile("operation")


@cache
def _machine() -> Definition:
    return operations()

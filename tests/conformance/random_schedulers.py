"""Random scenarios that the fixture scheduler (tests/schedulers) plays in a guest: what it is told, and the same as a
scenario.

Nothing depends on how fast a machine is: what happens to a scheduler that was seen to be ready happens when it was
seen, and a deadline is either waited for in vain or can't be missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from hypothesis import strategies as st
from tests.vm.fates import NEVER, PATIENCE, PATIENT

from scxlife.fsm.definition import Value
from scxlife.lifecycle.simulated.beside import Moves
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario
from scxlife.platform.sim.outside import Eject, Happening, Interrupt, Kill
from scxlife.platform.sim.program import Attach, Exit, Fork, Program, Serve, Sleep, Step, Work

from .draws import drawn

COUNT, SEED, MOST_ALIKE = 100, 6, 10

#: What becomes of them.
NAMES = (
    "dies early",
    "is refused by the verifier",
    "fails init",
    "never attaches",
    "daemonises",
    "is stopped",
    "is stopped and deaf",
    "is interrupted",
    "is interrupted and deaf",
    "is interrupted twice and deaf",
    "was stopped and is interrupted",
    "exits",
    "leaves a holder",
    "is killed by somebody",
    "is thrown out",
    "is thrown out and lingers",
    "stalls",
    "comes back",
)

#: Seconds. What the load takes on an emulated machine, how often the fixture looks around, what is not at once.
LOAD, LOOK, SOON = 0.5, 0.01, 0.3
ERROR, STALL, SYSRQ = "scx_bpf_error", "runnable task stall", "disabled by sysrq-S"
# What becomes of one that stalls, which nobody does.
OF_ITSELF = "stall"
# The watchdog's bound, and how long it takes to look.
STALLED = 1.5
DEAF: Mapping[str, Any] = {"catches": (), "ignores": ("SIGINT", "SIGTERM")}
# Longer than every deadline that is not to be missed.
_LONG = 600.0
# By then the idle machine has proven all that ever is.
_READY_BY = 12.0


@attrs.frozen
class Life:
    """`arguments` and `when_ready` are for the fixture and its guest (tests/vm/inits/lives.py)."""

    name: str = attrs.field(validator=attrs.validators.in_(NAMES))
    scenario: Scenario
    arguments: tuple[str, ...]
    when_ready: tuple[tuple[str, ...], ...] = ()

    def told_to_guest(self) -> dict[str, Any]:
        return {
            "arguments": " ".join(self.arguments),
            "settings": dict(self.scenario.settings),
            "when_ready": [[deed for deed in deeds if deed != OF_ITSELF] for deeds in self.when_ready],
        }


@attrs.define
class _Draft:
    """A life as it is drawn: what the fixture is told stands beside what that is in a simulation."""

    name: str
    arguments: list[str]
    steps: list[Step]
    end: Exit = attrs.Factory(Exit)
    temper: Mapping[str, Any] = attrs.Factory(dict)
    settings: dict[str, Value] = attrs.Factory(dict)
    when_ready: list[tuple[str, ...]] = attrs.Factory(list)

    def deaf(self) -> None:
        self.arguments.append("--ignore-signals")
        self.temper = DEAF

    def finished(self) -> Life | None:
        """With what happens to it at the moments at which the simulation says it is ready. None: it is too close."""
        program = Program(tuple(self.steps), self.end, **self.temper)
        scenario = Scenario(
            ready="boot", program=program, settings={**PATIENT, **self.settings}, patience=_LONG
        )  # fmt: skip
        for number, deeds in enumerate(self.when_ready):
            soon = attrs.evolve(scenario, patience=_READY_BY)
            ready = [move.at for move in Moves.of(run(soon).records) if move.to == "running"]
            if len(ready) <= number:
                return None
            moments = [ready[number] + SOON * (1 + later) for later in range(len(deeds))]
            befalls = [self._befalls(deed, at) for deed, at in zip(deeds, moments, strict=True)]
            scenario = attrs.evolve(scenario, outside=(*scenario.outside, *(one for one in befalls if one is not None)))
        return Life(self.name, scenario, tuple(self.arguments), tuple(self.when_ready))

    def _befalls(self, deed: str, at: float) -> Happening | None:
        match deed:
            case "hurry":
                # Of an exit, which the program itself has.
                return Eject(at, ERROR) if "--error-after" in " ".join(self.arguments) else None
            case "interrupt":
                return Interrupt(at)
            case _ if deed == OF_ITSELF:
                return Eject(at + STALLED, STALL)
            case "sysrq":
                return Eject(at, SYSRQ)
            case _:
                return Kill(at, deed)


_ENDS = st.sampled_from(
    [("", Exit())]
    + [(f"--exit-code {code}", Exit(code)) for code in (1, 3, 143, 255)]
    + [(f"--exit-signal {number}", Exit(signal=number)) for number in (6, 9, 11, 15)]
)
_MANNERS = st.sampled_from([(), (), (), ("--garbage",), ("--close-stdio",), ("--flood 200000",)])


_UNPROVEN = ("dies early", "dies early", "is refused by the verifier", "fails init", "never attaches", "daemonises")


@st.composite
def _unproven(draw: st.DrawFn) -> _Draft:
    """One that never gets there."""
    kind = draw(st.sampled_from(_UNPROVEN))
    if kind == "dies early":
        after, code = draw(st.sampled_from((0, 50, 400))), draw(st.sampled_from((0, 1, 7, 143)))
        return _Draft(kind, [f"--die-before-attach {after}:{code}"], [Sleep(after / 1000)], Exit(code))
    if kind == "is refused by the verifier":
        return _Draft(kind, ["--bad-program"], [Attach(verify=LOAD, refused="EACCES")], Exit(1))
    if kind == "fails init":
        name, number = draw(st.sampled_from((("EINVAL", 22), ("ENOMEM", 12), ("EPERM", 1))))
        draft = _Draft(kind, [f"--fail-init {number} --linger"], [Attach(verify=LOAD, fails=name), Sleep(None)])
    elif kind == "never attaches":
        draft = _Draft(kind, [f"--attach-after {NEVER}"], [Sleep(None)])
        # One of the two is far away: how often it makes progress depends on the machine.
        timeout, at_most = draw(st.sampled_from(((0.1, PATIENCE), (0.4, PATIENCE), (PATIENCE, 0.4))))
        draft.settings = {
            "liveness": draw(st.sampled_from((0.0, 0.2, 0.5))),
            "attach_timeout": timeout,
            "attach_at_most": at_most,
        }
    else:
        text, end = draw(_ENDS)
        child = Program((Attach(verify=LOAD), Serve(LOOK)))
        draft = _Draft(kind, [f"--daemonise --attach-after {NEVER}", text], [Fork(child, session=True)], end)
    if draw(st.booleans()):
        draft.deaf()
    return draft


@st.composite
def _proven(draw: st.DrawFn) -> _Draft:
    """One that gets there, sooner or later, and what becomes of it then."""
    attach = Attach(verify=LOAD)
    arguments: list[str] = []
    before: list[Step] = []
    settings: dict[str, Value] = {}
    hesitation = draw(st.sampled_from(("", "", "before", "in init", "window", "no window")))
    if hesitation == "before":
        after = draw(st.sampled_from((50, 400)))
        arguments.append(f"--attach-after {after}")
        before, attach = [Work(LOAD), Sleep(after / 1000)], attrs.evolve(attach, verify=0.0)
    elif hesitation == "in init":
        takes = draw(st.sampled_from((100, 700)))
        arguments.append(f"--slow-init {takes}")
        attach = attrs.evolve(attach, init=takes / 1000)
    elif hesitation == "window":
        settings = {"early_ready": False, "liveness": draw(st.sampled_from((0.2, 1.0)))}
    elif hesitation == "no window":
        settings = {"liveness": 0.0}
    if draw(st.sampled_from(range(4))) == 0:
        arguments.append("--slow-exit 200")
        attach = attrs.evolve(attach, end=0.2)
    name = draw(st.sampled_from(("fault", "fault", "a", "well_behaved_1.0")))
    if name != "fault":
        arguments.append(f"--name {name}")
        attach = attrs.evolve(attach, name=name)
    text, end = draw(_ENDS)
    arguments.append(text)
    draft = _Draft("", arguments, [*before, attach], end, settings=settings)
    draw(st.sampled_from(_FATES))(draw, draft, attach)
    return draft


def _partial(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    """Only where nobody throws it out: an error or a stall takes tasks that it has."""
    if draw(st.booleans()):
        draft.arguments.append("--partial")
        draft.steps[draft.steps.index(attach)] = attrs.evolve(attach, partial=True)


def _stopped(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    draft.name = "is stopped"
    draft.settings["run_for"] = draw(st.sampled_from((0.0, 0.2, 0.6)))
    draft.settings["stop_signal"] = draw(st.sampled_from(("SIGINT", "SIGTERM")))
    draft.steps.append(Serve(LOOK))
    _partial(draw, draft, attach)
    if draw(st.booleans()):
        draft.name = "is stopped and deaf"
        draft.settings["stop_grace"] = draw(st.sampled_from((0.1, 0.5)))
        draft.deaf()


def _interrupted(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    draft.name = "is interrupted"
    draft.steps.append(Serve(LOOK))
    draft.when_ready = [("interrupt",)]
    _partial(draw, draft, attach)
    match draw(st.sampled_from(("", "twice", "stopped", "grace"))):
        case "twice":
            draft.name = "is interrupted twice and deaf"
            draft.when_ready = [("interrupt", "interrupt")]
            draft.deaf()
        case "stopped":
            draft.name = "was stopped and is interrupted"
            draft.when_ready = [("SIGSTOP", "interrupt")]
        case "grace":
            draft.name = "is interrupted and deaf"
            draft.settings["stop_grace"] = 0.3
            draft.deaf()


def _exits(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    draft.name = "exits"
    _partial(draw, draft, attach)
    if draw(st.booleans()):
        after = draw(st.sampled_from((1500, 2500)))
        draft.arguments.append(f"--exit-after {after}")
        draft.steps.append(Sleep(after / 1000))
    else:
        draft.arguments.append(f"--exit-after {NEVER}")
        draft.when_ready = [("hurry",)]
        draft.steps.append(Sleep(SOON))
    holder = draw(st.sampled_from(("", "", "--fork-holder", "--fork-holder=session")))
    if holder:
        draft.name = "leaves a holder"
        draft.arguments.append(holder)
        draft.steps.append(Fork(Program((Serve(LOOK),)), session=holder.endswith("session")))


def _killed(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    draft.name = "is killed by somebody"
    draft.steps.append(Serve(LOOK))
    draft.when_ready = [(draw(st.sampled_from(("SIGKILL", "SIGSEGV", "SIGTERM", "SIGINT", "SIGHUP"))),)]
    _partial(draw, draft, attach)


def _ejected(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    draft.name = "is thrown out"
    if draw(st.booleans()):
        draft.arguments.append(f"--error-after {NEVER}")
        draft.when_ready = [("hurry",)]
    else:
        draft.when_ready = [("sysrq",)]
    if draw(st.booleans()):
        draft.name = "is thrown out and lingers"
        draft.arguments.append("--linger")
        draft.settings["reattach_grace"] = draw(st.sampled_from((0.1, 0.5)))
        # Its loop does not look for an ejection any more.
        draft.steps.append(Serve(_LONG))
        if draw(st.booleans()):
            draft.settings["stop_grace"] = 0.2
            draft.deaf()
    else:
        draft.steps.append(Serve(LOOK))


def _stalls(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    draft.name = "stalls"
    draft.arguments.append("--stall --timeout-ms 1000")
    draft.steps.append(Serve(LOOK))
    draft.when_ready = [(OF_ITSELF,)]


def _comes_back(draw: st.DrawFn, draft: _Draft, attach: Attach) -> None:
    draft.name = "comes back"
    times = draw(st.sampled_from((1, 2)))
    draft.arguments.append(f"--reattach {times} --preload {times} --error-after {NEVER}:1-{times}")
    draft.steps += [Serve(LOOK), *[attrs.evolve(attach, verify=0.0), Serve(LOOK)] * times]
    draft.when_ready = [*[("hurry",)] * times, ("interrupt",)]


_FATES = (_stopped, _stopped, _interrupted, _interrupted, _interrupted, _exits, _exits, _killed, _killed,
          _ejected, _ejected, _comes_back, _comes_back, _stalls)  # fmt: skip


@st.composite
def lives(draw: st.DrawFn) -> Life | None:
    draft = draw(draw(st.sampled_from((_unproven(), _proven(), _proven(), _proven()))))
    draft.arguments += draw(_MANNERS)
    life = draft.finished()
    return life if life is not None and _is_firm(life) else None


def _is_firm(life: Life) -> bool:
    done = run(life.scenario)
    if done.outcome is None or done.seconds > _LONG / 2:
        return False
    way = (Moves.of(done.records), done.outcome.name, done.outcome.exit)
    for seed in (1, 2, 3):
        other = run(attrs.evolve(life.scenario, seed=seed))
        if other.outcome is None or way != (Moves.of(other.records), other.outcome.name, other.outcome.exit):
            return False
    assert violations(done) == []
    return True


def hundred() -> list[Life]:
    """The same for ever, and of no kind more than some."""
    return drawn(lives(), COUNT, SEED, kind=lambda life: life.name, most=MOST_ALIKE)

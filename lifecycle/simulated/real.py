"""The part of a scenario that plain processes can play, on the kernel that we run on, under the production code.

The program becomes a shell script, its files lie in a folder of our own, and what befalls it from outside comes from a
thread at the same moments as in the simulation.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote

import attrs

from scxlife.fsm.tape import Tape
from scxlife.lifecycle.outcomes import Outcome
from scxlife.lifecycle.plan import Plan, scheduler_environment
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sim.outside import Happening, Interrupt, Kill, RemoveFile, TouchFile
from scxlife.platform.sim.program import Program

from .run import READY_FILE
from .scenario import Scenario, definition_of, kind_of
from .script import obstacles, script

Record = Mapping[str, Any]

SHELL = "/bin/sh"
_ALSO_REAL = (Interrupt, Kill, TouchFile, RemoveFile)
# What the lifecycle listens to. Any other signal would end us.
_HEARD = ("SIGINT", "SIGTERM", "SIGHUP")
_EXEC = Program()
_MACHINE = ("pids", "eager_reuse", "descriptors")


class CantPlay(ValueError):
    """Nothing of it can be played for real; `reasons` are words, one for each thing that stands in the way."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


def process_part(scenario: Scenario) -> tuple[Scenario, list[str]]:
    """The scenario without what only a simulated machine can do, and what that was, in words. Raises CantPlay."""
    if found := [*_obstacles(scenario)]:
        raise CantPlay(found)
    left_out = [f"fault {_words(fault)}" for fault in scenario.faults]
    left_out += [f"outside {_words(one)}" for one in scenario.outside if not isinstance(one, _ALSO_REAL)]
    usual = Scenario()
    left_out += [
        f"{name} {getattr(scenario, name)}" for name in _MACHINE if getattr(scenario, name) != getattr(usual, name)
    ]
    for name, program in (("program", scenario.program), ("payload", scenario.payload)):
        if program is not None and program.exec_takes != _EXEC.exec_takes:
            left_out.append(f"{name}.exec_takes {program.exec_takes}")
    part = attrs.evolve(
        scenario,
        program=_executed(scenario.program),
        payload=_executed(scenario.payload),
        faults=(),
        outside=tuple(one for one in scenario.outside if isinstance(one, _ALSO_REAL)),
        pids=usual.pids,
        eager_reuse=usual.eager_reuse,
        descriptors=usual.descriptors,
    )
    return part, left_out


def _executed(program: Program | None) -> Program | None:
    """An exec takes as long as it takes."""
    return None if program is None else attrs.evolve(program, exec_takes=_EXEC.exec_takes)


def _obstacles(scenario: Scenario) -> Iterator[str]:
    if scenario.ready not in ("file", "none"):
        yield f"ready: {scenario.ready}, and only a scheduler is ready so; a plain process has file or none"
    for name, program in (("program", scenario.program), ("payload", scenario.payload)):
        if program is not None:
            yield from obstacles(program, name)
    for number, happening in enumerate(scenario.outside):
        if isinstance(happening, Interrupt) and happening.signal not in _HEARD:
            yield f"outside[{number}]: {happening.signal} would end scxlife itself"


def _words(thing: Any) -> str:
    """`fails: call poll, errno ENOMEM`: what is at its default is not said, as in a scenario file."""
    fields = [field for field in attrs.fields(type(thing)) if getattr(thing, field.name) != field.default]
    return f"{kind_of(type(thing))}: {', '.join(f'{field.name} {getattr(thing, field.name)}' for field in fields)}"


def play(part: Scenario, folder: Path, observe: Callable[[Record], object] = lambda record: None) -> Outcome:
    """Play it in `folder`, and tell each record as it comes. The end is asked for when its patience is over. Raises
    KeyboardInterrupt, when all is gone, where somebody has asked for it besides."""

    def place(path: str) -> Path:
        return folder / f"at{quote(path, safe='')}"

    kernel, definition = LinuxKernel(), definition_of(part)
    with ExitStack() as stack:
        payload: tuple[str, ...] = ()
        output = stack.enter_context((folder / "payload.log").open("wb"))
        if part.payload is not None:
            payload = (SHELL, _written(part.payload, folder / "payload", place))
        program = part.program
        plan = Plan(
            command=SHELL if program is not None else str(folder / "missing"),
            arguments=() if program is None else (_written(program, folder / "program", place),),
            environment=scheduler_environment(os.environ),
            log_path=str(folder / "log"),
            ready_file=str(place(READY_FILE)) if part.ready == "file" else None,
            payload=payload,
            payload_environment=dict(os.environ),
            payload_output=output.fileno(),
        )
        outside = _Outside([*part.outside, Interrupt(part.patience)], place)
        stack.callback(outside.close)
        tape = Tape(definition, kernel.monotonic, lambda line: None)

        def watch(record: Record) -> None:
            tape(record)
            outside.see(record, ours)
            observe(record)

        if part.ignores_children:
            stack.enter_context(_children_ignored())
        ours = Supervision(kernel, definition, plan, observer=watch)
        outcome = ours.run()
        if outside.interrupted:
            raise KeyboardInterrupt
        return outcome


def _written(program: Program, path: Path, place: Callable[[str], Path]) -> str:
    path.write_text(script(program, place))
    return str(path)


@contextmanager
def _children_ignored() -> Iterator[None]:
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, former)


class _Outside:
    """What befalls the run, each at its time: from the first step, when signals are heard, to the end, after which
    nothing happens any more. It has a pidfd of its own: the supervision closes its own when it likes."""

    def __init__(self, happenings: Sequence[Happening], place: Callable[[str], Path]) -> None:
        self._happenings = sorted(happenings, key=lambda happening: happening.at)
        self._place = place
        self._over = threading.Event()
        # Held while something happens, so that it does not happen behind the end.
        self._turn = threading.Lock()
        self._pidfd: int | None = None
        self._asked = self._heard = 0
        self._thread = threading.Thread(target=self._run)

    def see(self, record: Record, ours: Supervision) -> None:
        if record["kind"] == "end":
            self._end()
        if record["kind"] != "step":
            return
        self._heard += record["event"] == "interrupt"
        if self._thread.ident is None:
            self._thread.start()
        child = ours.process.child
        if self._pidfd is None and child is not None and child.pidfd is not None:
            self._pidfd = os.dup(child.pidfd)

    @property
    def interrupted(self) -> bool:
        """Whether more has been heard than comes from here."""
        return self._heard > self._asked

    def close(self) -> None:
        self._end()
        if self._thread.ident is not None:
            self._thread.join()
        if self._pidfd is not None:
            os.close(self._pidfd)

    def _end(self) -> None:
        with self._turn:
            self._over.set()

    def _run(self) -> None:
        began = monotonic()
        for happening in self._happenings:
            self._over.wait(max(0.0, began + happening.at - monotonic()))
            with self._turn:
                if self._over.is_set():
                    return
                self._happen(happening)

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Interrupt():
                self._asked += 1
                os.kill(os.getpid(), signal.Signals[happening.signal])
            case Kill():
                if self._pidfd is not None:
                    with suppress(ProcessLookupError):
                        signal.pidfd_send_signal(self._pidfd, signal.Signals[happening.signal])
            case TouchFile():
                self._place(happening.path).touch()
            case RemoveFile():
                self._place(happening.path).unlink(missing_ok=True)

"""How a process runs its program, step by step."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scxlife.platform.kernel import ExitStatus

from .clock import nanoseconds
from .processes import Process
from .program import (
    Attach,
    Detach,
    Exit,
    Fork,
    Hang,
    Program,
    Remove,
    Serve,
    Sleep,
    Step,
    Stop,
    Touch,
    Work,
    Write,
)
from .struct_ops import Link
from .threads import Code

if TYPE_CHECKING:
    from .machine import Machine


def numbers(names: tuple[str, ...]) -> frozenset[int]:
    return frozenset(signal.Signals[name] for name in names)


def live(machine: Machine, process: Process, program: Program) -> Code[None]:
    """The whole of it, up to the exit."""
    process.catches = numbers(program.catches)
    process.ignores = numbers(program.ignores)
    end = program.end
    try:
        for step in program.steps:
            yield from _take(machine, process, step)
            if process.asked_to_end and isinstance(step, Serve):
                break
    except _Ends as early:
        end = early.exit
    yield from process.exit(ExitStatus(code=end.code if end.signal is None else None, signal=end.signal))


class _Ends(Exception):
    """A step leads to the exit."""

    def __init__(self, exit: Exit) -> None:
        self.exit = exit


def _take(machine: Machine, process: Process, step: Step) -> Code[None]:
    match step:
        case Sleep():
            yield from _sleep(machine, step.seconds)
        case Work():
            process.working_since = machine.clock.now
            yield from _sleep(machine, step.seconds)
            process.worked, process.working_since = process.kernel_time, None
        case Write():
            yield from _write(machine, process, step)
        case Attach():
            yield from _attach(machine, process, step)
        case Serve():
            yield from _serve(machine, process, step)
        case Detach():
            yield from _uninterrupted(process, _detach(process))
        case Touch():
            machine.touch(step.path)
            yield machine.processes.latency()
        case Remove():
            machine.remove(step.path)
            yield machine.processes.latency()
        case Fork():
            yield machine.processes.latency()
            machine.fork(process, step.program, session=step.session)
        case Hang():
            yield from _uninterrupted(process, _sleep(machine, step.seconds))
        case Stop():
            process.signal(signal.SIGSTOP)
            yield 0
        case Exit():
            raise _Ends(step)


def _uninterrupted(process: Process, code: Code[None]) -> Code[None]:
    process.uninterruptible = True
    yield from code
    process.uninterruptible = False
    # Here whoever was killed meanwhile dies.
    yield 0


def _sleep(machine: Machine, seconds: float | None) -> Code[None]:
    if seconds is None:
        while True:
            yield None
    until = machine.clock.now + nanoseconds(seconds)
    while machine.clock.now < until:
        yield until - machine.clock.now


def _write(machine: Machine, process: Process, step: Write) -> Code[None]:
    yield machine.processes.latency()
    if process.output is None:
        return
    text = step.text.encode("utf-8", "surrogateescape")
    size = len(text) if step.size is None else step.size
    try:
        process.output.write((text * (size // max(1, len(text)) + 1))[:size])
    except OSError:
        # Most programs never look: the words are lost.
        return


def _attach(machine: Machine, process: Process, step: Attach) -> Code[None]:
    # What was thrown out is closed before the next is opened.
    yield from _uninterrupted(process, _detach(process, dead_only=True))
    opened_at_hotplug = machine.sched_ext.hotplug_seq
    yield from _take(machine, process, Work(step.verify))
    yield from _uninterrupted(process, _register(machine, process, step, opened_at_hotplug))


def _register(machine: Machine, process: Process, step: Attach, opened_at_hotplug: int) -> Code[None]:
    made = yield from machine.sched_ext.enable(process, step, opened_at_hotplug)
    if not isinstance(made, Link):
        raise _Ends(Exit(code=1))
    if step.pin is not None:
        machine.sched_ext.pins[step.pin] = made
        made.holders += 1
    made.hold(process)
    if step.closed:
        yield from _detach(process)


def _detach(process: Process, *, dead_only: bool = False) -> Code[None]:
    for fd, link in list(process.links.items()):
        if not dead_only or link.instance.claimed is not None:
            del process.links[fd]
            yield from link.drop(process)


def _serve(machine: Machine, process: Process, step: Serve) -> Code[None]:
    """sleep(1) and UEI_EXITED, as the kernel's example schedulers do."""
    while not process.asked_to_end:
        if any(link.instance.claimed is not None for link in process.links.values()):
            return
        until = machine.clock.now + nanoseconds(step.poll)
        while machine.clock.now < until and not process.asked_to_end:
            yield until - machine.clock.now

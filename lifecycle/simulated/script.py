"""A simulated program as a shell script, for a real kernel: the same steps, in real time.

What a shell can't do is not translated: attach a scheduler, hang in the kernel, work for the verifier.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from scxlife.platform.sim.program import Exit, Fork, Program, Remove, Serve, Sleep, Step, Stop, Touch, Write

#: The real file for a simulated one.
Place = Callable[[str], Path]

_FOREVER = 1_000_000
_PLAYED = (Sleep, Serve, Write, Touch, Remove, Stop, Exit, Fork)
_LARGEST_CODE = 255
# A process that sends itself one of these lives on.
_HARMLESS = {
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGURG,
    signal.SIGWINCH,
}
# The shell has no way to catch or to ignore these.
_UNTOUCHABLE = {"SIGKILL", "SIGSTOP"}

# A shell sleeps by way of a child, of which a simulated program has none. So the child is as deaf as the program, and
# has ended when the program does; in the background a shell would have it ignore SIGINT and SIGQUIT. A signal that is
# caught interrupts `wait`, not what is waited for.
_FUNCTIONS = """\
asked=
rest() {{ while kill -0 $n 2>/dev/null; do wait $n 2>/dev/null; done; }}
deaf_sleep() {{ exec env --default-signal=INT,QUIT {deaf}sleep "$1"; }}
nap() {{ deaf_sleep "$1" & n=$!; rest; }}
serve() {{ while [ -z "$asked" ]; do deaf_sleep 0.1 & n=$!; wait $n 2>/dev/null; done; rest; }}
"""


def obstacles(program: Program, where: str) -> Iterator[str]:
    """What of it no shell can do, in words; `where` names the program."""
    if program.exec_errno is not None:
        yield f"{where}: an exec that fails with {program.exec_errno}"
    for name in sorted(_UNTOUCHABLE.intersection((*program.catches, *program.ignores))):
        yield f"{where}: {name} can't be caught or ignored"
    for number, step in enumerate(program.steps):
        place = f"{where}.steps[{number}]"
        if isinstance(step, Fork):
            yield from obstacles(step.program, f"{place}.program")
        elif isinstance(step, Exit):
            yield from _bad_end(step, place)
        elif not isinstance(step, _PLAYED):
            yield f"{place}: {type(step).__name__.lower()}"
    yield from _bad_end(program.end, f"{where}.end")


def _bad_end(end: Exit, where: str) -> Iterator[str]:
    if end.signal is None and not 0 <= end.code <= _LARGEST_CODE:
        yield f"{where}: no process has the status {end.code}"
    if end.signal is not None and (end.signal not in signal.valid_signals() or end.signal in _HARMLESS):
        yield f"{where}: nobody dies of signal {end.signal}"


def script(program: Program, place: Place) -> str:
    """The whole of it."""
    heard = (*program.ignores, *program.catches)
    lines = ["#!/bin/sh", _FUNCTIONS.format(deaf=f"--ignore-signal={','.join(_bare(heard))} " if heard else "")]
    if program.ignores:
        lines.append(f"trap '' {_numbers(program.ignores)}")
    if program.catches:
        lines.append(f"trap 'asked=1' {_numbers(program.catches)}")
    for step in program.steps:
        lines += _lines(step, place)
        if isinstance(step, Serve):
            lines.append(f'[ -z "$asked" ] || {{ {_end(program.end)}; }}')
    return "\n".join([*lines, _end(program.end), ""])


def _bare(names: Iterable[str]) -> Iterator[str]:
    """`TERM` for `SIGTERM`, as env(1) wants it."""
    return (name.removeprefix("SIG") for name in names)


def _numbers(names: Iterable[str]) -> str:
    return " ".join(str(signal.Signals[name].value) for name in names)


def _end(end: Exit) -> str:
    return f"exit {end.code}" if end.signal is None else f"trap - {end.signal}; kill -{end.signal} $$"


def _lines(step: Step, place: Place) -> Iterator[str]:
    match step:
        case Sleep():
            yield f"nap {_FOREVER if step.seconds is None else step.seconds}"
        case Serve():
            yield "serve"
        case Write():
            yield _write(step)
        case Touch():
            yield f": >{shlex.quote(str(place(step.path)))}"
        case Remove():
            yield f"rm -f {shlex.quote(str(place(step.path)))}"
        case Stop():
            yield "kill -STOP $$"
        case Exit():
            yield _end(step)
        case Fork():
            inner = shlex.quote(script(step.program, place))
            yield f"{'setsid ' if step.session else ''}sh -c {inner} &"
        case _:
            raise ValueError(f"a shell can't do that: {step}")


def _write(step: Write) -> str:
    """The bytes as octal numbers: they may be any."""
    text = step.text.encode("utf-8", "surrogateescape")
    if not text:
        return ":"
    once = "printf '" + "".join(f"\\{byte:03o}" for byte in text) + "'"
    return once if step.size is None else f"while {once}; do :; done 2>/dev/null | head -c {step.size}"

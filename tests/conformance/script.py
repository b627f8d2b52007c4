"""A simulated program as a shell script, for a real kernel: the same steps, in real time.

What a shell can't do (attach a scheduler, hang in the kernel, work for the verifier) is not translated.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from scxlife.platform.sim.program import Exit, Fork, Program, Remove, Serve, Sleep, Step, Stop, Touch, Write

_FOREVER = 1_000_000

# A signal that is caught interrupts `wait`, not what is waited for.
_FUNCTIONS = """\
asked=
nap() { sleep "$1" & n=$!; while kill -0 $n 2>/dev/null; do wait $n; done; }
serve() { while [ -z "$asked" ]; do sleep "$1" & wait $!; done; }
"""


def script(program: Program, places: dict[str, Path]) -> str:
    """The whole of it. `places` has the real file for each simulated one."""
    lines = ["#!/bin/sh", _FUNCTIONS]
    if program.ignores:
        lines.append(f"trap '' {_numbers(program.ignores)}")
    if program.catches:
        lines.append(f"trap 'asked=1' {_numbers(program.catches)}")
    for step in program.steps:
        lines += _lines(step, places)
        if isinstance(step, Serve):
            lines.append(f'[ -z "$asked" ] || {{ {_end(program.end)}; }}')
    return "\n".join([*lines, _end(program.end), ""])


def _numbers(names: tuple[str, ...]) -> str:
    return " ".join(name.removeprefix("SIG") for name in names)


def _end(end: Exit) -> str:
    return f"exit {end.code}" if end.signal is None else f"trap - {end.signal}; kill -{end.signal} $$"


def _lines(step: Step, places: dict[str, Path]) -> Iterator[str]:
    match step:
        case Sleep():
            yield f"nap {_FOREVER if step.seconds is None else step.seconds}"
        case Serve():
            yield f"serve {step.poll}"
        case Write():
            yield f"printf %s {shlex.quote(step.text)}"
        case Touch():
            yield f": >{shlex.quote(str(places[step.path]))}"
        case Remove():
            yield f"rm -f {shlex.quote(str(places[step.path]))}"
        case Stop():
            yield "kill -STOP $$"
        case Exit():
            yield _end(step)
        case Fork():
            inner = shlex.quote(script(step.program, places))
            yield f"{'setsid ' if step.session else ''}sh -c {inner} &"
        case _:
            raise ValueError(f"a shell can't do that: {step}")

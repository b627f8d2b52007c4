"""What a process does with its life, as data: one step after the other, in virtual time.

A step takes a process from one moment to another; signals, an ejection or the end of its time may cut it short. All
durations are seconds.
"""

from __future__ import annotations

import attrs

from .names import an_errno_or_none, signals


@attrs.frozen
class Sleep:
    """Do nothing. None: for ever."""

    seconds: float | None = None


@attrs.frozen
class Work:
    """Be busy in the kernel, as the BPF verifier is on a loader's behalf. SIGKILL does not wait for the end of it."""

    seconds: float


@attrs.frozen
class Write:
    """Print `size` bytes, made of `text` and its repetitions."""

    text: str = "a line of the log\n"
    size: int | None = None


@attrs.frozen
class Attach:
    """Load and register a struct_ops scheduler, as `bpf_map__attach_struct_ops` does.

    `verify` is spent before the kernel begins to enable it, `init` in ops.init, `tasks` behind that, `end` in ops.exit
    when it is disabled. `fails` names the errno with which ops.init fails: bpf(2) says success all the same. `refused`
    names the errno that bpf(2) itself gives. `pin` is a path in a bpf file system at which the link is kept. With
    `closed` the loader gives its descriptor back at once.
    """

    name: str = "fault"
    verify: float = 0.05
    init: float = 0.01
    tasks: float = 0.005
    end: float = 0.001
    fails: str | None = an_errno_or_none()
    refused: str | None = an_errno_or_none()
    partial: bool = False
    pin: str | None = None
    closed: bool = False


@attrs.frozen
class Serve:
    """A scheduler's main loop: on until somebody asks for the end (then straight to the program's end), or until the
    kernel has thrown the scheduler out, which is looked for each `poll` seconds (then on to the next step)."""

    poll: float = 1.0


@attrs.frozen
class Detach:
    """Close every link that this process holds."""


@attrs.frozen
class Touch:
    """Make or rewrite a file."""

    path: str


@attrs.frozen
class Remove:
    """Unlink a file."""

    path: str


@attrs.frozen
class Fork:
    """A child with a program of its own, and with copies of every link. `session`: setsid(2)."""

    program: Program
    session: bool = False


@attrs.frozen
class Hang:
    """Uninterruptible sleep: not even SIGKILL ends it. None: for ever."""

    seconds: float | None = None


@attrs.frozen
class Stop:
    """SIGSTOP to itself."""


@attrs.frozen
class Exit:
    """exit(2), or death by a signal of its own (abort, a segmentation fault)."""

    code: int = 0
    signal: int | None = None


Step = Sleep | Work | Write | Attach | Serve | Detach | Touch | Remove | Fork | Hang | Stop | Exit


@attrs.frozen
class Program:
    """`steps`, then `end`. Signals in `ignores` do nothing, those in `catches` ask a `Serve` to end (and are remembered
    until there is one), every other one does what its default is.

    `exec_errno` names the errno with which execve(2) refuses it, `exec_takes` how long it needs otherwise.
    `set_user_id`: its file has the set-user-ID bit, so that no parent-death signal comes to it.
    """

    steps: tuple[Step, ...] = ()
    end: Exit = Exit()
    ignores: tuple[str, ...] = signals()
    catches: tuple[str, ...] = signals("SIGINT", "SIGTERM")
    exec_errno: str | None = an_errno_or_none()
    exec_takes: float = 0.002
    set_user_id: bool = False

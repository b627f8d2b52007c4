"""PID 1 that takes one scheduler after the other through the production lifecycle, and tells what each has left.

It judges nothing: a frame for each life says how it ended and what was there afterwards, and the host knows what was
to be expected.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from typing import Any

from inits.base import DEFINITION, reboot
from scxlife import __version__
from scxlife.fsm.definition import Definition
from scxlife.fsm.frozen import thaw
from scxlife.fsm.tape import Tape
from scxlife.lifecycle.init import (
    ENVIRONMENT,
    MOUNTS,
    SCHEDULER,
    SCHEDULER_ARGS,
    SCHEDULER_LOG,
    WANTED_MOUNTS,
)
from scxlife.lifecycle.init_kernel import InitKernel
from scxlife.lifecycle.orders import CONFIG
from scxlife.lifecycle.outcomes import as_json
from scxlife.lifecycle.plan import Plan, scheduler_environment
from scxlife.lifecycle.realtime import take_precedence
from scxlife.lifecycle.standard_descriptors import open_standard_descriptors
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.sched_ext import snapshot
from scxlife.platform.vm import frames
from scxlife.platform.vm.port import GuestPort

#: Seconds in which a process that was killed must be gone. Only one that nobody has killed makes us wait so long.
DYING_S = 1.0
LET_GO_S = 30.0


def main() -> None:
    kernel = InitKernel()
    open_standard_descriptors()
    kernel.keep_signals()
    for fstype, target in (*MOUNTS, *WANTED_MOUNTS):
        kernel.mount(fstype, target, fstype, 0, "")
    with open(CONFIG, "rb") as file:
        config = json.loads(file.read())
    with open(DEFINITION, "rb") as file:
        definition = thaw(file.read())
    if config["sigchld"] == "ignored":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    else:
        kernel.bury_orphans()
    refused = take_precedence(kernel)
    port = GuestPort.open()
    hello = {"release": os.uname().release, "refused": refused, "descriptors": descriptors()}
    port.send(frames.HELLO, json.dumps(hello).encode())
    for life in config["lives"]:
        lines: list[str] = []
        told = live(kernel, definition, life, lines)
        port.send(frames.TAPE, "\n".join(lines).encode("utf-8", "replace")[-frames.MAX_PAYLOAD :])
        port.send(frames.OUTCOME, json.dumps(told).encode("utf-8", "replace"))
    port.send(frames.EXIT, b"{}")
    port.finish(20.0)
    reboot()


def live(kernel: InitKernel, definition: Definition, life: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    with open(SCHEDULER_ARGS, "w") as file:
        file.write(life["arguments"])
    plan = Plan(
        command=SCHEDULER,
        arguments_file=SCHEDULER_ARGS,
        environment=scheduler_environment(ENVIRONMENT),
        log_path=SCHEDULER_LOG,
    )
    deeds = iter(life["when_ready"])

    def announce(name: str, facts: Mapping[str, Any]) -> None:
        if name in ("attached", "reattached"):
            for deed in next(deeds, ()):
                befall(run, deed)

    run = Supervision(
        kernel,
        definition.with_settings(**life["settings"]),
        plan,
        observer=Tape(definition, kernel.monotonic, lines.append),
        announce=announce,
    )
    kernel.owned = run.pids
    began = kernel.monotonic()
    outcome = run.run()
    seconds = kernel.monotonic() - began
    after = snapshot(kernel)
    return {
        "outcome": as_json(outcome, "", __version__),
        "seconds": round(seconds, 3),
        "state": after.state,
        "published": run.pids(),
        "survivors": end_survivors(kernel),
        "children": children(),
        "descriptors": descriptors(),
    }


def befall(run: Supervision, deed: str) -> None:
    """`interrupt`: a SIGINT to the supervisor; `sysrq`: the kernel throws out what it runs; `hurry`: what the scheduler
    waits for happens now. Anything else is a signal that the scheduler gets from somebody else."""
    if deed == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    elif deed == "sysrq":
        with open("/proc/sysrq-trigger", "w") as trigger:
            trigger.write("S")
    else:
        run.process.signal(signal.SIGUSR1 if deed == "hurry" else signal.Signals[deed])


def end_survivors(kernel: InitKernel) -> list[int]:
    """Who is still there that nobody has killed. The next life finds neither them nor what they held."""
    survivors = []
    for pid in children():
        try:
            pidfd = kernel.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if not kernel.poll((pidfd,), DYING_S):
            survivors.append(pid)
            kernel.pidfd_send_signal(pidfd, signal.SIGKILL)
            kernel.poll((pidfd,), LET_GO_S)
        kernel.close(pidfd)
    if survivors:
        until = kernel.monotonic() + LET_GO_S
        while snapshot(kernel).state != "disabled" and kernel.monotonic() < until:
            kernel.poll((), 0.02)
    # Who is dead is buried by whoever waits.
    kernel.poll((), 0.0)
    return survivors


def children() -> list[int]:
    """Of PID 1, zombies too: whoever is left of a scheduler's descendants has one of these above it."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # "pid (name) state ppid …", and the name can hold anything.
                    _, ppid = file.read().rpartition(b")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(ppid) == 1:
                found.append(int(name))
    return found


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))

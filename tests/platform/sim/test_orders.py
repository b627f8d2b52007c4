"""What a reader of sysfs sees of an enable and a disable, kernel by kernel, and the same run on every interpreter."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from scxlife.platform.sim import Machine, SimKernel
from scxlife.platform.sim.clock import MICROSECOND
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import Attach, Program, Serve
from scxlife.platform.sources import inotify, uevent

ROOT = "/sys/kernel/sched_ext"
GONE = "-"


def text(kernel: SimKernel, path: str) -> str:
    try:
        fd = kernel.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return GONE
    try:
        return kernel.read(fd, 4096).decode().strip()
    except OSError:
        return GONE
    finally:
        kernel.close(fd)


def watched(name: str, program: Program, signal: int | None = None) -> list[tuple[str, str]]:
    """All that `state` and `root/ops` said, one after the other, while a program lived."""
    return [now for now, _ in itertools.groupby(looks(name, program, signal))]


def looks(name: str, program: Program, signal: int | None = None) -> list[tuple[str, str]]:
    """What they said, look by look, some 40 µs apart."""
    machine = Machine(PROFILES[name], seed=4)
    machine.install("/bin/scheduler", program)
    kernel = SimKernel(machine)
    pid = kernel.spawn("/bin/scheduler", ("scheduler",), {}, stdin=0, stdout=1, stderr=2)
    seen: list[tuple[str, str]] = []
    for number in range(4000):
        seen.append((text(kernel, f"{ROOT}/state"), text(kernel, f"{ROOT}/root/ops")))
        if number == 2500 and signal is not None:
            kernel.pidfd_send_signal(kernel.pidfd_open(pid), signal)
        machine.clock.advance(machine.clock.now + 20 * MICROSECOND)
    return seen


ATTACH = Attach(verify=0.001, init=0.005, tasks=0.002, end=0.002)
BEFORE = {
    "6.12": [("disabled", "-"), ("disabled", ""), ("disabled", "fault"), ("enabling", "fault")],
    "6.17": [("disabled", "-"), ("disabled", ""), ("disabled", "fault"), ("enabling", "fault")],
    "7.2": [("disabled", "-"), ("enabling", "-"), ("enabling", ""), ("enabling", "fault")],
    "7.3": [("disabled", "-"), ("enabling", "-"), ("enabling", ""), ("enabling", "fault")],
}


@pytest.mark.parametrize("name", BEFORE)
def test_F1_A2_the_name_is_there_before_anything_runs_in_the_order_of_each_version(name: str) -> None:
    seen = watched(name, Program((ATTACH, Serve())))
    # What lasts less than the reader takes may be missed: nothing may be out of its order.
    rest = iter([*BEFORE[name], ("enabled", "fault")])
    assert all(now in rest for now in seen)
    assert seen[-1] == ("enabled", "fault")


def test_F1_only_7_3_runs_ops_init_before_there_is_a_name() -> None:
    slow = Program((Attach(verify=0.001, init=0.05, tasks=0.002), Serve()))
    enabling = {name: [ops for state, ops in looks(name, slow) if state == "enabling"] for name in BEFORE}
    assert {name: max(set(seen), key=seen.count) for name, seen in enabling.items()} == {
        "6.12": "fault",
        "6.17": "fault",
        "7.2": "fault",
        "7.3": GONE,
    }


@pytest.mark.parametrize("name", BEFORE)
def test_A3_F2_a_failed_enable_ends_disabled_and_was_never_enabled(name: str) -> None:
    failing = Attach(verify=0.001, init=0.005, fails="EINVAL", end=0.002)
    states = [state for state, _ in watched(name, Program((failing, Serve())))]
    assert "enabled" not in states
    assert states[-2:] == ["disabling", "disabled"]


@pytest.mark.parametrize("name", BEFORE)
def test_B4_the_attribute_goes_before_the_folder_and_the_folder_before_the_state(name: str) -> None:
    seen = watched(name, Program((ATTACH, Serve())), signal=15)
    behind = seen[seen.index(("enabled", "fault")) + 1 :]
    rest = iter([("disabling", "fault"), ("disabling", "-"), ("disabled", "-")])
    assert all(now in rest for now in behind)
    assert behind[-1] == ("disabled", "-")


def test_F5_the_add_uevent_comes_before_the_counter_and_only_for_what_was_enabled() -> None:
    for attach, expected in ((ATTACH, ["add"]), (Attach(verify=0.001, fails="EINVAL"), [])):
        machine = Machine(PROFILES["7.2"], seed=2)
        machine.install("/bin/scheduler", Program((attach, Serve())))
        kernel = SimKernel(machine)
        socket = kernel.uevent_socket()
        kernel.spawn("/bin/scheduler", ("scheduler",), {}, stdin=0, stdout=1, stderr=2)
        told, counter = [], []
        for _ in range(4000):
            datagram = kernel.uevent_receive(socket)
            if datagram is not None:
                told.append(uevent.parse(datagram).action)
                counter.append(machine.sched_ext.enable_seq)
            machine.clock.advance(machine.clock.now + 10 * MICROSECOND)
        assert (told, counter) == (expected, [0] * len(expected))


def test_F3_inotify_never_hears_of_what_the_kernel_makes_in_sysfs() -> None:
    machine = Machine(PROFILES["7.2"], seed=2)
    machine.install("/bin/scheduler", Program((ATTACH, Serve())))
    kernel = SimKernel(machine)
    queue = kernel.inotify_init()
    kernel.inotify_add_watch(queue, ROOT, inotify.IN_CREATE | inotify.IN_DELETE)
    kernel.spawn("/bin/scheduler", ("scheduler",), {}, stdin=0, stdout=1, stderr=2)
    assert kernel.poll((queue,), 1.0) == []
    assert text(kernel, f"{ROOT}/root/ops") == "fault"


TAPE = """
import hashlib, sys
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse
text = open(sys.argv[1]).read()
for seed in range(20):
    print(hashlib.sha256("\\n".join(run(parse(text + f"seed: {seed}\\n")).lines).encode()).hexdigest())
"""
SCENARIO = """
program:
  steps: [{do: fork, program: {steps: [{do: sleep}]}}, {do: attach, init: 0.2}, {do: serve}, {do: attach}, {do: serve}]
outside: [{what: eject, at: 2.0}, {what: noise, at: 2.1, count: 5}]
faults: [{what: fails, call: read, errno: EIO, chance: 0.01}]
"""


def test_the_same_scenario_gives_the_same_tape_whatever_the_hash_seed(tmp_path: object) -> None:
    path = f"{tmp_path}/scenario.yaml"
    with open(path, "w") as file:  # noqa: PTH123
        file.write(SCENARIO)
    tapes = [
        subprocess.run(
            [sys.executable, "-c", TAPE, path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("0", "1")
    ]
    assert tapes[0] == tapes[1]
    assert len(set(tapes[0].split())) == 20

"""`--topology`: what the guest's kernel shows is what was asked for, and a difference is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.vm.scripts import SOUND, hello, install

from scxlife.lifecycle.guest_run import run_in_guest
from scxlife.platform.vm.accel import Accel
from scxlife.platform.vm.guest import GuestSpec
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.topology import PRESETS, Topology, parse

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run"]
LIMIT = 700


def vm(kernel: Kernel, *words: str) -> dict[str, Any]:
    """The JSON of a run of the kernel's own scheduler."""
    common = ["--kernel", kernel.version, "--no-scheduler", "--timeout", "600s", "--json"]
    done = subprocess.run([*SCXLIFE, *common, *words, "--", "true"], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.guest
@pytest.mark.parametrize("asked", [*PRESETS, "1,1,1,1", "1,3,2,1", "3,1,1,2"])
def test_the_guest_shows_the_topology_that_was_asked_for(each_kernel: Kernel, asked: str) -> None:
    outcome = vm(each_kernel, "--topology", asked)
    assert outcome["topology"] == parse(asked).groups()
    assert not [each for each in outcome["degraded"] if "not as asked" in each]


@pytest.mark.guest
def test_without_topology_each_cpu_is_a_core_of_one_node(small_kernel: Kernel) -> None:
    found = vm(small_kernel, "--cpus", "3")["topology"]
    assert (found["nodes"], found["cores"]) == (["0-2"], ["0", "1", "2"])


def shows(tmp_path: Path, **more: Any) -> tuple[str, ...]:
    """What is degraded where a guest that was asked for two nodes says `more` in its hello."""
    fake, script = install(tmp_path)
    script.write_text(json.dumps([hello(**more), *SOUND[1:]]))
    spec = GuestSpec(tmp_path / "vmlinuz", tmp_path / "initrd", Accel("tcg", ""), fake, timeout=60.0)
    spec = attrs.evolve(spec, cpus=2, topology=Topology(2, 1, 1, 1))
    attempt = run_in_guest(spec, lambda line: None, cold=True)
    assert attempt.outcome is not None
    assert attempt.outcome.degraded == attempt.degraded
    return attempt.degraded


def test_a_guest_that_shows_another_topology_is_degraded(tmp_path: Path) -> None:
    (words,) = shows(tmp_path, topology={"nodes": ["0-1"], "llcs": ["0-1"], "cores": ["0", "1"]})
    assert words == "the guest's CPUs are not as asked: nodes: 0-1 instead of 0 1"


def test_a_guest_that_shows_no_topology_is_degraded(tmp_path: Path) -> None:
    (words,) = shows(tmp_path)
    assert words == "the guest's CPUs are not as asked: nodes: nothing instead of 0 1"


def test_a_guest_that_shows_what_was_asked_for_is_not_degraded(tmp_path: Path) -> None:
    assert shows(tmp_path, topology=Topology(2, 1, 1, 1).groups()) == ()

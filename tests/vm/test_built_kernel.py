"""The lifecycle on a kernel that was built here: the smallest one, of the oldest series that has sched_ext.

The kernel is taken from the cache; where there is none, it is built first, which takes minutes.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from scxlife.platform.vm import kernel_build, kernels, packages
from scxlife.platform.vm.progress import PlainLines

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(
        shutil.which("dpkg") is None or packages.architecture() != "amd64", reason="needs Debian on amd64"
    ),
]

SERIES = "6.12"
LIMIT = 200


@pytest.fixture(scope="module")
def kernel() -> kernels.Kernel:
    return kernel_build.build(PlainLines(io.StringIO()), SERIES)


def vm(kernel: kernels.Kernel, *words: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--json", "--timeout", "90s"]
    done = subprocess.run([*command, "--kernel", kernel.version, *words], capture_output=True, text=True, timeout=LIMIT)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_kernel_is_what_it_says(kernel: kernels.Kernel) -> None:
    # The magic of the Linux/x86 boot protocol, Documentation/arch/x86/boot.rst.
    assert kernel.vmlinuz.read_bytes()[0x202:0x206] == b"HdrS"
    config = kernel_build.options((kernel.vmlinuz.parent / "config").read_text())
    assert (config["CONFIG_SCHED_CLASS_EXT"], config["CONFIG_DEBUG_INFO_BTF"]) == ("y", "y")
    _, outcome, said = vm(kernel, "--", "sh", "-c", f'test "$(uname -r)" = {kernel.version}')
    assert f"guest: {kernel.version}," in said
    assert outcome["payload"] == {"exit": {"code": 0}}


def test_scx_simple_goes_through_its_whole_life(kernel: kernels.Kernel) -> None:
    code, outcome, timeline = vm(kernel, "--scheduler", "scx_simple", "--", "sleep", "1")
    assert (code, outcome["outcome"], outcome["exit"]) == (0, "stopped", {"code": 0})
    assert outcome["payload"] == {"exit": {"code": 0}}
    assert outcome["enable_seq"] == outcome["kernel"]["enable_seq"] == 1
    assert outcome["kernel"]["state"] == "disabled"
    assert "uevent add@/kernel/sched_ext/root SCXOPS=simple" in timeline


def test_an_ejection_by_sysrq_is_told_with_the_kernels_reason(kernel: kernels.Kernel) -> None:
    payload = ("--", "sh", "-c", "echo S > /proc/sysrq-trigger; sleep 30")
    code, outcome, _ = vm(kernel, "--scheduler", "scx_simple", *payload)
    assert (code, outcome["outcome"]) == (12, "ejected")
    assert outcome["kernel_reason"] == "disabled by sysrq-S"


def test_bad_arguments_are_startup_died_and_nothing_was_enabled(kernel: kernels.Kernel) -> None:
    code, outcome, _ = vm(kernel, "--scheduler", "scx_simple", "--sched-args", "--no-such-option")
    assert (code, outcome["outcome"], outcome["exit"]) == (10, "startup-died", {"code": 1})
    assert outcome["kernel"]["enable_seq"] == 0

"""The kernel that was built here is the one that was asked for. What schedulers do on it, the other modules show."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scxlife.platform.vm import kernel_config
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

LIMIT = 700


def test_the_kernel_is_what_it_says(small_kernel: Kernel) -> None:
    # The magic of the Linux/x86 boot protocol, Documentation/arch/x86/boot.rst.
    assert small_kernel.vmlinuz.read_bytes()[0x202:0x206] == b"HdrS"
    config = kernel_config.options((small_kernel.vmlinuz.parent / "config").read_text())
    assert (config["CONFIG_SCHED_CLASS_EXT"], config["CONFIG_DEBUG_INFO_BTF"]) == ("y", "y")
    command = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--kernel", small_kernel.version]
    payload = ["--", "sh", "-c", f'test "$(uname -r)" = {small_kernel.version}']
    done = subprocess.run([*command, *payload], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"guest: Linux {small_kernel.version}," in done.stderr

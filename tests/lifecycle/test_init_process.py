"""What PID 1 does to itself first: its descriptors, its place before all others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CLOSED = {"0": "0<&-", "1": "1>&-", "2": "2>&-", "012": "0<&- 1>&- 2>&-", "02": "0<&- 2>&-", "": ""}

# It tells by its exit code: it may have nothing to print to.
DESCRIPTORS = """
import os
from scxlife.lifecycle.standard_descriptors import open_standard_descriptors
first = open_standard_descriptors()
null = os.stat("/dev/null").st_rdev
right = all(os.fstat(fd).st_rdev == null for fd in first)
right = right and "".join(map(str, first)) == os.environ["CLOSED"]
right = right and os.open("/", os.O_RDONLY) > 2 and open_standard_descriptors() == []
os._exit(7 if right else 1)
"""


@pytest.mark.parametrize("which", CLOSED)
def test_D5_a_later_open_lands_on_no_standard_descriptor(which: str) -> None:
    script = f'exec "$0" -c "$1" {CLOSED[which]}'
    argv = ["/bin/sh", "-c", script, sys.executable, DESCRIPTORS]
    done = subprocess.run(argv, env={**os.environ, "CLOSED": which}, timeout=60)
    assert done.returncode == 7


PRECEDENCE = """
import os, resource, sys
from scxlife.lifecycle.realtime import take_precedence
from scxlife.platform.linux import LinuxKernel
import scxlife.platform.linux.libc
if sys.argv[1:] == ["weak"]:
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
    if os.getuid() == 0:
        os.setresuid(65534, 65534, 65534)
refused = take_precedence(LinuxKernel())
print(refused)
"""


def test_F13_what_the_kernel_refuses_is_told_and_no_failure() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRECEDENCE, "weak"], capture_output=True, text=True, timeout=60, check=True
    )
    told = "['SCHED_FIFO: EPERM: Operation not permitted', 'mlockall: EPERM: Operation not permitted']"
    assert done.stdout.strip() == told

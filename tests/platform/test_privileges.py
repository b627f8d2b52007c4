"""A child gets the ambient capabilities alone where a service manager has asked for that.

That it gets no protection from the OOM killer is shown in tests/systemd: few machines let a test lower a score.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

LIMIT = 60
BPF, SYSLOG = 39, 34
# The port writes "0" into the descriptor of the cgroup, which is /dev/null here.
SPAWN = """
import os, sys
from scxlife.platform.linux.kernel import LinuxKernel
null = os.open("/dev/null", os.O_RDWR)
pid = LinuxKernel().spawn("/bin/cat", ["cat", *sys.argv[1:]], {}, stdin=null, stdout=1, stderr=2, cgroup=null)
os.waitpid(pid, 0)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives capabilities away as root")


def child(*under: str, file: str) -> str:
    """What `file` says in a child of a supervisor that is started `under` other programs."""
    command = [*under, sys.executable, "-c", SPAWN, file]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout


def capabilities(*under: str) -> dict[str, set[int]]:
    told = re.findall(r"^(Cap\w+):\s+([0-9a-f]+)$", child(*under, file="/proc/self/status"), re.MULTILINE)
    return {name: {bit for bit in range(64) if int(mask, 16) >> bit & 1} for name, mask in told}


AMBIENT = ("--inh-caps", "+bpf", "--ambient-caps", "+bpf")


def test_a_child_gets_the_ambient_capabilities_and_no_others() -> None:
    told = capabilities("setpriv", "--no-new-privs", *AMBIENT)
    assert told["CapPrm"] == told["CapEff"] == told["CapInh"] == told["CapAmb"] == {BPF}
    assert SYSLOG in told["CapBnd"]


@pytest.mark.parametrize("under", [(), ("setpriv", "--no-new-privs"), ("setpriv", *AMBIENT)], ids=str)
def test_a_child_keeps_all_where_nobody_asked_for_less(under: tuple[str, ...]) -> None:
    assert {BPF, SYSLOG} <= capabilities(*under)["CapEff"]


@pytest.mark.parametrize("score", [0, 1, 300, 1000])
def test_a_score_that_is_no_protection_is_inherited(score: int) -> None:
    raised = ("sh", "-c", f'echo {score} > /proc/self/oom_score_adj; exec "$@"', "sh")
    assert int(child(*raised, file="/proc/self/oom_score_adj")) == score

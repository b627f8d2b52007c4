"""Process groups of the host's own kernel: a zombie keeps its number and is nobody any more."""

from __future__ import annotations

import os

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.process_group import lives, members

kernel = LinuxKernel()


def test_defect_3_a_zombie_does_not_live() -> None:
    wait, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(wait, 1)
        os._exit(0)
    os.close(wait)
    try:
        (member,) = [member for member in members(kernel, os.getpgrp()) if member.pid == pid]
        assert lives(kernel, member)
    finally:
        os.close(go)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    zombie_lives = lives(kernel, member)
    in_group = pid in [member.pid for member in members(kernel, os.getpgrp())]
    os.waitpid(pid, 0)
    assert (zombie_lives, in_group) == (False, False)
    assert not lives(kernel, member)

"""A payload in a real guest: its streams, its terminal, and what it finds there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.vm.watched import Seen, watched

from scxlife.platform.vm import frames, schedulers
from scxlife.platform.vm.cache import NotInstalled
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

LIMIT = 120.0
Boot = Callable[..., Seen]


@pytest.fixture
def boot(small_kernel: Kernel, tmp_path: Path) -> Boot:
    try:
        scheduler = schedulers.find("scx_simple")
    except NotInstalled as error:
        pytest.skip(f"{error}: {error.hint}")
    return lambda payload, **more: watched(small_kernel.vmlinuz, tmp_path, scheduler, payload=payload, **more)


def test_the_streams_of_a_payload_are_apart_and_whole(boot: Boot) -> None:
    given = os.urandom(300_000)
    seen = boot("cat; head -c 20000000 /dev/zero; echo err >&2", stdin=given)
    assert bytes(seen.payload.streams[frames.STDOUT]) == given + bytes(20_000_000)
    assert seen.payload.error == "err\n"
    assert seen.outcome["payload"] == {"exit": {"code": 0}}
    assert seen.outcome["degraded"] == []


def test_what_runs_before_the_payload_writes_to_its_standard_error(boot: Boot) -> None:
    seen = boot("echo from the payload", setup="echo from the set-up")
    assert (seen.payload.output, seen.payload.error) == ("from the payload\n", "from the set-up\n")


def test_a_process_left_behind_does_not_keep_the_guest(boot: Boot) -> None:
    seen = boot("setsid sleep 600 & setsid yes & sleep 0.3")
    assert seen.verdict == ("stopped", {"code": 0}, "disabled")


# What a program does, and what it must see.
EXPECTED = {
    "the loopback interface is up": ("ping -c 1 -W 5 localhost >/dev/null && ifconfig lo | grep -c UP", "1\n"),
    "/dev/fd": ("cat /dev/fd/3 3</etc/hostname", "scxlife\n"),
    "/dev/stdin": ("echo given | cat /dev/stdin", "given\n"),
    "/dev/stdout": ("echo said > /dev/stdout", "said\n"),
    "/dev/stderr": ("{ echo said > /dev/stderr; } 2>&1", "said\n"),
    "/dev/shm": ("stat -c %a /dev/shm; echo kept > /dev/shm/a && cat /dev/shm/a", "1777\nkept\n"),
    "/dev/pts": ("stat -c %a /dev/pts/ptmx /dev/ptmx", "666\n666\n"),
    "/tmp": ("stat -c %a /tmp", "1777\n"),
    "a name": ("hostname; cat /proc/sys/kernel/hostname", "scxlife\nscxlife\n"),
    "users": ("id -un; id -gn", "root\nroot\n"),
    "a home": ("cd && pwd", "/root\n"),
}


def test_L9_programs_find_what_they_expect(boot: Boot) -> None:
    script = "".join(f"echo '== {name}'; {command}; " for name, (command, _) in EXPECTED.items())
    seen = boot(script)
    _, *parts = seen.payload.output.split("== ")
    found = {name: text for name, _, text in (part.partition("\n") for part in parts)}
    assert found == {name: wanted for name, (_, wanted) in EXPECTED.items()}
    assert seen.of(frames.HELLO)["degraded"] == []


def test_L9_a_file_that_the_run_brings_is_not_replaced(boot: Boot, tmp_path: Path) -> None:
    seen = boot("cat /etc/hosts", files=(Path("/etc/hosts"),))
    assert seen.payload.output == Path("/etc/hosts").read_text()


def test_a_terminal_in_the_guest_is_the_payloads_own(boot: Boot) -> None:
    script = "tty; stty size; echo to-tty > /dev/tty"
    seen = boot(script, terminal=(33, 77))
    assert seen.payload.output.splitlines() == ["/dev/pts/0", "33 77", "to-tty"]
    assert seen.payload.error == ""


def test_L8_a_guest_that_panics_keeps_what_it_said_before(small_kernel: Kernel, tmp_path: Path) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    script = "echo before the end; sleep 1; echo c > /proc/sysrq-trigger; sleep 60"
    words = ["--kernel", str(small_kernel.vmlinuz), "--log", f"{tmp_path}/log", "--", "sh", "-c", script]
    done = subprocess.run(
        [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "-q", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stdout) == (15, "before the end\n"), done.stderr
    assert "panicked" in done.stderr
    assert "local=" in (tmp_path / "log").read_text()

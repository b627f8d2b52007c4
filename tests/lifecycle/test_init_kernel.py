"""What PID 1 adds to the kernel's port, in a process that takes orphans as PID 1 does."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAD = """
import os, signal, sys
from scxlife.lifecycle.init_kernel import InitKernel
kernel = InitKernel()
kernel.set_child_subreaper()
null = kernel.open("/dev/null", os.O_RDWR)

def sh(script, output=null):
    return kernel.spawn("/bin/sh", ("sh", "-c", script), {}, stdin=null, stdout=output, stderr=null)

def children():
    with open("/proc/self/task/%d/children" % os.getpid()) as listing:
        return sorted(map(int, listing.read().split()))
"""


def in_a_process(script: str) -> list[str]:
    """The lines that it prints."""
    done = subprocess.run([sys.executable, "-c", HEAD + script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_C8_C10_a_wait_buries_every_orphan_and_leaves_what_is_owned() -> None:
    script = """
owned = sh("exit 5")
kernel.owned = lambda: (owned,)
kernel.bury_orphans()
read_end, write_end = os.pipe()
sh("for i in $(seq 100); do (exit 3) & done; wait; for i in $(seq 100); do (exit 3 &) ; done", write_end)
os.close(write_end)
while children() != [owned]:
    kernel.poll((), 0.05)
print(os.waitid(os.P_PID, owned, os.WEXITED).si_status)
"""
    assert in_a_process(script) == ["5"]


def test_C10_who_died_before_anybody_watched_is_buried_too() -> None:
    script = """
stranger = sh("exit 3")
pidfd = kernel.pidfd_open(stranger)
kernel.poll((pidfd,), None)
kernel.bury_orphans()
kernel.poll((), 0.0)
print(children())
"""
    assert in_a_process(script) == ["[]"]


def test_more_orphans_than_are_buried_at_once_are_buried_all_the_same() -> None:
    script = """
import scxlife.lifecycle.init_kernel as module
module.AT_ONCE = 3
strangers = [sh("exit 3") for _ in range(10)]
for stranger in strangers:
    kernel.poll((kernel.pidfd_open(stranger),), None)
kernel.bury_orphans()
kernel.poll((), 0.0)
kernel.poll((), 0.001)
print(children())
"""
    assert in_a_process(script) == ["[]"]


def test_the_death_of_an_orphan_ends_no_wait() -> None:
    script = """
kernel.bury_orphans()
read_end, write_end = os.pipe()
for _ in range(5):
    sh("exit 3")
early = 0
while children():
    before = kernel.monotonic()
    assert kernel.poll((read_end,), 0.05) == []
    early += kernel.monotonic() - before < 0.05
os.write(write_end, b"x")
print(early, [fd == read_end for fd, _ in kernel.poll((read_end,), None)])
"""
    assert in_a_process(script) == ["0 [True]"]


def test_row_17_SIGCHLD_keeps_its_default_and_a_child_starts_with_nothing_blocked() -> None:
    script = """
kernel.keep_signals()
kernel.bury_orphans()
print(signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL)
read_end, write_end = os.pipe()
child = sh("grep SigBlk /proc/self/status", write_end)
os.close(write_end)
print(os.read(read_end, 100).decode().split()[1])
"""
    assert in_a_process(script) == ["True", "0" * 16]


def test_D1_signals_are_kept_until_somebody_listens_and_again_afterwards() -> None:
    script = """
kernel.keep_signals()
for number in (signal.SIGINT, signal.SIGTERM):
    os.kill(os.getpid(), number)
fd = kernel.signal_fd((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
print(sorted(kernel.signal_read(fd)))
kernel.signal_close(fd)
os.kill(os.getpid(), signal.SIGINT)
os.kill(os.getpid(), signal.SIGHUP)
print(sorted(signal.sigpending() & {signal.SIGINT, signal.SIGHUP}))
"""
    assert in_a_process(script) == ["[2, 15]", "[<Signals.SIGHUP: 1>, <Signals.SIGINT: 2>]"]


HOST = """
import socket
from scxlife.platform.vm import frames
from scxlife.platform.vm.port import GuestPort
here, there = socket.socketpair()
port = GuestPort(here.detach())
kernel.keep_signals()
kernel.bury_orphans()
kernel.listen_to(port)
"""


def test_L12_what_the_host_asks_for_comes_as_the_signal_it_names() -> None:
    script = """
fd = kernel.signal_fd([signal.SIGINT, signal.SIGTERM])
for sequence, number in enumerate((signal.SIGTERM, signal.SIGKILL, 200, 0)):
    there.send(frames.encode_interrupt(sequence, number))
    assert kernel.poll((fd,), None) == [(fd, 1)]
    print(*(signal.Signals(each).name for each in kernel.signal_read(fd)))
"""
    # Nothing but the end can be asked for: PID 1 sends itself no other signal.
    assert in_a_process(HOST + script) == ["SIGTERM", "SIGINT", "SIGINT", "SIGINT"]


def test_L12_what_the_host_asks_for_early_is_kept() -> None:
    script = """
there.send(frames.encode_interrupt(0, signal.SIGTERM))
set_up = sh("exit 0")
kernel.owned = lambda: (set_up,)
pidfd = kernel.pidfd_open(set_up)
kernel.poll((pidfd,), None)
kernel.poll((), 0.0)
fd = kernel.signal_fd([signal.SIGTERM])
kernel.poll((fd,), None)
print(*kernel.signal_read(fd))
"""
    assert in_a_process(HOST + script) == ["15"]


HOSTILE = {
    "no frame": b"garbage that is no frame at all",
    "another version": b"SCXF\x07" + bytes(13),
    "half a frame": b"SCXF\x01\x81",
    "a frame of the guest's": "frames.encode(frames.TAPE, 0, b'x')",
    "an interrupt out of order": "frames.encode_interrupt(7, 15)",
    "an empty interrupt, which counts": "frames.encode(frames.INTERRUPT, 0, b'')",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_L12_a_damaged_request_is_no_request_and_ends_no_wait(what: str) -> None:
    sent = HOSTILE[what]
    script = f"""
port.send(frames.EXIT, b"{{}}")
there.send({sent if isinstance(sent, str) else repr(sent)})
fd = kernel.signal_fd([signal.SIGINT, signal.SIGTERM])
print(len(kernel.poll((fd,), 0.05)), port.finish(0.0))
"""
    assert in_a_process(HOST + script) == ["1 False" if "counts" in what else "0 False"]


def test_L12_an_acknowledgement_is_heard_behind_requests() -> None:
    script = """
sequence = port.send(frames.EXIT, b"{}")
there.send(frames.encode_interrupt(0, 15) + frames.encode_ack(1, sequence))
kernel.poll((), 0.01)
print(port.finish(60.0))
"""
    assert in_a_process(HOST + script) == ["True"]


def test_L12_a_host_that_went_away_does_not_keep_the_wait_busy() -> None:
    script = """
there.close()
before = os.times().user
kernel.poll((), 0.5)
print(os.times().user - before < 0.2)
"""
    assert in_a_process(HOST + script) == ["True"]

"""Real uevents of this kernel, and forged ones of this process."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.uevent import Uevent, parse

KOBJECT_UEVENT = 15
# Writing an action there makes the kernel send that uevent: Documentation/ABI/testing/sysfs-uevent.
TRIGGER = Path("/sys/devices/virtual/mem/null/uevent")

kernel = LinuxKernel()


@pytest.fixture
def uevents() -> Iterator[int]:
    try:
        fd = kernel.uevent_socket()
    except OSError as error:
        pytest.skip(f"no uevent socket here: {error}")
    yield fd
    kernel.close(fd)


def trigger(action: str) -> None:
    try:
        TRIGGER.write_text(action)
    except OSError as error:
        pytest.skip(f"no uevent can be made here: {error}")


def received(fd: int) -> list[Uevent]:
    """All that is there now of our trigger's device: others may send at any time."""
    told = []
    while (datagram := kernel.uevent_receive(fd)) is not None:
        told.append(parse(datagram))
    return [uevent for uevent in told if uevent.devpath in ("/devices/virtual/mem/null", "/forged")]


def arrives(fd: int) -> bool:
    """Whether this network namespace is told anything at all (edge B6)."""
    trigger("change")
    return bool(received(fd))


def test_the_kernels_uevents_arrive(uevents: int) -> None:
    if not arrives(uevents):
        pytest.skip("uevents do not reach this network namespace")
    trigger("add")
    trigger("remove")
    told = received(uevents)
    assert [uevent.action for uevent in told] == ["add", "remove"]
    assert told[0].variables["DEVPATH"] == "/devices/virtual/mem/null"
    assert kernel.uevent_receive(uevents) is None
    assert not os.get_inheritable(uevents)


def test_B7_what_the_kernel_did_not_send_is_dropped(uevents: int) -> None:
    forged = b"add@/forged\0ACTION=add\0DEVPATH=/forged\0"
    probe = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT, fileno=os.dup(uevents))
    with probe, socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT) as forger:
        ours = probe.getsockname()[0]
        for port, group in ((0, 1), (0, 2), (ours, 0)):
            forger.sendto(forged, (port, group))
        # They did arrive: were they not dropped, they would be told.
        assert probe.recvfrom(4096, socket.MSG_PEEK)[0] == forged
    assert received(uevents) == []


def test_forgeries_do_not_keep_the_reader_for_ever(uevents: int) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT) as forger:
        for _ in range(200):
            forger.sendto(b"add@/forged\0", (0, 1))
    calls = 1
    kernel.uevent_receive(uevents)
    while kernel.poll([uevents], 0):
        kernel.uevent_receive(uevents)
        calls += 1
    assert calls > 1


def test_B5_an_overflow_is_told_and_reading_goes_on(uevents: int) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT, fileno=os.dup(uevents)) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    if not arrives(uevents):
        pytest.skip("uevents do not reach this network namespace")
    for _ in range(64):
        trigger("change")
    with pytest.raises(OSError) as told:
        while kernel.uevent_receive(uevents) is not None:
            pass
    assert told.value.errno == errno.ENOBUFS
    received(uevents)
    trigger("add")
    assert [uevent.action for uevent in received(uevents)] == ["add"]


@pytest.mark.parametrize("datagram", [b"", b"libudev\0\xfe\xed", b"add", b"@", b"\xff\xfe@\xff\0=\0A=\0"])
def test_nonsense_is_no_sched_ext_uevent(datagram: bytes) -> None:
    assert not parse(datagram).devpath.startswith("/kernel")


def test_variables_may_hold_an_equals_sign() -> None:
    assert parse(b"add@/kernel/sched_ext/root\0SCXOPS=a=b\0").variables == {"SCXOPS": "a=b"}

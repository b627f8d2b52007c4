"""The simulation's uevent socket held against the kernel's: a tap device in a network namespace of our own stands for
`/sys/kernel/sched_ext/root`, which only a sched_ext kernel has.

What the device makes the kernel send is sent in the simulation as well. Both sockets are read through the port, and
have to say the same.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import select
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import pytest

from scxlife.platform.kernel import Kernel
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sim import Machine, SimKernel
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sources.uevent import parse

T = TypeVar("T")

# include/uapi/linux/sched.h, include/uapi/linux/if_tun.h, include/uapi/linux/netlink.h
CLONE_NEWNET = 0x4000_0000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x4004_54CA, 0x0002, 0x1000
KOBJECT_UEVENT = 15
#: Bytes for a receive buffer: some of what a device has to tell fit, and not all.
SMALL = 4096
# More than any of both buffers holds.
MANY = 40

linux = LinuxKernel()


class Network:
    """A network namespace that nobody else is in: the one of a thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.inside(_leave)

    def inside(self, do: Callable[[], T]) -> T:
        return self._thread.submit(do).result()

    def device(self, name: str) -> int:
        """A tap device, which is there for as long as the descriptor is open."""

        def make() -> int:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
            return fd

        try:
            return self.inside(make)
        except OSError as error:
            pytest.skip(f"no network device can be made here: {error}")

    def come_and_go(self, name: str) -> None:
        os.close(self.device(name))

    def end(self) -> None:
        self._thread.shutdown()


def _leave() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        own = Network()
    except OSError as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    yield own
    own.end()


@pytest.fixture
def uevents(network: Network) -> Iterator[int]:
    fd = network.inside(linux.uevent_socket)
    yield fd
    linux.close(fd)


class Simulated:
    """The other side: a machine whose kernel sends what it is told to."""

    def __init__(self, profile: str = "7.2") -> None:
        self.kernel = SimKernel(Machine(PROFILES[profile]))
        self.fd = self.kernel.uevent_socket()

    def send(self, datagram: bytes) -> None:
        uevent = parse(datagram)
        given = {key: text for key, text in uevent.variables.items() if key not in ("ACTION", "DEVPATH", "SEQNUM")}
        self.kernel.machine.uevents.send(uevent.action, uevent.devpath, **given)


def receive(kernel: Kernel, fd: int) -> bytes | str | None:
    """What one call says: a datagram without its number, the name of an errno, or that there is nothing."""
    try:
        datagram = kernel.uevent_receive(fd)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None if datagram is None else unnumbered(datagram)


def unnumbered(datagram: bytes) -> bytes:
    """Without what is counted: no device and no uevent has a number twice."""
    return re.sub(rb"(SEQNUM|IFINDEX)=\d+", rb"\1=", datagram)


def everything(kernel: Kernel, fd: int) -> list[bytes | str]:
    return [*iter(lambda: receive(kernel, fd), None)]


def poll(kernel: Kernel, fd: int) -> int:
    """The events of poll(2)."""
    return dict(kernel.poll((fd,), 0.0)).get(fd, 0)


def recorded(network: Network, uevents: int, name: str) -> list[bytes]:
    """All that the kernel sends of a device that comes and goes."""
    network.come_and_go(name)
    told = []
    while (datagram := linux.uevent_receive(uevents)) is not None:
        told.append(datagram)
    return told


def test_a_datagram_has_the_bytes_that_the_simulation_sends(network: Network, uevents: int) -> None:
    real = recorded(network, uevents, "standin")
    simulated = Simulated()
    for datagram in real:
        simulated.send(datagram)
    said = everything(simulated.kernel, simulated.fd)
    assert said == [unnumbered(datagram) for datagram in real]
    first, last = parse(real[0]), parse(real[-1])
    assert (first.action, last.action) == ("add", "remove")
    assert first.devpath == last.devpath == "/devices/virtual/net/standin"


def test_each_has_a_higher_number_than_the_one_before(network: Network, uevents: int) -> None:
    real = recorded(network, uevents, "one") + recorded(network, uevents, "two")
    simulated = Simulated()
    for datagram in real:
        simulated.send(datagram)
    numbers = [
        [int(parse(datagram).variables["SEQNUM"]) for datagram in told]
        for told in (real, [*iter(lambda: simulated.kernel.uevent_receive(simulated.fd), None)])
    ]
    for told in numbers:
        assert len(told) == len(real) and all(before < after for before, after in pairwise(told))


def test_they_come_in_the_order_in_which_it_happened(network: Network, uevents: int) -> None:
    first = network.device("first")
    network.come_and_go("second")
    os.close(first)
    told = [parse(datagram) for datagram in iter(lambda: linux.uevent_receive(uevents), None)]
    devices = [(uevent.action, uevent.variables["INTERFACE"]) for uevent in told if "INTERFACE" in uevent.variables]
    simulated = Simulated()
    for action, name in (("add", "first"), ("add", "second"), ("remove", "second"), ("remove", "first")):
        simulated.kernel.machine.uevents.send(action, f"/devices/virtual/net/{name}", INTERFACE=name)
    said = [parse(datagram) for datagram in iter(lambda: simulated.kernel.uevent_receive(simulated.fd), None)]
    assert devices == [(uevent.action, uevent.variables["INTERFACE"]) for uevent in said]


def test_a_socket_that_nothing_was_sent_to_has_nothing_to_say(uevents: int) -> None:
    simulated = Simulated()
    for kernel, fd in ((linux, uevents), (simulated.kernel, simulated.fd)):
        assert (poll(kernel, fd), receive(kernel, fd)) == (0, None)


def test_what_is_there_is_readable_until_it_was_read(network: Network, uevents: int) -> None:
    simulated = Simulated()
    for datagram in recorded(network, uevents, "standin"):
        simulated.send(datagram)
    network.come_and_go("standin")
    for kernel, fd in ((linux, uevents), (simulated.kernel, simulated.fd)):
        assert poll(kernel, fd) == select.POLLIN
        assert len(everything(kernel, fd)) == 6
        assert poll(kernel, fd) == 0


def test_another_network_namespace_hears_nothing(network: Network, uevents: int) -> None:
    elsewhere = Network()
    deaf, nobody = elsewhere.inside(linux.uevent_socket), Simulated("no-network")
    for datagram in recorded(network, uevents, "standin"):
        nobody.send(datagram)
    assert everything(linux, deaf) == everything(nobody.kernel, nobody.fd) == []
    linux.close(deaf)
    elsewhere.end()


def test_only_the_kernel_is_believed(network: Network, uevents: int) -> None:
    """The kernel sends from port 0 to group 1; a forged datagram of the same words is not handed on."""
    real = recorded(network, uevents, "standin")
    peek = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT, fileno=os.dup(uevents))
    forger = network.inside(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT))
    with peek, forger:
        forger.sendto(real[0], (0, 1))
        assert peek.recvfrom(SMALL, socket.MSG_PEEK) == (real[0], (forger.getsockname()[0], 1))
        assert everything(linux, uevents) == []
        network.come_and_go("standin")
        assert peek.recvfrom(SMALL, socket.MSG_PEEK)[1] == (0, 1)
    assert len(everything(linux, uevents)) == len(real)


def overflown(network: Network, uevents: int) -> tuple[list[bytes], Simulated]:
    """Both sockets, after more than fits was sent to them, and all that was sent."""
    one = recorded(network, uevents, "standin")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT, fileno=os.dup(uevents)) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    simulated = Simulated()
    for _ in range(MANY):
        network.come_and_go("standin")
        for datagram in one:
            simulated.send(datagram)
    return one, simulated


def test_an_overflow_is_told_first_and_once_and_the_oldest_are_kept(network: Network, uevents: int) -> None:
    one, simulated = overflown(network, uevents)
    sent = [unnumbered(datagram) for datagram in one] * MANY
    for kernel, fd in ((linux, uevents), (simulated.kernel, simulated.fd)):
        assert poll(kernel, fd) == select.POLLIN | select.POLLERR
        first, *rest = everything(kernel, fd)
        assert first == "ENOBUFS"
        assert 1 < len(rest) < len(sent) and rest == sent[: len(rest)]
        assert poll(kernel, fd) == 0


def test_after_an_overflow_nothing_gets_in_before_all_was_read_and_that_is_not_told(
    network: Network, uevents: int
) -> None:
    one, simulated = overflown(network, uevents)
    for kernel, fd in ((linux, uevents), (simulated.kernel, simulated.fd)):
        assert receive(kernel, fd) == "ENOBUFS"
        assert receive(kernel, fd) is not None and receive(kernel, fd) is not None
    # There is room for this, and it is lost all the same.
    network.come_and_go("toolate")
    simulated.send(one[0].replace(b"standin", b"toolate"))
    for kernel, fd in ((linux, uevents), (simulated.kernel, simulated.fd)):
        rest = everything(kernel, fd)
        assert rest and not any(b"toolate" in datagram for datagram in rest if isinstance(datagram, bytes))
        assert "ENOBUFS" not in rest
    network.come_and_go("intime")
    simulated.send(one[0].replace(b"standin", b"intime"))
    for kernel, fd in ((linux, uevents), (simulated.kernel, simulated.fd)):
        told = receive(kernel, fd)
        assert isinstance(told, bytes) and told.startswith(b"add@/devices/virtual/net/intime\0")

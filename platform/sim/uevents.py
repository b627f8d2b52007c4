"""Uevents: one datagram to each socket that is bound, and a receive buffer that can overflow. lib/kobject_uevent.c"""

from __future__ import annotations

import errno
import select

from .descriptors import Description, fail
from .faults import Injector


class UeventSocket(Description):
    """Once something did not fit, nothing gets in before all that is there was read, and only the first loss is told:
    net/netlink/af_netlink.c, NETLINK_S_CONGESTED."""

    def __init__(self, broadcast: Uevents, room: int) -> None:
        self._broadcast = broadcast
        self._room = room
        self._congested = False
        self._untold = False
        self._datagrams: list[bytes] = []
        self.name = f"socket:[{broadcast.number()}]"

    def put(self, datagram: bytes) -> None:
        if self._congested or len(self._datagrams) >= self._room:
            self.overrun()
        else:
            self._datagrams.append(datagram)

    def overrun(self) -> None:
        """Something was lost: the next receive says so."""
        self._untold = self._untold or not self._congested
        self._congested = True

    def poll(self) -> int:
        return (select.POLLIN if self._datagrams else 0) | (select.POLLERR if self._untold else 0)

    def receive(self) -> bytes | None:
        told, self._untold = self._untold, False
        datagram = self._datagrams.pop(0) if self._datagrams and not told else None
        self._congested = self._congested and bool(self._datagrams)
        if told:
            fail(errno.ENOBUFS)
        return datagram

    def close(self) -> None:
        self._broadcast.sockets.remove(self)


class Uevents:
    """`reach`: whether they come into the supervisor's network namespace."""

    def __init__(self, *, reach: bool, injector: Injector) -> None:
        self.sockets: list[UeventSocket] = []
        self._reach = reach
        self._injector = injector
        self._sequence = 1000
        self._sockets_made = 40_000

    def number(self) -> int:
        self._sockets_made += 1
        return self._sockets_made

    def open(self, room: int) -> UeventSocket:
        socket = UeventSocket(self, room)
        self.sockets.append(socket)
        return socket

    def send(self, action: str, devpath: str, **variables: str) -> None:
        self._sequence += 1
        if not self._reach:
            return
        fields = {"ACTION": action, "DEVPATH": devpath, **variables, "SEQNUM": str(self._sequence)}
        datagram = f"{action}@{devpath}\0" + "".join(f"{key}={value}\0" for key, value in fields.items())
        fault = self._injector.uevent() if devpath.startswith("/kernel/sched_ext") else None
        for socket in self.sockets:
            if fault is None or fault.doubled:
                socket.put(datagram.encode())
            if fault is not None and fault.doubled:
                socket.put(datagram.encode())
            elif fault is not None and fault.told:
                socket.overrun()

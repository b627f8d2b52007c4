"""Sources of kernel events: inotify and uevents."""

from __future__ import annotations

# include/uapi/linux/netlink.h, lib/kobject_uevent.c
_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_KERNEL_PORT = 0
# The kernel's own buffer holds 2048 bytes, and the path goes in front of it.
_LARGEST_UEVENT = 16_384
# Anybody may send us datagrams: how many are thrown away before others get their turn.
_FORGED_AT_ONCE = 64


class Events:
    def inotify_init(self) -> int:
        from . import libc

        return libc.inotify_init()

    def inotify_add_watch(self, fd: int, path: str, mask: int) -> int:
        from . import libc

        return libc.inotify_add_watch(fd, path, mask)

    def uevent_socket(self) -> int:
        import socket

        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, _NETLINK_KOBJECT_UEVENT
        ) as uevents:
            uevents.bind((0, _KERNEL_GROUP))
            return uevents.detach()

    def uevent_receive(self, fd: int) -> bytes | None:
        import socket

        uevents = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_KOBJECT_UEVENT, fileno=fd)
        try:
            for _ in range(_FORGED_AT_ONCE):
                datagram, sender = uevents.recvfrom(_LARGEST_UEVENT)
                if sender == (_KERNEL_PORT, _KERNEL_GROUP):
                    return datagram
            return None
        except BlockingIOError:
            return None
        finally:
            uevents.detach()

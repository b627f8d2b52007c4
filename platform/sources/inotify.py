"""The records that inotify(7) puts in its descriptor."""

from __future__ import annotations

import struct

import attrs

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000

# wd, mask, cookie, length of the name that follows
_HEADER = struct.Struct("=iIII")


@attrs.frozen
class InotifyEvent:
    """`name` is empty for what befell the watched directory itself."""

    watch: int
    mask: int
    cookie: int
    name: str

    @property
    def overflow(self) -> bool:
        """Events were lost: whatever is known of any watched thing is out of date."""
        return bool(self.mask & IN_Q_OVERFLOW)


def parse(records: bytes) -> list[InotifyEvent]:
    """Take apart what one read(2) gave. The kernel hands out whole records only."""
    events = []
    start = 0
    while start < len(records):
        watch, mask, cookie, length = _HEADER.unpack_from(records, start)
        start += _HEADER.size
        name = records[start : start + length].rstrip(b"\0")
        start += length
        events.append(InotifyEvent(watch, mask, cookie, name.decode("utf-8", "surrogateescape")))
    return events

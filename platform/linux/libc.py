"""The few calls that Python has no name for. Imported only by the method that needs one: ctypes is not free."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

_IN_NONBLOCK = os.O_NONBLOCK
_IN_CLOEXEC = os.O_CLOEXEC
_PR_SET_CHILD_SUBREAPER = 36


def inotify_init() -> int:
    return _checked(_libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC))


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    return _checked(_libc.inotify_add_watch(fd, os.fsencode(path), ctypes.c_uint32(mask)), path)


def mount(source: str, target: str, fstype: str, flags: int, data: str) -> None:
    words = (os.fsencode(source), os.fsencode(target), os.fsencode(fstype))
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data)), target)


def reboot(command: int) -> None:
    _checked(_libc.reboot(ctypes.c_int(command)))


def set_child_subreaper() -> None:
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, *map(ctypes.c_ulong, (1, 0, 0, 0))))


def _checked(result: int, path: str | None = None) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result

"""The few calls that Python has no name for. Imported only by the method that needs one: ctypes is not free."""

from __future__ import annotations

import ctypes
import errno
import os

_libc = ctypes.CDLL(None, use_errno=True)

_IN_NONBLOCK = os.O_NONBLOCK
_IN_CLOEXEC = os.O_CLOEXEC
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# linux/capability.h
_CAPABILITY_VERSION = 0x20080522
_MCL_CURRENT = 1
_MCL_FUTURE = 2
# fallocate(2): KEEP_SIZE and PUNCH_HOLE
_PUNCH_HOLE = 1 | 2
# finit_module(2)
_FINIT_MODULE_NUMBERS = {"x86_64": 313, "aarch64": 273}
# bpf(2)
_BPF_NUMBERS = {"x86_64": 321, "aarch64": 280}
_BPF_OBJ_GET = 7
_BPF_LINK_GET_NEXT_ID = 31
# Bytes of the C library's sigset_t, which is longer than the kernel's.
_SIGSET = 128


def inotify_init() -> int:
    return _checked(_libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC))


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    return _checked(_libc.inotify_add_watch(fd, os.fsencode(path), ctypes.c_uint32(mask)), path)


def mount(source: str, target: str, fstype: str, flags: int, data: str) -> None:
    words = (os.fsencode(source), os.fsencode(target), os.fsencode(fstype))
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data)), target)


def load_module(fd: int) -> None:
    number = _FINIT_MODULE_NUMBERS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    _checked(_libc.syscall(number, fd, b"", 0))


def reboot(command: int) -> None:
    _checked(_libc.reboot(ctypes.c_int(command)))


def set_child_subreaper() -> None:
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, *map(ctypes.c_ulong, (1, 0, 0, 0))))


def set_parent_death_signal(number: int) -> None:
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (number, 0, 0, 0))))


def set_capabilities(mask: int) -> None:
    """Keep these alone, permitted, effective and inheritable: capset(2), version 3. No bound of others is changed."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)(low, low, low, high, high, high)))


def lock_memory() -> None:
    _checked(_libc.mlockall(_MCL_CURRENT | _MCL_FUTURE))


def punch_hole(fd: int, length: int) -> None:
    _checked(_libc.fallocate(fd, _PUNCH_HOLE, ctypes.c_int64(0), ctypes.c_int64(length)))


class _ObjGet(ctypes.Structure):
    """The part of union bpf_attr that BPF_OBJ_GET reads, include/uapi/linux/bpf.h."""

    _fields_ = (("pathname", ctypes.c_uint64), ("bpf_fd", ctypes.c_uint32), ("file_flags", ctypes.c_uint32))


def bpf_obj_get(path: str) -> int:
    name = ctypes.create_string_buffer(os.fsencode(path))
    # The descriptor is close-on-exec without being asked.
    return _bpf(_BPF_OBJ_GET, _ObjGet(pathname=ctypes.addressof(name)), path)


class _NextId(ctypes.Structure):
    """The part of union bpf_attr that BPF_LINK_GET_NEXT_ID reads and writes."""

    _fields_ = (("start_id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


def bpf_link_get_next_id(after: int) -> int | None:
    asked = _NextId(start_id=after)
    try:
        _bpf(_BPF_LINK_GET_NEXT_ID, asked)
    except FileNotFoundError:
        return None
    return int(asked.next_id)


def _bpf(command: int, asked: ctypes.Structure, path: str | None = None) -> int:
    number = _BPF_NUMBERS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
    size = ctypes.c_uint(ctypes.sizeof(asked))
    return _checked(_libc.syscall(ctypes.c_long(number), ctypes.c_int(command), ctypes.byref(asked), size), path)


def signalfd(signal: int) -> int:
    """A new descriptor for one signal, which the caller has blocked."""
    mask = ctypes.create_string_buffer(_SIGSET)
    _checked(_libc.sigemptyset(mask))
    _checked(_libc.sigaddset(mask, signal))
    return _checked(_libc.signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC))


def _checked(result: int, path: str | None = None) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result

"""Everything that can go wrong between the supervisor and the kernel, as data.

A system call fails only with what its man page lists and the state of the machine does not decide: no memory, no
descriptor, no permission, a bad disk. What the machine decides (ENOENT, ESRCH, ECHILD, …) comes of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import attrs

from .clock import nanoseconds
from .descriptors import fail
from .names import an_errno, number

#: What each call of the port may fail with, out of the blue.
ERRNOS: Mapping[str, tuple[str, ...]] = {
    "poll": ("ENOMEM",),
    "spawn": ("EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ETXTBSY", "EIO"),
    "pidfd_open": ("EMFILE", "ENFILE", "ENOMEM", "EINVAL"),
    "pidfd_send_signal": ("EPERM",),
    "pidfd_wait": (),
    "pidfd_exit_info": ("ENOTTY",),
    "kill_group": ("EPERM",),
    "reap_orphan": (),
    "child_fd": ("EMFILE", "ENFILE", "ENOMEM"),
    "set_child_subreaper": (),
    "open": ("EMFILE", "ENFILE", "ENOMEM", "EIO"),
    "read": ("EIO", "ENOMEM"),
    "pread": ("EIO", "ENOMEM"),
    "write": ("EIO", "ENOSPC"),
    "write_now": ("EIO",),
    "writable_fd": ("EMFILE", "ENOMEM"),
    "lseek": (),
    "close": ("EIO",),
    "stat": ("ENOMEM", "EIO"),
    "fstat": ("ENOMEM", "EIO"),
    "listdir": ("EMFILE", "ENFILE", "ENOMEM", "EIO"),
    "readlink": ("ENOMEM", "EIO"),
    "unlink": ("EIO", "EROFS", "EBUSY"),
    "mkdir": ("ENOSPC", "EROFS", "ENOMEM", "EACCES"),
    "rmdir": ("ENOMEM",),
    "punch_hole": ("ENOTSUP", "EIO"),
    "bpf_pinned": ("EPERM", "EMFILE", "ENOMEM"),
    "bpf_next_link": ("EPERM",),
    "inotify_init": ("EMFILE", "ENFILE", "ENOMEM"),
    "inotify_add_watch": ("ENOSPC", "ENOMEM", "EACCES"),
    "uevent_socket": ("EMFILE", "ENFILE", "ENOMEM", "EPERM"),
    "uevent_receive": ("ENOMEM", "ENOBUFS"),
    "signal_fd": ("EMFILE", "ENFILE"),
    "run_first": ("EPERM",),
    "lock_memory": ("EPERM", "ENOMEM"),
    "mount": ("EPERM", "EBUSY"),
    "load_module": ("EPERM", "EEXIST", "ENOEXEC"),
    "reboot": ("EPERM",),
}


@attrs.frozen
class Fails:
    """Calls of `call` fail with `errno`: `times` of them from the `at`-th on (from 1), or each with `chance`."""

    call: str = attrs.field(validator=attrs.validators.in_(tuple(ERRNOS)))
    errno: str = an_errno()
    at: int = 1
    times: int = 1
    chance: float | None = None


@attrs.frozen
class Stalls:
    """The supervisor is not scheduled for so many seconds, after its `at`-th system call of any kind."""

    at: int
    seconds: float


@attrs.frozen
class WakesUp:
    """The `at`-th poll comes back at once and empty, as after EINTR; `late`: so many seconds after it should have."""

    at: int
    late: float | None = None


@attrs.frozen
class LosesUevents:
    """Of the kernel's uevents the `at`-th and `count` in all never arrive; `told`: ENOBUFS says so. A `doubled` one
    arrives twice instead."""

    at: int = 1
    count: int = 1
    told: bool = False
    doubled: bool = False


@attrs.frozen
class IsKilled:
    """SIGKILL ends the supervisor after its `at`-th system call. An `interrupt` with SIGKILL does so at a time."""

    at: int


Fault = Fails | Stalls | WakesUp | LosesUevents | IsKilled


class SupervisorKilled(BaseException):
    """A signal ended the supervisor. No `except Exception` of its own may see this."""


class Injector:
    """Counts the calls and says when one of the faults is due."""

    def __init__(self, faults: tuple[Fault, ...], random: Random) -> None:
        self.injected = 0
        self._random = random
        self.replace(faults)

    def replace(self, faults: tuple[Fault, ...]) -> None:
        """From now on these, and all counts begin anew."""
        self.quiet = not faults
        self._calls = self._polls = self._uevents = 0
        self._of_call: dict[str, int] = {}
        self._failing: dict[str, list[Fails]] = {}
        self._stalls: dict[int, int] = {}
        self._wakes: dict[int, WakesUp] = {}
        self._uevent_faults: list[LosesUevents] = []
        self._last_call: int | None = None
        for fault in faults:
            match fault:
                case Fails():
                    self._failing.setdefault(fault.call, []).append(fault)
                case Stalls():
                    self._stalls[fault.at] = nanoseconds(fault.seconds)
                case WakesUp():
                    self._wakes[fault.at] = fault
                case LosesUevents():
                    self._uevent_faults.append(fault)
                case IsKilled():
                    self._last_call = fault.at

    def stall(self) -> int:
        """Count one call; nanoseconds for which the supervisor is not scheduled before it."""
        self._calls += 1
        if self._last_call is not None and self._calls > self._last_call:
            self.injected += 1
            raise SupervisorKilled
        stalled = self._stalls.pop(self._calls, 0)
        self.injected += stalled > 0
        return stalled

    def check(self, call: str) -> None:
        """Raises the OSError that is due."""
        failing = self._failing.get(call)
        if failing is None:
            return
        count = self._of_call[call] = self._of_call.get(call, 0) + 1
        for fault in failing:
            if fault.chance is None:
                due = fault.at <= count < fault.at + fault.times
            else:
                due = self._random.random() < fault.chance
            if due:
                self.injected += 1
                fail(number(fault.errno))

    def wake(self) -> WakesUp | None:
        """Count one poll."""
        if not self._wakes:
            return None
        self._polls += 1
        fault = self._wakes.pop(self._polls, None)
        self.injected += fault is not None
        return fault

    def uevent(self) -> LosesUevents | None:
        """Count one uevent of sched_ext."""
        self._uevents += 1
        for fault in self._uevent_faults:
            if fault.at <= self._uevents < fault.at + fault.count:
                self.injected += 1
                return fault
        return None

"""The port: all that scxlife asks of a kernel, at the level of system calls.

`platform.linux` answers it with the real one, `platform.sim` with a simulated one. Event sources and actions stand on
this and on nothing else, so their handling of EINTR, ENOSYS, EMFILE, overflow and short reads is written once.

Rules that hold for every method: a failure is an OSError that carries its errno; nothing blocks but `poll`; times are
seconds of CLOCK_MONOTONIC as float; descriptors are plain ints, close-on-exec, and belong to the caller. A fact that
could not be learnt is None: an unknown exit status is never a made-up 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

# si_code of a SIGCHLD, sigaction(2).
_CLD_EXITED = 1
_CLD_DUMPED = 3

# reboot(2)
RB_AUTOBOOT = 0x01234567
RB_POWER_OFF = 0x4321FEDC
RB_DISABLE_CAD = 0


@attrs.frozen
class ExitStatus:
    """How a process ended: by exit (`code`, 0 to 255) or by a signal (`signal`). One of the two is None.

    `exit(143)` and death by SIGTERM stay distinct.
    """

    code: int | None
    signal: int | None
    core_dumped: bool = False

    @classmethod
    def from_waitid(cls, si_code: int, si_status: int) -> ExitStatus:
        """From the fields of waitid(2)'s siginfo."""
        if si_code == _CLD_EXITED:
            return cls(code=si_status, signal=None)
        return cls(code=None, signal=si_status, core_dumped=si_code == _CLD_DUMPED)

    @classmethod
    def from_wait_status(cls, status: int) -> ExitStatus:
        """From the word that wait(2) and PIDFD_GET_INFO give for a process that ended."""
        if status & 0x7F:
            return cls(code=None, signal=status & 0x7F, core_dumped=bool(status & 0x80))
        return cls(code=status >> 8 & 0xFF, signal=None)

    def as_data(self) -> dict[str, int]:
        """`{"code": n}` or `{"signal": n}`, for an event's data."""
        if self.code is not None:
            return {"code": self.code}
        assert self.signal is not None
        return {"signal": self.signal}


class CgroupError(OSError):
    """A process could not be born in the cgroup that was given; it was not started at all."""


@attrs.frozen
class FileStat:
    """What stat(2) says, as far as anybody here asks. `mtime_ns` is wall-clock nanoseconds: compare, don't subtract.
    `uid`: the owner."""

    ino: int
    dev: int
    mode: int
    size: int
    mtime_ns: int
    uid: int = 0


class Kernel(Protocol):
    """What a kernel can be asked."""

    # -- time and waiting

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC. clock_gettime(2)"""

    def poll(self, fds: Iterable[int], timeout: float | None) -> list[tuple[int, int]]:
        """Wait until one of `fds` is readable or broken, at most `timeout` seconds (None: no bound).

        `[(fd, revents), …]` with revents as they came: POLLIN, and POLLHUP, POLLERR, POLLNVAL unasked. A wait is
        rounded up to the next millisecond, one of more than a day is cut to a day. EINTR gives an empty list. poll(2)
        """

    # -- processes

    def spawn(
        self,
        path: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        cgroup: int | None = None,
        death_signal: int | None = None,
        terminal: bool = False,
    ) -> int:
        """Run the program `path`; returns its pid once the exec has succeeded.

        It leads a process group of its own, every signal at its default (but 32 and 33, which the C library keeps to
        itself), none blocked, and no descriptor but 0 to 2, which are copies of the three given; these may themselves
        be 0 to 2 in any order. It is born in `cgroup`, a descriptor of a `cgroup.procs` open for writing, so that no
        child of its can escape; CgroupError when it can't be.

        The kernel sends it `death_signal` when the thread that calls this ends, in whatever way. It is not inherited
        by its children, and is lost where the program has set-user-ID rights or file capabilities of its own.
        prctl(2), PR_SET_PDEATHSIG

        With `terminal` it leads a session too, whose controlling terminal is `stdin`. setsid(2), TIOCSCTTY of
        ioctl_tty(2)

        ENOENT: the file, or the interpreter that its first line names, does not exist. EACCES: not executable, or a
        directory. ENOEXEC: no format that the kernel knows (never handed to a shell). ETXTBSY: somebody has it open for
        writing. Also E2BIG, EAGAIN, EMFILE, ENOMEM. posix_spawn(3), execve(2), cgroups(7)
        """

    def pidfd_open(self, pid: int) -> int:
        """A descriptor for the process. ESRCH: gone and reaped. Also EINVAL, EMFILE, ENFILE, ENOSYS. pidfd_open(2)"""

    def pidfd_send_signal(self, pidfd: int, sig: int) -> None:
        """ESRCH: already dead and reaped. EPERM: not ours. pidfd_send_signal(2)"""

    def pidfd_wait(self, pidfd: int, *, reap: bool) -> ExitStatus | None:
        """The status of our child, None while it lives. Without `reap` a zombie stays one, to be asked again.

        ChildProcessError (ECHILD): not our child, or nobody's any more: reaped, if only because SIGCHLD is ignored.
        waitid(2) with P_PIDFD
        """

    def pidfd_exit_info(self, pidfd: int) -> ExitStatus | None:
        """The status of a process that has been reaped by whomever; None when the kernel has not stored one.

        The descriptor must be older than the reaping. It can turn readable a moment before the status is stored; from
        POLLHUP on it is there or never will be. ENOTTY, EINVAL: the kernel can't (before Linux 6.13; 6.13 and 6.14
        can't and say ESRCH of a reaped one). ESRCH elsewhere: caught in the middle of being reaped, ask again.
        ioctl PIDFD_GET_INFO, include/uapi/linux/pidfd.h
        """

    def kill_group(self, leader: int, pidfd: int | None, sig: int) -> None:
        """Signal the process group that `leader`, a child of ours, has led since its birth: by its pidfd, so that a
        stranger that was given its number meanwhile, and leads a group of that number, is safe. Without a pidfd by
        its number, while nobody has reaped it.

        ESRCH: it has no member; without a pidfd, and before Linux 6.9, also when its leader was reaped, as the number
        is all there is then.
        pidfd_send_signal(2) PIDFD_SIGNAL_PROCESS_GROUP
        """

    def reap_orphan(self, owned: Container[int]) -> tuple[int, ExitStatus] | None:
        """Reap one dead child whose pid is not in `owned`; None when there is none.

        An owned zombie is left for its owner, and does not hide the strangers behind it. waitid(2)
        """

    def child_fd(self) -> int:
        """A non-blocking descriptor that turns readable when a child of ours has ended; `read` it empty (in 4096 bytes)
        and look: several ends may be one signal.

        SIGCHLD keeps its default disposition and is blocked in the calling thread, which is to be the only one.
        `spawn` unblocks it for the child. signalfd(2)
        """

    def set_child_subreaper(self) -> None:
        """Orphaned descendants become our children. Not inherited by children. prctl(2) PR_SET_CHILD_SUBREAPER"""

    # -- files

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """`flags` as in os.O_*; O_CLOEXEC is added. open(2)"""

    def read(self, fd: int, size: int) -> bytes:
        """At most `size` bytes; b"" at the end. EAGAIN: nothing there now. read(2)"""

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """As `read`, from `offset`, the position untouched. pread(2)"""

    def write(self, fd: int, data: bytes) -> int:
        """How many bytes were taken: can be fewer than given. ENOSPC, EROFS, EAGAIN, EPIPE. write(2)"""

    def write_now(self, fd: int, data: bytes) -> int:
        """As `write`, but without waiting, even where `fd` is shared with others and lacks O_NONBLOCK: EAGAIN. Takes a
        few KiB at a time from pipes and terminals. SIGTTOU does not stop a background process that writes here.
        Regular files are written to as ever. poll(2), send(2) MSG_DONTWAIT"""

    def writable_fd(self, fd: int) -> int:
        """A descriptor that turns readable when `fd` takes more bytes, or has lost its reader. EPERM: a file that
        always takes more. EMFILE. epoll(7)"""

    def lseek(self, fd: int, offset: int, whence: int) -> int:
        """The new position. `whence` as in os.SEEK_*. lseek(2)"""

    def close(self, fd: int) -> None:
        """Whatever it says, the descriptor is gone afterwards. close(2)"""

    def stat(self, path: str) -> FileStat:
        """Follows symbolic links. stat(2)"""

    def fstat(self, fd: int) -> FileStat:
        """fstat(2)"""

    def listdir(self, path: str) -> list[str]:
        """Names, without `.` and `..`, in no order. getdents64(2)"""

    def readlink(self, path: str) -> str:
        """readlink(2)"""

    def unlink(self, path: str) -> None:
        """unlink(2)"""

    def mkdir(self, path: str) -> None:
        """Mode 0700. EEXIST, ENOENT, EROFS. mkdir(2)"""

    def rmdir(self, path: str) -> None:
        """EBUSY: a cgroup that still has processes. ENOTEMPTY, ENOENT. rmdir(2)"""

    def punch_hole(self, fd: int, length: int) -> None:
        """Give the disk its blocks of the first `length` bytes back; what is behind them stays where it is, and the
        size as it was. EOPNOTSUPP: not on this file system. fallocate(2), FALLOC_FL_PUNCH_HOLE"""

    def access_execute(self, path: str) -> bool:
        """May we execute it? False too when it can't be found out. access(2)"""

    def bpf_pinned(self, path: str) -> int:
        """A descriptor of the BPF object that is pinned at `path`, in a bpf file system. EPERM, ENOENT, ENOSYS.
        bpf(2), BPF_OBJ_GET"""

    def bpf_next_link(self, after: int) -> int | None:
        """The id of the oldest BPF link, of whatever type, that is newer than the link `after`: ids are counted up.
        EPERM without CAP_SYS_ADMIN, ENOSYS. bpf(2), BPF_LINK_GET_NEXT_ID"""

    # -- events

    def inotify_init(self) -> int:
        """A non-blocking descriptor. EMFILE: max_user_instances, or no descriptor left. inotify_init(2)

        Its records are read with `read` (at least 4096 bytes) and taken apart by `sources.inotify.parse`.
        """

    def inotify_add_watch(self, fd: int, path: str, mask: int) -> int:
        """The watch's number. ENOENT, ENOTDIR, ENOSPC (max_user_watches). inotify_add_watch(2)"""

    def uevent_socket(self) -> int:
        """A non-blocking socket on which the kernel's uevents arrive (group 1). EPERM, EMFILE. netlink(7)

        In a network namespace that the initial user namespace does not own it opens, and stays silent.
        """

    def uevent_receive(self, fd: int) -> bytes | None:
        """The next uevent of the kernel, None when there is none now. What others have sent is dropped unseen.

        ENOBUFS: some were lost; the next call goes on behind the gap. lib/kobject_uevent.c
        """

    def main_thread(self) -> bool:
        """Whether this is the process's first thread, which lives as long as the process does. gettid(2)"""

    def signal_fd(self, signals: Iterable[int], *, ignored: Iterable[int] = (), blocked: Iterable[int] = ()) -> int:
        """A descriptor that turns readable when one of `signals` comes; until `signal_close` they do nothing else,
        and SIGINT raises no KeyboardInterrupt. Only in the main thread. EBUSY: one is open already.

        Until then `ignored` are ignored, and `blocked` are blocked: a fault of our own still ends us, the same signal
        from somebody else does not. A signal that was ignored before stays ignored, as nohup(1) wants it, but for
        SIGTERM. `spawn` gives its child none of this. pipe(2), sigaction(2), sigprocmask(2)
        """

    def signal_read(self, fd: int) -> list[int]:
        """The signals that came, oldest first; empty when none did."""

    def signal_close(self, fd: int) -> None:
        """Puts the former handlers back and closes `fd`."""

    # -- the machine

    def run_first(self, priority: int) -> None:
        """Put this process into SCHED_FIFO, before all that other classes schedule; its children start as ordinary
        ones (SCHED_RESET_ON_FORK). EPERM without CAP_SYS_NICE or an RLIMIT_RTPRIO. sched(7)"""

    def lock_memory(self) -> None:
        """Keep all memory of this process resident, what it will have too. EPERM, ENOMEM: RLIMIT_MEMLOCK.
        Not inherited. mlockall(2)"""

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str) -> None:
        """mount(2)"""

    def load_module(self, fd: int) -> None:
        """Load the kernel module in an open file, without parameters. EEXIST: it is loaded. finit_module(2)"""

    def reboot(self, command: int) -> None:
        """RB_AUTOBOOT and RB_POWER_OFF do not return and do not sync. EPERM without CAP_SYS_BOOT. reboot(2)"""

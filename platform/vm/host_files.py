"""Shares this host's files with a guest by virtiofs: all of them to read, and some folders to write.

What the guest may write is decided here and not by the guest: virtiofsd runs in a mount namespace of its own, in which
everything is read-only but those folders, and the kernel's own file systems (/proc, /sys, /dev) are not to be seen.

The socket between QEMU and virtiofsd has a name for no longer than it takes to connect to it, in a folder that only we
can enter. This module is a program too: what prepares the namespace and then becomes virtiofsd. Both end with us.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

if __name__ != "__main__":
    # As a program it is started without the package, and needs none of it.
    from scxlife.platform.vm.port import HOST_FILES
    from scxlife.platform.vm.qmp import Qmp, QmpError

#: Where distributions put it: in no PATH. The first is Rust's, the second that of QEMU before 8.0.
PLACES = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/qemu/virtiofsd")
#: Not to be seen by a guest: they are windows to this host's kernel.
HIDDEN = ("/proc", "/sys", "/dev", "/run")
#: What the program says before it becomes virtiofsd.
READY = b"ready\n"
_ASK_S = 10.0
_STOP_S = 5.0

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_RDONLY, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 1 << 12, 1 << 14, 1 << 18
_AT_FDCWD, _AT_RECURSIVE, _AT_EMPTY_PATH = -100, 0x8000, 0x1000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC, _MOVE_MOUNT_F_EMPTY_PATH = 1, os.O_CLOEXEC, 4
# The same numbers on every architecture.
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_PR_SET_PDEATHSIG = 1


class NoSharing(Exception):
    """virtiofsd is missing, or can't be used. The message says why."""


def find(places: Sequence[str] = PLACES) -> tuple[str, bool]:
    """The program, and whether it is Rust's (its options differ). Raises NoSharing."""
    for place in places:
        if not os.access(place, os.X_OK):
            continue
        try:
            helped = subprocess.run(
                [place, "--help"], capture_output=True, text=True, timeout=_ASK_S, stdin=subprocess.DEVNULL
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise NoSharing(f"{place} does not run: {error}") from None
        if "--fd" not in helped:
            raise NoSharing(f"{place} is too old: it has no --fd")
        return place, "--shared-dir" in helped
    raise NoSharing("virtiofsd is not installed")


def command(program: str, rust: bool, fd: int, source: str) -> list[str]:
    """virtiofsd's command line. It makes no process of its own: the namespace is there already."""
    if rust:
        return [program, f"--fd={fd}", f"--shared-dir={source}", "--sandbox=chroot", "--cache=auto"]
    return [program, f"--fd={fd}", "-f", "-o", f"source={source},sandbox=chroot,cache=auto,log_level=err"]


class HostFiles:
    """What is shared: the `writable` folders, and the program from `find` that does it."""

    __slots__ = ("program", "writable")

    def __init__(self, writable: Sequence[str], program: tuple[str, bool]) -> None:
        self.writable, self.program = tuple(writable), program


class Share:
    """A virtiofsd that serves. `socket` is our end; `lost` says why it ended by itself, once it did."""

    def __init__(self, ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.socket = ours
        self.lost = ""
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._watcher: threading.Thread | None = None

    def plug_into(self, monitor: Qmp) -> None:
        """Give a running guest the device. Should virtiofsd die from now on, QEMU is ended: the guest would wait for an
        answer for ever. Raises QmpError."""
        plug_in(monitor, self.socket.fileno())
        self._watcher = threading.Thread(target=self._watch, args=(monitor,), daemon=True)
        self._watcher.start()

    def close(self) -> None:
        os.eventfd_write(self._stop, 1)
        if self._watcher is not None:
            self._watcher.join()
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._stop)
        os.close(self._pidfd)

    def _watch(self, monitor: Qmp) -> None:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        if self._stop in dict(poll.poll()):
            return
        # It ends with 0 when its QEMU does.
        status = self._process.wait()
        if status:
            self.lost = f"virtiofsd ended with {status}, and the guest with it"
            with suppress(QmpError):
                monitor.call("quit", timeout_s=_ASK_S)


@contextmanager
def shared(files: HostFiles) -> Iterator[Share]:
    """A virtiofsd that serves this host's files until the block is left. Raises NoSharing, OSError."""
    program, rust = files.program
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        ours = stack.enter_context(socket.socket(socket.AF_UNIX))
        with tempfile.TemporaryDirectory(prefix="scxlife-") as private:
            listening.bind(f"{private}/socket")
            listening.listen(1)
            # It takes one connection, and that is ours.
            ours.connect(f"{private}/socket")
        words = [str(os.getpid()), str(listening.fileno()), "rust" if rust else "c", program, *files.writable]
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(listening.fileno(),),
            process_group=0,
        )
        assert process.stderr is not None
        with process.stderr:
            share = Share(ours, process)
            stack.callback(share.close)
            listening.close()
            poll = select.poll()
            poll.register(process.stderr.fileno(), select.POLLIN)
            said = (
                os.read(process.stderr.fileno(), 4096) if poll.poll(_ASK_S * 1000) else b"it does not come up in time"
            )
        if said != READY:
            raise NoSharing(f"virtiofsd can't be started: {said.decode('utf-8', 'replace').strip()}")
        yield share


@contextmanager
def own_memory(source: int | None, size: int) -> Iterator[int]:
    """A descriptor of `size` bytes of memory that virtiofsd can share, a copy of the file `source` if there is one.
    Raises OSError."""
    memory = os.memfd_create("guest", os.MFD_CLOEXEC)
    try:
        os.ftruncate(memory, size)
        if source is not None:
            _copy(source, memory, size)
        yield memory
    finally:
        os.close(memory)


def _copy(source: int, target: int, size: int) -> None:
    """What `source` has between its holes."""
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(source, at, os.SEEK_HOLE), size)
        os.lseek(target, at, os.SEEK_SET)
        while at < end:
            sent = os.sendfile(target, source, at, end - at)
            if not sent:
                return
            at += sent


def plug_in(monitor: Qmp, descriptor: int) -> None:
    """Tell a running QEMU of the device. Raises QmpError."""
    monitor.call("getfd", {"fdname": HOST_FILES}, fds=(descriptor,), timeout_s=_ASK_S)
    where = {"type": "fd", "data": {"str": HOST_FILES}}
    backend = {"type": "socket", "data": {"addr": where, "server": False}}
    monitor.call("chardev-add", {"id": HOST_FILES, "backend": backend}, timeout_s=_ASK_S)
    device: dict[str, object] = {"driver": "vhost-user-fs-pci", "id": "host-files", "chardev": HOST_FILES}
    monitor.call("device_add", {**device, "tag": HOST_FILES}, timeout_s=_ASK_S)


# -- the program


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prepare(libc: ctypes.CDLL, writable: Sequence[str]) -> str:
    """A mount namespace in which this host's files are to be read below the folder that is given back."""
    uid, gid = os.geteuid(), os.getegid()
    _checked(libc.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0)), "no mount namespace")
    if uid:
        maps: Mapping[str, str] = {"setgroups": "deny", "uid_map": f"0 {uid} 1", "gid_map": f"0 {gid} 1"}
        for name, text in maps.items():
            Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
    _checked(libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "/")

    def tree(path: str) -> int:
        flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
        return _checked(libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), path)

    def place(mount: int, at: str) -> None:
        moved = libc.syscall(_SYS_MOVE_MOUNT, mount, b"", _AT_FDCWD, os.fsencode(at), _MOVE_MOUNT_F_EMPTY_PATH)
        _checked(moved, at)

    root = "/tmp"
    everything, folders = tree("/"), [(path, tree(path)) for path in writable]
    read_only = (ctypes.c_uint64 * 4)(_MS_RDONLY, 0, 0, 0)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    changed = libc.syscall(_SYS_MOUNT_SETATTR, everything, b"", flags, read_only, ctypes.sizeof(read_only))
    _checked(changed, "can't be made read-only")
    place(everything, root)
    for path in HIDDEN:
        if Path(root + path).is_dir():
            _checked(libc.mount(b"none", os.fsencode(root + path), b"tmpfs", _MS_RDONLY, b"size=4k"), path)
    for path, mount in folders:
        place(mount, root + path)
    return root


def main(words: Sequence[str]) -> None:
    """Becomes virtiofsd. Words: our parent's pid, the descriptor, which kind, the program, the writable folders."""
    parent, fd, kind, program, *writable = words
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    try:
        source = _prepare(libc, writable)
        # Forgotten where the credentials change, so it comes last.
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):
            return
        argv = command(program, kind == "rust", int(fd), source)
        os.write(2, READY)
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 2)
        os.execv(program, argv)
    except OSError as error:
        with suppress(OSError):
            os.write(2, f"{error.strerror}\n".encode())
        os._exit(1)


def writable_folder(text: str) -> str:
    """The folder that ``--rw`` names, as an absolute path without links. Raises ValueError."""
    path = os.path.realpath(text)
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISDIR(found.st_mode):
        raise ValueError("it is no folder")
    if path == "/":
        raise ValueError("all of this host would be writable")
    if any(path == each or path.startswith(f"{each}/") for each in HIDDEN):
        raise ValueError("it is not shared with a guest")
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValueError("it can't be written here either")
    return path


if __name__ == "__main__":
    main(sys.argv[1:])
